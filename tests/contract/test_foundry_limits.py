"""How long a call may take, and whose time-out is whose."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from aiohttp import web

from shared.adapters.foundry import CallLimits, FoundryEndpoint
from shared.errors import BrokenReply
from tests.contract.endpoints import (
    PICTURE,
    SHORT,
    a_request,
    endpoint_of,
    http,
    read_request,
    tcp,
    whole,
)


async def each(endpoint: FoundryEndpoint, url: str, do: Callable[[], Awaitable[object]]) -> None:
    async with endpoint.post(a_request(url), limit=SHORT, client_request_id="1") as reply:
        async for _ in reply.chunks():
            await do()


async def raises(error: Exception) -> None:
    raise error


async def test_an_answer_that_never_comes_is_a_broken_reply_at_the_limit() -> None:
    asked = asyncio.Event()

    async def ponders(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        asked.set()
        await reader.read()

    async with tcp(ponders) as url, endpoint_of(limits=CallLimits(1, 0.01)) as endpoint:
        with pytest.raises(BrokenReply, match=r"did not answer in full within 0\.2 s"):
            await whole(endpoint, url, SHORT)
    assert asked.is_set()


async def test_the_limit_holds_while_the_caller_is_busy_and_ends_with_the_body() -> None:
    async def answers(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    never = asyncio.Event()
    async with http(answers) as url, endpoint_of() as endpoint:
        with pytest.raises(BrokenReply):
            await each(endpoint, url, never.wait)
        async with endpoint.post(a_request(url), limit=SHORT, client_request_id="2") as reply:
            assert sum([len(chunk) async for chunk in reply.chunks()]) == len(PICTURE)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(never.wait(), 2 * SHORT.total_seconds())


async def test_the_callers_own_errors_pass_through() -> None:
    async def answers(_request: web.Request) -> web.Response:
        return web.Response(body=PICTURE)

    async with http(answers) as url, endpoint_of() as endpoint:
        for error in (TimeoutError("mine"), ValueError("mine"), OSError("mine")):
            with pytest.raises(type(error), match="mine"):
                await each(endpoint, url, partial(raises, error))
