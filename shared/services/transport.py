"""How a paid call travels: httpx over aiohttp, a new connection a call, wide reads, evidence kept.

* httpx is the face and aiohttp the wire: a quarter of the CPU per byte of httpx's own wire, once
  its chunks are 256 KiB instead of 16 KiB.
* Every call has a connection of its own. On a kept-alive one, "the server closed it just before I
  wrote" and "the server read my request and died" look the same; on a new one the first cannot
  happen. One handshake (about 2 round trips) is nothing beside a call of 10-180 s.
* The socket sends TCP keep-alives: a reply that is minutes in the making sends no bytes, and NAT
  gateways forget silent connections (Azure's after 4 minutes).
"""

import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import Final, override

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

#: What one read may hand over, bytes: the size of asyncio's own TLS read buffer.
CHUNK_BYTES: Final = 1 << 18

#: TCP keep-alives: the first after this many silent seconds, then one each interval; a peer that
#: answers none of them is dead.
KEEPALIVE_IDLE_SECONDS: Final = 30
KEEPALIVE_INTERVAL_SECONDS: Final = 15
KEEPALIVE_PROBES: Final = 4


@dataclass(slots=True)
class Evidence:
    """What was seen of one call on its way out."""

    #: A connection was made, so bytes of the request may have left.
    connected: bool = False


#: The evidence of the call this task is making. aiohttp raises one and the same class for "could
#: not connect" and "was cut off after sending", and httpx-aiohttp calls both `ConnectTimeout`:
#: only what was seen tells them apart.
EVIDENCE: Final[ContextVar[Evidence]] = ContextVar("EVIDENCE")


class WideTransport(AiohttpTransport):
    """httpx-aiohttp's transport with wide reads, no reuse of connections, no cookies."""

    @override
    def get_client(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            ssl=self.ssl_context,
            force_close=True,
            limit=0,  # the host bounds how many calls there are at once
            socket_factory=_kept_alive_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[_tracing()],
            trust_env=True,  # HTTPS_PROXY and NO_PROXY, as the storage SDK has it
        )

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        response.stream.CHUNK_SIZE = CHUNK_BYTES  # type: ignore[union-attr] # httpx-aiohttp's own
        return response


def new_client(user_agent: str, *, tls: ssl.SSLContext | None = None) -> httpx.AsyncClient:
    """Return a client that follows no redirect, keeps no cookie and retries nothing.

    Nothing is opened, and no event loop is needed, before its first request.
    """
    return httpx.AsyncClient(
        transport=WideTransport(verify=tls or httpx.create_ssl_context()),
        # httpx asks for gzip and keep-alive unless told otherwise. Unpacking base64 costs more
        # CPU than all the rest of a call together.
        headers={"user-agent": user_agent, "accept-encoding": "identity", "connection": "close"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        follow_redirects=False,
    )


def _tracing() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_note)
    trace.on_connection_reuseconn.append(_note)
    trace.on_request_headers_sent.append(_note)
    return trace


async def _note(_session: aiohttp.ClientSession, _context: SimpleNamespace, _seen: object) -> None:
    EVIDENCE.get().connected = True


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
