"""A linked picture is fetched with nothing of ours, from nowhere else, and within bounds."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from shared.adapters.foundry import CallLimits, FoundryEndpoint
from shared.errors import BrokenReply
from tests.contract.endpoints import LONG, PICTURE, SHORT, FakeTokens, endpoint_of

SIGNED = "?se=2030-01-01&sig=a%2Bsecret%3D"


@asynccontextmanager
async def serving(
    answer: web.StreamResponse | None,
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A server that gives this answer, or none at all, and notes who asked."""
    asked: list[web.Request] = []
    gone = asyncio.Event()

    async def give(request: web.Request) -> web.StreamResponse:
        asked.append(request)
        if answer is None:
            await gone.wait()
            return web.Response()
        return answer

    app = web.Application()
    app.router.add_get("/{name}", give)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "localhost", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}", asked
    finally:
        gone.set()
        await runner.cleanup()


async def fetched(
    endpoint: FoundryEndpoint, link: str, *, own: bool = True, limit: timedelta = LONG
) -> tuple[int, bytes]:
    async with endpoint.follow(link, own=own, limit=limit) as reply:
        return reply.status, b"".join([chunk async for chunk in reply.chunks()])


async def test_a_linked_picture_comes_as_it_is_and_nothing_of_ours_goes_along() -> None:
    tokens = FakeTokens()
    async with (
        serving(web.Response(body=PICTURE)) as (url, asked),
        endpoint_of(tokens=tokens, api_key="a-key") as endpoint,
    ):
        assert await fetched(endpoint, f"{url}/a.png{SIGNED}") == (200, PICTURE)
    (request,) = asked
    assert request.query["sig"] == "a+secret="
    assert not request.headers.keys() & {"authorization", "api-key", "cookie"}
    assert request.headers["accept-encoding"] == "identity"
    assert tokens.given == 0


async def test_a_redirect_is_not_followed() -> None:
    async with (
        serving(web.Response(status=302, headers={"location": "/b.png"})) as (url, asked),
        endpoint_of() as endpoint,
    ):
        assert (await fetched(endpoint, f"{url}/a.png{SIGNED}"))[0] == 302
    assert len(asked) == 1


async def test_a_host_that_leads_inward_is_not_connected_to() -> None:
    async with serving(web.Response(body=PICTURE)) as (url, asked), endpoint_of() as endpoint:
        with pytest.raises(
            BrokenReply, match=r"localhost is at \S+, where no receiver can be"
        ) as why:
            await fetched(endpoint, f"{url}/a.png{SIGNED}", own=False)
    assert not asked
    assert "secret" not in str(why.value)


async def test_silence_ends_with_the_limit_and_the_link_stays_untold() -> None:
    async with serving(None) as (url, asked), endpoint_of() as endpoint:
        with pytest.raises(BrokenReply, match=r"^localhost did not give it within 0.2 s$"):
            await fetched(endpoint, f"{url}/a.png{SIGNED}", limit=SHORT)
    assert asked


async def test_who_is_not_there_gives_nothing_and_the_link_stays_untold() -> None:
    async with endpoint_of(limits=CallLimits(connect_seconds=5)) as endpoint:
        with pytest.raises(BrokenReply) as why:
            await fetched(endpoint, f"http://localhost:{unused_port()}/a.png{SIGNED}")
    assert str(why.value).startswith("localhost: ")
    assert "secret" not in str(why.value)


async def test_a_picture_that_comes_packed_is_unpacked() -> None:
    packed = web.Response(body=gzip.compress(PICTURE), headers={"content-encoding": "gzip"})
    async with serving(packed) as (url, _), endpoint_of() as endpoint:
        assert await fetched(endpoint, f"{url}/a.png{SIGNED}") == (200, PICTURE)
