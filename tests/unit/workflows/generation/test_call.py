"""One paid call: whatever happens to it is an outcome, and what it gave is kept."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.errors import BrokenReply, CredentialUnavailable, NotSent, StoreUnavailable
from shared.images_api.outcomes import OutcomeKind
from shared.images_api.requests import ImageRequest
from shared.vocabulary import Slot
from shared.workflows.generation.call import MAX_ERROR_BYTES, CallResult, call
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


async def test_a_picture_that_could_not_be_stored_was_paid_for() -> None:
    scene = Scene()
    scene.world.steps.failing["pictures.create"] = [StoreUnavailable("busy")]
    scene.submit({**JOB, "on_unknown": "park"})
    await scene.run()
    assert ended(scene) == ("image.job.parked", "outcome_unknown", 1)
    assert scene.record("fox-1").attempts[0].charged == "yes"
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
        (error_reply(400, "moderation_blocked"), OutcomeKind.REFUSED, "no"),
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


async def test_a_picture_that_was_paid_and_not_stored_is_an_unknown_outcome() -> None:
    world = fake_world()
    world.steps.failing["pictures.create"] = [StoreUnavailable("busy")]
    result = await result_of(reply_to(REQUEST, pictures=2), world)
    outcome = result.outcome
    assert (outcome.kind, outcome.code, outcome.charged) == (
        OutcomeKind.UNKNOWN,
        "store_failed",
        "yes",
    )
    assert outcome.request_id == "request-1"
    assert world.pictures.pool.out == 0
