"""No error of the HTTP library escapes, wherever it is raised."""

import inspect
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import httpx
import pytest

from shared.adapters.foundry import FoundryEndpoint
from shared.adapters.foundry_transport import EVIDENCE
from shared.errors import BrokenReply, CallFailed, NoConnection, NoReply
from shared.images_api.requests import ImageRequest
from tests.contract.endpoints import FakeTokens, no_inputs

REQUEST = ImageRequest("https://res.example/images", {"prompt": "p"}, scope="s", stream=False)
LIMIT = timedelta(seconds=30)

#: The classes that mean "never sent", if no connection was seen either.
BEFORE_SENDING = {
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
}


SPEAKS_FOR_ITSELF = {
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.ResponseNotRead,
    httpx.RequestNotRead,
}


def errors_of_httpx() -> list[Exception]:
    classes = {
        member
        for _, member in inspect.getmembers(httpx, inspect.isclass)
        if issubclass(member, Exception)
    }
    request = httpx.Request("POST", "https://res.example")
    made: list[Exception] = []
    for member in sorted(classes, key=lambda member: member.__name__):
        if member is httpx.HTTPStatusError:
            made.append(member("told", request=request, response=httpx.Response(500)))
        elif member in SPEAKS_FOR_ITSELF:
            made.append(member())
        else:
            made.append(member("told"))
    return made


#: What httpx-aiohttp does not translate, and what the system may raise beneath it.
OTHERS: list[Exception] = [
    aiohttp.ClientError("told"),
    aiohttp.ServerDisconnectedError("told"),
    aiohttp.ClientPayloadError("told"),
    OSError("told"),
    ConnectionResetError("told"),
    RuntimeError("told"),
]
EVERY = [*errors_of_httpx(), *OTHERS]


def named(error: Exception) -> str:
    return type(error).__name__


class Breaks(httpx.AsyncBaseTransport):
    """Raises before there is a reply; a connection was seen, or was not."""

    def __init__(self, error: Exception, *, connected: bool) -> None:
        self.error, self.connected = error, connected

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        assert request.method == "POST"
        EVIDENCE.get().connected = self.connected
        raise self.error


class BreaksWithin(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """Raises in the middle of the body, and again when it is closed."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        EVIDENCE.get().connected = True
        return httpx.Response(200, stream=self, request=request)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"{"
        raise self.error

    async def aclose(self) -> None:
        raise self.error


def endpoint_over(transport: httpx.AsyncBaseTransport) -> FoundryEndpoint:
    client = httpx.AsyncClient(transport=transport)
    return FoundryEndpoint(FakeTokens(), no_inputs(), client=client)


def test_the_list_of_errors_is_whole() -> None:
    assert len(EVERY) > 25
    assert {type(error) for error in EVERY} >= BEFORE_SENDING


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_without_a_connection_is_not_sent_only_if_it_says_so(
    error: Exception,
) -> None:
    with pytest.raises(CallFailed) as caught:
        async with endpoint_over(Breaks(error, connected=False)).post(
            REQUEST, limit=LIMIT, client_request_id="1"
        ):
            raise AssertionError("there is no reply")
    assert type(caught.value) is (NoConnection if type(error) in BEFORE_SENDING else NoReply)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_on_a_connection_is_a_broken_reply_whatever_it_says(
    error: Exception,
) -> None:
    with pytest.raises(NoReply) as caught:
        async with endpoint_over(Breaks(error, connected=True)).post(
            REQUEST, limit=LIMIT, client_request_id="1"
        ):
            raise AssertionError("there is no reply")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("error", EVERY, ids=named)
async def test_an_error_while_the_caller_reads_is_a_broken_reply(error: Exception) -> None:
    got: list[bytes] = []

    async def read() -> None:
        async with endpoint_over(BreaksWithin(error)).post(
            REQUEST, limit=LIMIT, client_request_id="1"
        ) as reply:
            async for chunk in reply.chunks():
                got.append(chunk)  # noqa: PERF401 (a comprehension would lose what came before)

    with pytest.raises(BrokenReply, match=r"res\.example") as caught:
        await read()
    assert got == [b"{"]
    assert caught.value.__cause__ is error
