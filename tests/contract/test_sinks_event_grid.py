"""The Event Grid topic as a sink, against a real HTTP server."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from shared.adapters.sinks import SCOPE, EventGridTopic, Poster
from shared.errors import CredentialUnavailable, DeliveryFailed
from shared.vocabulary import USER_AGENT
from tests.contract.endpoints import FakeTokens
from tests.contract.receivers import EVENT, Receiver, receiving


@pytest.fixture
async def topic() -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        yield receiver


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    made = Poster(limit_seconds=5)
    yield made
    await made.close()


async def test_an_event_is_published_as_a_structured_cloudevent_with_a_token(
    topic: Receiver, poster: Poster
) -> None:
    tokens = FakeTokens()
    await EventGridTopic(topic.url, tokens, poster=poster).take(EVENT)
    (got,) = topic.received
    assert got.event == EVENT
    assert got.query == {"api-version": "2018-01-01"}
    assert got.headers["content-type"].startswith("application/cloudevents+json")
    assert got.headers["authorization"] == f"Bearer token-1-for-{SCOPE}"
    assert got.headers["user-agent"] == USER_AGENT
    assert "aeg-sas-key" not in got.headers


async def test_with_a_key_no_token_is_asked_for(topic: Receiver, poster: Poster) -> None:
    tokens = FakeTokens()
    await EventGridTopic(topic.url, tokens, key="a-key", poster=poster).take(EVENT)
    (got,) = topic.received
    assert got.headers["aeg-sas-key"] == "a-key"
    assert "authorization" not in got.headers
    assert not tokens.given


async def test_a_busy_topic_says_when_to_come_back(topic: Receiver, poster: Poster) -> None:
    topic.answers = [web.Response(status=503, headers={"retry-after": "30"}, text="try later")]
    with pytest.raises(DeliveryFailed, match="503 Service Unavailable: try later") as caught:
        await EventGridTopic(topic.url, FakeTokens(), poster=poster).take(EVENT)
    assert (caught.value.retry_after, caught.value.final) == (30, False)


@pytest.mark.parametrize(("status", "final"), [(400, True), (413, True), (404, False)])
async def test_a_topic_of_another_schema_refuses_for_good(
    topic: Receiver, poster: Poster, status: int, *, final: bool
) -> None:
    topic.answers = [web.Response(status=status)]
    with pytest.raises(DeliveryFailed) as caught:
        await EventGridTopic(topic.url, FakeTokens(), poster=poster).take(EVENT)
    assert (caught.value.status, caught.value.final) == (status, final)


async def test_a_refused_token_is_forgotten(topic: Receiver, poster: Poster) -> None:
    tokens = FakeTokens()
    topic.answers = [web.Response(status=401)]
    with pytest.raises(DeliveryFailed, match="401"):
        await EventGridTopic(topic.url, tokens, poster=poster).take(EVENT)
    assert tokens.forgotten == [SCOPE]


async def test_without_a_token_nothing_is_sent(topic: Receiver, poster: Poster) -> None:
    tokens = FakeTokens(failing=CredentialUnavailable("no identity"))
    with pytest.raises(DeliveryFailed, match="no identity"):
        await EventGridTopic(topic.url, tokens, poster=poster).take(EVENT)
    assert not topic.received


async def test_a_topic_that_never_answers_is_given_up_on_in_time(topic: Receiver) -> None:
    topic.is_silent = True
    poster = Poster(limit_seconds=0.3)
    async with asyncio.timeout(5):
        with pytest.raises(DeliveryFailed, match=r"no answer within 0\.3 s"):
            await EventGridTopic(topic.url, FakeTokens(), poster=poster).take(EVENT)
    await poster.close()


async def test_a_topic_that_is_not_there_is_told(poster: Poster) -> None:
    with pytest.raises(DeliveryFailed, match="Connect"):
        await EventGridTopic("http://127.0.0.1:9/x", FakeTokens(), poster=poster).take(EVENT)
