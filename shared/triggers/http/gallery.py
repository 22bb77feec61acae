"""Serve the gallery: one page of static files, without a key because it has no data.

The page gets all data from the API, with the key that the reader enters. Its content security
policy allows only our scripts, the app's pictures and the pictures behind links.
"""

from functools import cache
from pathlib import Path
from typing import Final

import azure.functions as func

from ...adapters.storage.account import address_of
from ...config.settings import Configuration
from .responses import build_response

_FILES: Final = Path(__file__).parent / "gallery_files"
_PAGE: Final = "index.html"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob:{pictures}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


async def gallery(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return the page."""
    del req
    return _file_response(_PAGE, _policy(configuration))


async def gallery_file(req: func.HttpRequest, configuration: Configuration) -> func.HttpResponse:
    """Return a file of the page."""
    name = req.route_params.get("name", "")
    if name == _PAGE or name not in files():
        return func.HttpResponse(status_code=404)
    return _file_response(name, _policy(configuration))


@cache
def files() -> dict[str, bytes]:
    """Return every file of the page by its name."""
    return {path.name: path.read_bytes() for path in _FILES.iterdir() if path.suffix in _TYPES}


def _policy(configuration: Configuration) -> str:
    settings = configuration.settings
    given = settings.read_link_seconds > 0
    pictures = f" {address_of(settings).origin('blob')}" if given else ""
    return _POLICY.format(pictures=pictures)


def _file_response(name: str, policy: str) -> func.HttpResponse:
    headers = {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
    }
    return build_response(files()[name], _TYPES[Path(name).suffix], 200, headers)
