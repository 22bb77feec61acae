"""The paid call: what it sends, and that it sends it once."""

import json
import tomllib
from pathlib import Path

import pytest
from aiohttp import web

from shared.vocabulary import USER_AGENT
from tests.contract.endpoints import LONG, PICTURE, FakeTokens, a_request, endpoint_of, http, whole


async def test_a_call_sends_what_it_should_and_streams_what_comes_back() -> None:
    seen: list[web.Request] = []

    async def answers(request: web.Request) -> web.Response:
        seen.append(request)
        assert await request.json() == {"prompt": "Küste"}
        return web.Response(body=PICTURE, headers={"X-Request-Id": "r-1"})

    async with (
        http(answers) as url,
        endpoint_of() as endpoint,
        endpoint.post(a_request(url), limit=LONG, client_request_id="id-1") as reply,
    ):
        chunks = [chunk async for chunk in reply.chunks()]
        assert reply.status == 200
        assert reply.headers["x-request-id"] == "r-1"
    assert b"".join(chunks) == PICTURE
    headers = seen[0].headers
    assert headers["authorization"] == "Bearer token-1-for-scope"
    assert headers["x-ms-client-request-id"] == "id-1"
    assert headers["accept-encoding"] == "identity"
    assert headers["connection"] == "close"
    assert headers["user-agent"] == USER_AGENT
    assert "api-key" not in headers
    assert len(headers) <= 10


def test_the_user_agent_names_the_version_of_the_package() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert f"{project['name']}/{project['version']}" == USER_AGENT


async def test_a_key_is_sent_instead_of_a_token() -> None:
    async def answers(request: web.Request) -> web.Response:
        return web.json_response(
            [request.headers.get("api-key"), "authorization" in request.headers]
        )

    tokens = FakeTokens()
    async with http(answers) as url, endpoint_of(api_key="a-key", tokens=tokens) as endpoint:
        _, body = await whole(endpoint, url)
    assert json.loads(body) == ["a-key", False]
    assert tokens.given == 0
    assert "a-key" not in repr(endpoint)


async def test_a_refused_token_is_asked_for_anew() -> None:
    async def refuses(_request: web.Request) -> web.Response:
        return web.Response(status=401)

    tokens = FakeTokens()
    async with http(refuses) as url, endpoint_of(tokens=tokens) as endpoint:
        assert await whole(endpoint, url) == (401, b"")
    assert tokens.forgotten == ["scope"]


@pytest.mark.parametrize("status", [301, 307, 400, 408, 429, 500, 503])
async def test_no_answer_makes_it_call_again(status: int) -> None:
    calls: list[int] = []

    async def answers(_request: web.Request) -> web.Response:
        calls.append(status)
        return web.Response(status=status, headers={"location": "/images", "retry-after": "0"})

    async with http(answers) as url, endpoint_of() as endpoint:
        assert (await whole(endpoint, url))[0] == status
    assert calls == [status]
