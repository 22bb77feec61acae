"""A receiver of events: a real HTTP server of this process, with the answers that a test sets."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import JsonValue

#: What is sent: it holds a letter that is no ASCII.
EVENT: dict[str, JsonValue] = {
    "specversion": "1.0",
    "id": "c1a8cfd5-2a1b-5d0e-9d63-58b0bb1a6f10",
    "type": "image.job.succeeded",
    "source": "/image-jobs",
    "data": {"job_id": "fox-1", "tags": {"owner": "Zoë"}},
}


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    query: Mapping[str, str]
    #: Names in lower case.
    headers: Mapping[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass(slots=True)
class Receiver:
    """What came in, and what is answered: the next of `answers`, else 200."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    answers: list[web.StreamResponse] = field(default_factory=list)
    #: Accept requests and never answer them.
    is_silent: bool = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = await request.read()
        self.received.append(Received(request.path, dict(request.query), headers, body))
        if self.is_silent:
            await asyncio.Event().wait()
        return self.answers.pop(0) if self.answers else web.Response()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()
