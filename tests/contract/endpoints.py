"""Small servers to call, and an endpoint to call them with."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from shared.adapters.foundry import CallLimits, FoundryEndpoint
from shared.errors import CredentialUnavailable
from shared.images_api.requests import ImageRequest
from shared.stores.inputs import Inputs
from tests.fakes.memory import MemoryBlobs

LONG = timedelta(seconds=30)
SHORT = timedelta(milliseconds=200)
PICTURE = bytes(1 << 20)

type Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class FakeTokens:
    given: int = 0
    forgotten: list[str] = field(default_factory=list)
    failing: CredentialUnavailable | None = None

    async def token(self, scope: str) -> str:
        if self.failing:
            raise self.failing
        self.given += 1
        return f"token-{self.given}-for-{scope}"

    def forget(self, scope: str) -> None:
        self.forgotten.append(scope)


def no_inputs() -> Inputs:
    return Inputs(MemoryBlobs(), MemoryBlobs(), "images")


@asynccontextmanager
async def endpoint_of(
    *,
    limits: CallLimits | None = None,
    api_key: str | None = None,
    tokens: FakeTokens | None = None,
    inputs: Inputs | None = None,
) -> AsyncIterator[FoundryEndpoint]:
    endpoint = FoundryEndpoint(
        tokens or FakeTokens(), inputs or no_inputs(), limits or CallLimits(), api_key=api_key
    )
    try:
        yield endpoint
    finally:
        await endpoint.close()


def a_request(url: str) -> ImageRequest:
    return ImageRequest(f"{url}/images", {"prompt": "Küste"}, scope="scope", stream=False)


@asynccontextmanager
async def http(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A proper server: its URL."""
    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/images", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def tcp(answer: Answer) -> AsyncIterator[str]:
    """A server that says what it likes: its URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        server.close()


async def read_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(int(length.split(b":")[1]))


async def whole(endpoint: FoundryEndpoint, url: str, limit: timedelta = LONG) -> tuple[int, bytes]:
    async with endpoint.post(a_request(url), limit=limit, client_request_id="id-1") as reply:
        return reply.status, b"".join([chunk async for chunk in reply.chunks()])
