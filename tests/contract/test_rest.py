"""Requests to storage: signed as the service wants it, repeated where that helps, told plainly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from shared.adapters.clock import SystemClock
from shared.adapters.storage.account import SCOPE, Token
from shared.adapters.storage.blobs import RestBlobs
from shared.adapters.storage.rest import StorageClient, StorageRefusal, StorageTuning, find_proxy
from shared.errors import StoreUnavailable
from tests.contract.conftest import AT_ONCE
from tests.contract.endpoints import FakeTokens

type Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def service(
    handler: Handler, tuning: StorageTuning = AT_ONCE, *, clock: SystemClock | None = None
) -> AsyncIterator[RestBlobs]:
    """Blobs of a service that answers as told, asked with tokens."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    wire = StorageClient(Token(FakeTokens()), tuning, clock=clock)
    try:
        yield RestBlobs(wire, f"http://{host}:{port}/images")
    finally:
        await wire.close()
        await runner.cleanup()


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_what_may_pass_is_asked_again(status: int) -> None:
    asked: list[str] = []

    async def busy_twice(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=status if len(asked) < 3 else 200, body=b"body")

    async with service(busy_twice) as blobs:
        assert await blobs.read("a") is not None
    assert len(asked) == 3


@pytest.mark.parametrize("status", [400, 403, 501])
async def test_what_will_not_pass_is_told_at_once(status: int) -> None:
    asked: list[str] = []

    async def refuses(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=status, headers={"x-ms-error-code": "SaidSo"})

    async with service(refuses) as blobs:
        with pytest.raises(StorageRefusal, match=f"reading images/a: {status} SaidSo") as refused:
            await blobs.read("a")
    assert (len(asked), refused.value.code) == (1, "SaidSo")


async def test_a_service_that_stays_busy_is_given_up_on() -> None:
    asked: list[str] = []

    async def busy(request: web.Request) -> web.Response:
        asked.append(request.method)
        return web.Response(status=503)

    async with service(busy) as blobs:
        with pytest.raises(StoreUnavailable, match="reading images/a: 503 Service Unavailable"):
            await blobs.read("a")
    assert len(asked) == 1 + AT_ONCE.retries


async def test_a_refused_token_is_replaced_once() -> None:
    seen: list[str] = []

    async def refuses(request: web.Request) -> web.Response:
        seen.append(request.headers["authorization"])
        return web.Response(status=401, headers={"x-ms-error-code": "InvalidAuthenticationInfo"})

    async with service(refuses) as blobs:
        with pytest.raises(StorageRefusal, match="401 InvalidAuthenticationInfo"):
            await blobs.read("a")
    assert seen == [f"Bearer token-{number}-for-{SCOPE}" for number in (1, 2)]


async def test_a_connection_that_breaks_is_made_again() -> None:
    asked: list[str] = []

    async def breaks_once(request: web.Request) -> web.Response:
        asked.append(request.method)
        if len(asked) == 1:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(body=b"body")

    async with service(breaks_once) as blobs:
        assert await blobs.read("a") is not None


async def test_a_service_that_says_nothing_is_told() -> None:
    never = asyncio.Event()

    async def silent(_request: web.Request) -> web.Response:
        await never.wait()
        return web.Response()

    async with service(silent, StorageTuning(retries=0, read_seconds=0.05)) as blobs:
        with pytest.raises(StoreUnavailable, match=r"reading images/a: .*Timeout"):
            await blobs.read("a")
        never.set()


def test_repeats_wait_longer_each_time_and_the_first_does_not() -> None:
    tuning = StorageTuning(jitter_seconds=0)
    assert [tuning.wait(repeats) for repeats in range(5)] == [0, 2, 4, 8, 16]


def test_a_proxy_is_used_unless_the_host_is_exempt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.internal")
    assert find_proxy("https://a.blob.example/images") == "http://proxy.example:3128"
    assert find_proxy("https://a.internal/images") is None


async def test_every_answer_of_the_service_tells_the_time() -> None:
    hour = timedelta(hours=1)

    async def answer(_: web.Request) -> web.Response:
        date = format_datetime(datetime.now(UTC) + hour, usegmt=True)
        return web.Response(body=b"body", headers={"date": date})

    clock = SystemClock()
    async with service(answer, clock=clock) as blobs:
        assert await blobs.read("a") is not None
    assert abs(clock.now() - datetime.now(UTC) - hour) < timedelta(seconds=5)
