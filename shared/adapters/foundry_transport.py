"""How a paid call travels: over aiohttp, a new connection a call, wide reads, evidence kept.

* Every call has a connection of its own. On a kept-alive one, "the server closed it just before I
  wrote" and "the server read my request and died" look the same; on a new one the first cannot
  happen. One handshake (about 2 round trips) is nothing beside a call of 10-180 s.
* The socket sends TCP keep-alives: a reply that is minutes in the making sends no bytes, and NAT
  gateways forget silent connections (Azure's after 4 minutes).
"""

import asyncio
import socket
import zlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver

from ..errors import BrokenReply, NoReply, UnreadableReply

#: What one read may hand over, bytes: the size of asyncio's own TLS read buffer.
CHUNK_BYTES: Final = 1 << 18

#: The most a header of a reply may hold, bytes; aiohttp's own bound is 8,190, and content filters
#: and gateways write longer ones.
MAX_HEADER_BYTES: Final = 1 << 16
_GZIP: Final = b"\x1f\x8b"

#: TCP keep-alives: the first after this many silent seconds, then one each interval; a peer that
#: answers none of them is dead.
KEEPALIVE_IDLE_SECONDS: Final = 30
KEEPALIVE_INTERVAL_SECONDS: Final = 15
KEEPALIVE_PROBES: Final = 4


@dataclass(slots=True)
class Evidence:
    """What was seen of one call on its way out; a request carries it as `trace_request_ctx`.

    An error of aiohttp does not always tell "could not connect" from "was cut off after sending".
    """

    #: A connection was made, so bytes of the request may have left.
    connected: bool = False


def open_session(
    user_agent: str, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session that keeps no connection and no cookie; open it within an event loop.

    Without a resolver names are looked up by the system.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            force_close=True,
            limit=0,  # the host bounds how many calls there are at once
            socket_factory=_kept_alive_socket,
            resolver=resolver,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Unpacking base64 costs more CPU than all the rest of a call together.
        headers={"user-agent": user_agent, "accept-encoding": "identity"},
        auto_decompress=False,
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
        trace_configs=[_tracing()],
    )


class FoundryReply:
    """`Reply` over a response; `total` is what its whole call is given."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        read_seconds: float,
        total: asyncio.Timeout,
        host: str,
    ) -> None:
        self.status: Final = response.status
        self.headers: Final = _read_headers(response.raw_headers)
        self._response = response
        self._read_seconds = read_seconds
        self._total = total
        self._host = host

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; `BrokenReply` if it is cut, `NoReply` if it stalls."""
        silence: float | None = None
        body = self._body()
        while True:
            try:
                async with asyncio.timeout(silence):
                    chunk = await anext(body, None)
            except TimeoutError as error:
                raise NoReply(
                    f"{self._host} stopped in the middle of its reply: "
                    f"nothing came for {self._read_seconds:g} s"
                ) from error
            except BrokenReply:
                raise
            except Exception as error:
                raise BrokenReply(
                    f"the reply of {self._host} broke off: {describe_error(error)}"
                ) from error
            if chunk is None:
                self._total.reschedule(None)  # what the caller still does with it is not the call
                return
            silence = self._read_seconds
            yield chunk

    def _body(self) -> AsyncIterator[bytes]:
        """Return the body, unpacked as often as it says it is packed, though nobody asked for it.

        Raises `UnreadableReply` for what it can't unpack: the next reply would be packed like it.
        """
        body: AsyncIterator[bytes] = self._response.content.iter_chunked(CHUNK_BYTES)
        for encoding in reversed(self.headers.get("content-encoding", "identity").split(",")):
            name = encoding.strip().lower()
            if name not in {"", "identity", "gzip", "x-gzip", "deflate"}:
                raise UnreadableReply(
                    f"{self._host} sent its reply packed as {name!r} although it was asked for "
                    f"`accept-encoding: identity`; take the compressing proxy out of the way"
                )
            body = unpack(body, is_deflate=name == "deflate")
        return body


async def unpack(body: AsyncIterator[bytes], *, is_deflate: bool = False) -> AsyncIterator[bytes]:
    """Yield a body, in pieces of at most `CHUNK_BYTES` if it is packed in gzip or deflate.

    Gzip is known by its first bytes, whatever the headers say; deflate has none of its own. Raises
    `UnreadableReply` for what can't be unpacked, `BrokenReply` where it ends too early.
    """
    packed: zlib._Decompress | None = None
    is_packed: bool | None = None
    async for chunk in body:
        if is_packed is None:
            is_packed = is_deflate or chunk.startswith(_GZIP)
        left = chunk
        while left and is_packed:
            packed = packed or zlib.decompressobj(_window(left))
            try:
                if data := packed.decompress(left, CHUNK_BYTES):
                    yield data
            except zlib.error as error:
                raise UnreadableReply(f"the reply can't be unpacked: {error}") from error
            left = packed.unconsumed_tail
            if packed.eof and packed.unused_data.startswith(_GZIP):
                left, packed = packed.unused_data, None  # the next member of the same file
        if not is_packed:
            yield chunk
    if packed and not packed.eof:
        raise BrokenReply("the reply ends before what is packed in it does")


def _window(start: bytes) -> int:
    """Return zlib's number for the form of a packed text: with the head of gzip or zlib, or raw."""
    has_head = start.startswith(_GZIP) or start[0] & 0x0F == zlib.DEFLATED
    return zlib.MAX_WBITS + 32 if has_head else -zlib.MAX_WBITS


def describe_error(error: Exception) -> str:
    """Return what an error says, after its name."""
    return f"{type(error).__name__} {error}".strip()


def _read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Return headers by their names in lower case; one that came twice has both values."""
    headers: dict[str, str] = {}
    for pair in raw:
        name, value = (text.decode("utf-8", "replace") for text in pair)
        key = name.lower()
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers


def _tracing() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note)
    trace.on_connection_reuseconn.append(_note)
    trace.on_request_headers_sent.append(_note)
    return trace


async def _note(_session: aiohttp.ClientSession, context: SimpleNamespace, _seen: object) -> None:
    context.trace_request_ctx.connected = True


def _kept_alive_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (  # by name: not every system has all three
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
        ("TCP_KEEPCNT", KEEPALIVE_PROBES),
    ):
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made
