"""One paid call: whatever happens to it is an outcome, and what it gave is kept."""

import json
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import BrokenReply, CredentialUnavailable, NotSent, StoreUnavailable
from shared.images_api.outcomes import OutcomeKind
from shared.images_api.requests import ImageRequest
from shared.vocabulary import Slot
from shared.workflows.generation.call import MAX_ERROR_BYTES, CallResult, call
from tests.builders.pictures import drawn
from tests.builders.replies import b64
from tests.fakes.endpoint import Answer, FakeReply
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import Scene, data, ended, error_reply, reply_to


async def test_pictures_whole_before_the_cut_are_kept_and_only_the_others_made_again() -> None:
    def cut(request: ImageRequest) -> FakeReply:
        whole = reply_to(request)
        third = whole.body.rindex(b"b64_json")
        return FakeReply(body=whole.body[: third + 40], error=BrokenReply("cut"))

    scene = await after(cut, job={**JOB, "n": 3})
    first, second = scene.world.endpoint.requests
    assert (first.body["n"], second.body["n"]) == (3, 1)
    assert [image["index"] for image in data(scene)["images"]] == [0, 1, 2]


async def test_a_reply_broken_after_its_last_picture_is_a_success() -> None:
    def cut(request: ImageRequest) -> FakeReply:
        whole = reply_to(request)
        return FakeReply(body=whole.body[: whole.body.index(b'"usage"')], error=BrokenReply("cut"))

    scene = await after(cut)
    assert ended(scene) == ("image.job.succeeded", None, 1)
    assert data(scene)["cost_known_by"] == "estimate"


@pytest.mark.parametrize("on_unknown", ["park", "retry_once", "fail"])
async def test_a_picture_that_storage_refused_was_paid_for_and_is_not_bought_again(
    on_unknown: str,
) -> None:
    scene = Scene()
    scene.world.steps.failing["pictures.create"] = [StoreUnavailable("busy")]
    scene.submit({**JOB, "on_unknown": on_unknown})
    await scene.run()
    assert ended(scene) == ("image.job.failed", "store_failed", 1)
    (attempt,) = scene.record("fox-1").attempts
    assert attempt.cost_usd == attempt.cost_usd_at_most
    assert attempt.cost_known_by == "usage"
    assert not scene.world.pictures.pool.out


REQUEST = ImageRequest("https://foundry.example/images", {"prompt": "a fox"}, "s", stream=False)
SLOTS = (Slot(0, "fox/default/0.png"), Slot(1, "fox/default/1.png"))


async def result_of(answer: Answer, world: FakeWorld | None = None) -> CallResult:
    used = world or fake_world()
    used.endpoint.script.append(answer)
    return await call(
        used, REQUEST, SLOTS, metadata={}, limit=timedelta(seconds=60), client_request_id="fox.1"
    )


async def test_a_good_reply_is_stored_and_its_usage_is_read() -> None:
    world = fake_world()
    result = await result_of(reply_to(REQUEST, pictures=2), world)
    assert (result.outcome.kind, result.outcome.charged) == (OutcomeKind.DONE, "yes")
    assert [result.stored[place].name for place in (0, 1)] == [slot.blob for slot in SLOTS]
    assert {*world.committed} == {slot.blob for slot in SLOTS}
    assert result.usage is not None
    assert result.usage.output_tokens == 1000
    assert world.endpoint.client_request_ids == ["fox.1"]


@pytest.mark.parametrize(
    ("answer", "kind", "charged"),
    [
        (NotSent("no route"), OutcomeKind.NOT_SENT, "no"),
        (BrokenReply("cut"), OutcomeKind.UNKNOWN, "unknown"),
        (CredentialUnavailable("no token"), OutcomeKind.NOT_SENT, "no"),
        (error_reply(429, "429"), OutcomeKind.THROTTLED, "no"),
        (error_reply(400, "moderation_blocked"), OutcomeKind.REFUSED, "unknown"),
        (FakeReply(503, body=b"<html>no JSON"), OutcomeKind.UNKNOWN, "unknown"),
        (FakeReply(429, body=b"{", error=BrokenReply("cut")), OutcomeKind.THROTTLED, "no"),
        (FakeReply(429, body=b"[" * 99_999), OutcomeKind.THROTTLED, "no"),
    ],
)
async def test_whatever_happens_is_an_outcome(
    answer: Answer, kind: OutcomeKind, charged: str
) -> None:
    result = await result_of(answer)
    assert (result.outcome.kind, result.outcome.charged) == (kind, charged)
    assert result.stored == {}


async def test_of_an_endless_error_little_is_read() -> None:
    read = 0

    class Endless(FakeReply):
        async def chunks(self) -> AsyncIterator[bytes]:
            nonlocal read
            while True:
                read += 1 << 16
                yield b"x" * (1 << 16)

    await result_of(Endless(429))
    assert read <= 2 * MAX_ERROR_BYTES


async def test_what_storage_refuses_of_a_reply_does_not_harm_its_other_pictures() -> None:
    world = fake_world()
    world.steps.failing["pictures.create"] = [StoreUnavailable("busy")]
    result = await result_of(reply_to(REQUEST, pictures=2), world)
    outcome = result.outcome
    assert (outcome.kind, outcome.code) == (OutcomeKind.NOT_STORED, "store_failed")
    assert (outcome.charged, outcome.request_id) == ("yes", "request-1")
    assert outcome.message == "picture 1: it was made and could not be stored: busy"
    assert [*result.stored] == [1]
    assert world.pictures.pool.out == 0


PNG, JPEG = b64(drawn("PNG")), b64(drawn("JPEG"))


def items(*pictures: Any, **reply: Any) -> FakeReply:  # noqa: ANN401 (fields of a reply)
    """A reply with these members `b64_json`, or these items."""
    each = [one if isinstance(one, dict) else {"b64_json": one} for one in pictures]
    return FakeReply(
        body=json.dumps({"data": each, "usage": {"output_tokens": 7}}).encode(), **reply
    )


@pytest.mark.parametrize("status", [200, 201, 206, 299])
@pytest.mark.parametrize("content_type", ["application/json", "text/json", "text/event-stream", ""])
async def test_a_picture_is_kept_whatever_its_wrapping(status: int, content_type: str) -> None:
    wrapped = items(f"data:image/png;base64,{PNG}", PNG.rstrip("=") + "\n")
    reply = replace(wrapped, status=status, headers={"content-type": content_type})
    result = await result_of(reply)
    assert (result.outcome.kind, [*result.stored]) == (OutcomeKind.DONE, [0, 1])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b64(b"GIF89a" + bytes(50)), "not a PNG, JPEG or WebP"),
        (PNG[:-40], "bytes end too early"),
        ("!!!!", "not valid base64"),
        ("", "empty"),
    ],
)
@pytest.mark.parametrize("at", [0, 1])
async def test_a_picture_that_can_not_be_read_costs_itself_alone(
    bad: str, reason: str, at: int
) -> None:
    pictures = [PNG, PNG]
    pictures[at] = bad
    result = await result_of(items(*pictures))
    assert (result.outcome.kind, [*result.stored]) == (OutcomeKind.DONE, [1 - at])
    assert result.outcome.message.startswith(f"picture {at + 1}: ")
    assert reason in result.outcome.message
    assert result.usage is not None
    alone = await result_of(items(bad))
    assert (alone.outcome.kind, alone.outcome.code) == (OutcomeKind.NO_IMAGE, "unreadable_reply")


async def test_an_item_that_a_filter_withheld_tells_why() -> None:
    withheld = {"b64_json": None, "content_filter_results": {"violence": {"filtered": True}}}
    result = await result_of(items(PNG, withheld))
    assert (result.outcome.kind, result.outcome.message) == (OutcomeKind.DONE, "violence")


async def test_pictures_and_links_may_be_mixed() -> None:
    world = fake_world()
    link = "https://foundry.example/out/1.png"
    world.endpoint.linked[link] = deque([FakeReply(body=drawn())])
    result = await result_of(items({"url": link}, PNG), world)
    assert (result.outcome.kind, sorted(result.stored)) == (OutcomeKind.DONE, [0, 1])
    lost = await result_of(items({"url": "https://evil.example/1.png"}, PNG))
    assert (lost.outcome.code, [*lost.stored]) == ("picture_linked", [0])


async def test_a_name_ends_in_what_the_picture_is() -> None:
    result = await result_of(items(JPEG, PNG))
    assert [result.stored[at].name for at in (0, 1)] == ["fox/default/0.jpg", "fox/default/1.png"]


@pytest.mark.parametrize("body", [b"", b'{"id":"x","status":"running"}', b"accepted"])
async def test_a_202_is_told_as_what_it_is(body: bytes) -> None:
    result = await result_of(FakeReply(202, body=body))
    outcome = result.outcome
    assert (outcome.kind, outcome.code, outcome.charged) == (
        OutcomeKind.NO_IMAGE,
        "http_202",
        "unknown",
    )
    assert "makes" in outcome.message or "made later" in outcome.message
