"""The body of one reply: in chunks, at a rate, cut or stalled when a fault asks for it."""

import asyncio

from aiohttp import web


class Disconnected(Exception):
    """The emulator gives no reply, as a fault asked; the text says how, as the ledger names it."""


def is_gone(request: web.Request) -> bool:
    """Return True when the client has disconnected."""
    return request.transport is None or request.transport.is_closing()


def disconnect(request: web.Request) -> None:
    """Close the connection after the written bytes, without ending the reply."""
    if request.transport is not None:
        request.transport.close()


class BodyWriter:
    """The writer of one body; positions are bytes of the body."""

    def __init__(
        self,
        request: web.Request,
        response: web.StreamResponse,
        *,
        chunk_bytes: int,
        bytes_per_second: float | None,
    ) -> None:
        self._request = request
        self._response = response
        self._chunk = chunk_bytes
        self._rate = bytes_per_second
        self.sent = 0
        self.cut_at: int | None = None
        self.stall_at: int | None = None

    async def write(self, data: bytes) -> None:
        """Write some of the body; Severed once its cut was reached."""
        view = memoryview(data)
        while view:
            await self._stop_here()
            piece = view[: self._room()]
            await self._response.write(piece)
            self.sent += len(piece)
            view = view[len(piece) :]
            if self._rate:
                await asyncio.sleep(len(piece) / self._rate)
        await self._stop_here()

    def _room(self) -> int:
        """Return the bytes that may be sent before the next stop."""
        stops = [stop - self.sent for stop in (self.cut_at, self.stall_at) if stop is not None]
        return max(1, min(self._chunk, *stops)) if stops else self._chunk

    async def _stop_here(self) -> None:
        if self.cut_at is not None and self.sent >= self.cut_at:
            disconnect(self._request)
            raise Disconnected
        if self.stall_at is not None and self.sent >= self.stall_at:
            await wait_until_gone(self._request)
            raise Disconnected


async def wait_until_gone(request: web.Request) -> None:
    """Wait in silence until the client disconnects."""
    while not is_gone(request):  # noqa: ASYNC110  # aiohttp gives no other sign
        await asyncio.sleep(0.02)
