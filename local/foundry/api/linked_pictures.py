"""Pictures that a reply links instead of sending: served at a signed URL."""

import secrets
from dataclasses import dataclass, field

from aiohttp import web

#: A client that follows a link must send none of these.
_CREDENTIALS = ("authorization", "api-key", "cookie")


@dataclass(slots=True)
class LinkedPictures:
    """The linked pictures by name and signature."""

    pictures: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)

    def add(self, origin: str, data: bytes, encoding: str) -> str:
        """Store a picture and return its URL."""
        name, signature = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.pictures[name, signature] = (data, f"image/{encoding}")
        return f"{origin}/linked/{name}?se=2030-01-01&sig={signature}"

    async def serve(self, request: web.Request) -> web.Response:
        """Return a picture: 400 with credentials, 403 without its signature."""
        sent = [name for name in _CREDENTIALS if name in request.headers]
        if sent:
            return web.Response(status=400, text=f"a link must be read without {', '.join(sent)}")
        found = self.pictures.get((request.match_info["name"], request.query.get("sig", "")))
        if found is None:
            return web.Response(status=403, text="the signature is not valid")
        return web.Response(body=found[0], content_type=found[1])
