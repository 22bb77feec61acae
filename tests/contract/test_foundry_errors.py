"""No error of the HTTP library escapes, wherever it is raised."""

import inspect
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from shared.adapters.foundry import FoundryEndpoint
from shared.adapters.foundry_transport import Evidence
from shared.errors import BrokenReply, CallFailed, NoConnection, NoReply, NotSent
from shared.images_api.requests import ImageRequest
from tests.contract.endpoints import FakeTokens, no_inputs

REQUEST = ImageRequest("https://res.example/images", {"prompt": "p"}, scope="s", stream=False)
LIMIT = timedelta(seconds=30)

KEY = ConnectionKey("res.example", 443, True, True, None, None, None)
ASKED = aiohttp.RequestInfo(
    URL(REQUEST.url), "POST", CIMultiDictProxy(CIMultiDict()), URL(REQUEST.url)
)


def made(member: type[Exception]) -> Exception:
    """Return an error of this class, with what its class wants to be told."""
    if issubclass(member, aiohttp.ClientResponseError):
        return member(ASKED, (), message="told")
    if issubclass(member, aiohttp.ClientConnectorCertificateError):
        return member(KEY, ssl.CertificateError("told"))
    if issubclass(member, aiohttp.ClientConnectorError):
        return member(KEY, OSError("told"))
    if issubclass(member, aiohttp.ServerFingerprintMismatch):
        return member(b"one", b"another", "res.example", 443)
    if issubclass(member, aiohttp.WebSocketError):
        return member(aiohttp.WSCloseCode.PROTOCOL_ERROR, "told")
    return member("told")


def errors_of_aiohttp() -> list[Exception]:
    classes = {
        member
        for _, member in inspect.getmembers(aiohttp, inspect.isclass)
        if issubclass(member, Exception)
    }
    return [made(member) for member in sorted(classes, key=lambda member: member.__name__)]


#: What the system may raise beneath it.
OTHERS: list[Exception] = [
    OSError("told"),
    ConnectionResetError("told"),
    RuntimeError("told"),
]
EVERY = [*errors_of_aiohttp(), *OTHERS]


def what_is_told(error: Exception) -> type[CallFailed]:
    """What an error means that came before there was a connection."""
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError):
        return NotSent
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientHttpProxyError):
        return NoConnection
    return NoReply


def named(error: Exception) -> str:
    return type(error).__name__


class Breaks:
    """A session that raises before there is a reply; a connection was seen, or was not."""

    def __init__(self, error: Exception, *, connected: bool) -> None:
        self.error, self.connected = error, connected

    async def post(self, url: str, *, trace_request_ctx: Evidence, **_: object) -> None:
        assert url == REQUEST.url
        trace_request_ctx.connected = self.connected
        raise self.error


class BreaksWithin:
    """A session and its response that raises in the middle of the body."""

    status = 200
    raw_headers = ()

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.closed = False

    @property
    def content(self) -> "BreaksWithin":
        return self

    async def post(self, _: str, *, trace_request_ctx: Evidence, **__: object) -> "BreaksWithin":
        trace_request_ctx.connected = True
        return self

    async def iter_chunked(self, _: int) -> AsyncIterator[bytes]:
        yield b"{"
        raise self.error

    def close(self) -> None:
        self.closed = True


def endpoint_over(session: Breaks | BreaksWithin) -> FoundryEndpoint:
    def opened(_: str) -> aiohttp.ClientSession:
        return cast("aiohttp.ClientSession", session)

    return FoundryEndpoint(FakeTokens(), no_inputs(), open_session=opened)


def test_the_list_of_errors_is_whole() -> None:
    assert len(EVERY) > 25
    assert {NotSent, NoConnection, NoReply} == {what_is_told(error) for error in EVERY}


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_without_a_connection_is_not_sent_only_if_it_says_so(
    error: Exception,
) -> None:
    with pytest.raises(CallFailed) as caught:
        async with endpoint_over(Breaks(error, connected=False)).post(
            REQUEST, limit=LIMIT, client_request_id="1"
        ):
            raise AssertionError("there is no reply")
    assert type(caught.value) is what_is_told(error)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_on_a_connection_is_no_reply_whatever_it_says(error: Exception) -> None:
    with pytest.raises(NoReply) as caught:
        async with endpoint_over(Breaks(error, connected=True)).post(
            REQUEST, limit=LIMIT, client_request_id="1"
        ):
            raise AssertionError("there is no reply")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_while_the_caller_reads_is_a_broken_reply(error: Exception) -> None:
    got: list[bytes] = []
    breaks = BreaksWithin(error)

    async def read() -> None:
        async with endpoint_over(breaks).post(REQUEST, limit=LIMIT, client_request_id="1") as reply:
            async for chunk in reply.chunks():
                got.append(chunk)  # noqa: PERF401 (a comprehension would lose what came before)

    with pytest.raises(BrokenReply, match=r"res\.example") as caught:
        await read()
    assert got == [b"{"]
    assert caught.value.__cause__ is error
    assert breaks.closed
