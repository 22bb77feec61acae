"""Build HTTP responses: documents, problems and stored blobs, with their headers."""

from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Final

import azure.functions as func

from ...config.settings import Configuration
from ...errors import ImageJobsError, Rejected
from ...events.data import Data
from ...http_api.openai_responses import OpenAIRefused
from ...http_api.problems import PROBLEM_TYPE, Refused, refused, to_problem
from ...http_api.queries import ByteRange, matches_version, read_byte_range
from ...ports import Report, What
from ...stores.pictures import PicturePart
from ...stores.world import World
from ..host import log, log_report

#: Most bytes of a blob in one response: the platform keeps a response in memory.
PART_BYTES: Final = 4 << 20
#: Headers of every response. A stored blob never changes, but which picture is the first may.
_COMMON_HEADERS: Final = {
    "Cache-Control": "private, no-cache",
    "X-Content-Type-Options": "nosniff",
}
#: What a retry may change, and the seconds until it is worth one.
_LATER: Final = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
_RETRY_AFTER: Final = "5"


def json_response(
    data: Data, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    """Return a response with a document."""
    return build_response(data.model_dump_json(), "application/json", status, headers or {})


def empty_response(status: int, headers: Mapping[str, str]) -> func.HttpResponse:
    """Return a response without a body."""
    return func.HttpResponse(status_code=status, headers={**_COMMON_HEADERS, **headers})


async def respond(name: str, answer: Awaitable[func.HttpResponse]) -> func.HttpResponse:
    """Return the response of the function `name`; an error becomes a problem and is logged."""
    try:
        return await answer
    except ImageJobsError as error:
        log_error(name, error)
        found = to_problem(error)
        again = {"Retry-After": _RETRY_AFTER} if found.status in _LATER else {}
        return build_response(found.model_dump_json(), PROBLEM_TYPE, found.status, again)


def log_error(name: str, error: ImageJobsError) -> None:
    """Log an error of a request, unless the caller could know that it is one."""
    match error:
        case Refused() | OpenAIRefused():
            return  # an error of the caller, such as a wrong id or type
        case Rejected():
            faults = [str(fault) for fault in error.faults]
            log_report(
                name, Report(What.REFUSED, error.job_id, {"code": error.code, "faults": faults})
            )
        case _:
            log.warning("%s: %s", name, error)


async def respond_with_blob(
    name: str | None,
    req: func.HttpRequest,
    *,
    world: World,
    configuration: Configuration,
    missing: str,
    most: int = PART_BYTES,
) -> func.HttpResponse:
    """Return a blob of the images container, whole or in part; `Refused` with `missing` if none.

    It is whole up to `most` bytes.
    """
    wanted = read_byte_range(req.headers.get("range"))
    part = name and await world.pictures.read(
        name, start=wanted.start if wanted else 0, length=_length(wanted) if wanted else most
    )
    if not (name and part):
        raise refused(missing)
    if matches_version(req.headers.get("if-none-match"), part.version):
        return empty_response(304, {"ETag": part.version})
    headers = {"ETag": part.version, "Accept-Ranges": "bytes"}
    if wanted:
        headers["Content-Range"] = _content_range(part)
    elif len(part.data) < part.total:
        return await _redirect(name, part, world, configuration)
    return build_response(part.data, part.content_type, 206 if wanted else 200, headers)


def _length(wanted: ByteRange) -> int:
    if wanted.end is None:
        return PART_BYTES
    return min(PART_BYTES, wanted.end - wanted.start + 1)


def _content_range(part: PicturePart) -> str:
    if not part.data:
        raise refused("range_not_satisfiable", f"there are {part.total:,} bytes")
    return f"bytes {part.start}-{part.start + len(part.data) - 1}/{part.total}"


async def _redirect(
    name: str, part: PicturePart, world: World, configuration: Configuration
) -> func.HttpResponse:
    """Redirect to storage for a long picture if links are enabled; else require a range."""
    life = configuration.settings.read_link_life
    if not life:
        raise refused(
            "range_needed",
            f"the picture has {part.total:,} bytes and a response at most {PART_BYTES:,}; send "
            "'Range: bytes=0-' and continue from there",
        )
    url = await world.links.link(name, until=world.clock.now() + life)
    return empty_response(302, {"Location": url, "Cache-Control": "no-store"})


def build_response(
    body: str | bytes, content_type: str, status: int, headers: Mapping[str, str]
) -> func.HttpResponse:
    """Return a response with the headers of all responses; `headers` override them."""
    return func.HttpResponse(
        body,
        status_code=status,
        mimetype=content_type,
        headers={**_COMMON_HEADERS, "Content-Type": content_type, **headers},
    )
