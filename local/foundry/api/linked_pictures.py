"""Pictures that replies link instead of sending: given once asked for by their signed address."""

import secrets
from dataclasses import dataclass, field

from aiohttp import web

#: None of these has any business here: whoever follows a link brings nothing along.
_CREDENTIALS = ("authorization", "api-key", "cookie")


@dataclass(slots=True)
class LinkedPictures:
    """What is linked, by name and signature."""

    pictures: dict[tuple[str, str], tuple[bytes, str]] = field(default_factory=dict)

    def add(self, origin: str, data: bytes, encoding: str) -> str:
        """Keep a picture and return the address it is said to be had at."""
        name, signature = secrets.token_hex(8), secrets.token_urlsafe(24)
        self.pictures[name, signature] = (data, f"image/{encoding}")
        return f"{origin}/linked/{name}?se=2030-01-01&sig={signature}"

    async def give(self, request: web.Request) -> web.Response:
        """Answer whoever follows a link: 400 with credentials, 403 without the signature."""
        brought = [name for name in _CREDENTIALS if name in request.headers]
        if brought:
            return web.Response(status=400, text=f"no {', '.join(brought)} here, please")
        found = self.pictures.get((request.match_info["name"], request.query.get("sig", "")))
        if found is None:
            return web.Response(status=403, text="the signature is none of ours")
        return web.Response(body=found[0], content_type=found[1])
