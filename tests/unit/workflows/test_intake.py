import base64
import json
from typing import Any

import pytest

from shared.errors import StoreUnavailable
from shared.records.record import JobState
from tests.simulation.scene import Scene, data, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow"}


def data_of(scene: Scene, number: int = -1) -> dict[str, Any]:
    return dict(scene.world.events[number].get_data())  # type: ignore[arg-type]  # ours is a mapping


async def test_a_message_becomes_a_picture_a_sidecar_and_an_event() -> None:
    scene = await run(JOB)
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert list(scene.world.committed) == ["fox-1/default/0.png"]
    assert json.loads(scene.world.sidecars["fox-1/job.json"]) == data_of(scene)
    assert scene.record("fox-1").state is JobState.SUCCEEDED
    assert len(scene.world.endpoint.requests) == 1


async def test_a_job_without_an_id_is_one_job_however_often_its_message_comes() -> None:
    scene = Scene()
    scene.submit({"prompt": "a fox"})
    scene.repeat()
    await scene.run()
    assert len(scene.world.endpoint.requests) == 1
    assert len(scene.world.stored_records) == 1


@pytest.mark.parametrize(
    ("body", "code", "fields"),
    [
        (b"no json at all", "malformed_message", [""]),
        (json.dumps({"job_id": "a b", "prompt": ""}).encode(), "invalid_job", ["job_id", "prompt"]),
        (json.dumps({**JOB, "locales": ["jp"]}).encode(), "invalid_job", ["locales[0]"]),
        (json.dumps({**JOB, "reply_to": "secrets"}).encode(), "invalid_job", ["reply_to"]),
        (json.dumps({**JOB, "model": "gpt-image-9"}).encode(), "unsupported_request", ["model"]),
        (
            json.dumps({**JOB, "size": "100x100", "fit": "reject"}).encode(),
            "unsupported_request",
            ["size"],
        ),
        (
            json.dumps({**JOB, "size": "4k", "max_cost_usd": 0.01}).encode(),
            "over_cost_limit",
            ["max_cost_usd"],
        ),
        (
            json.dumps({"job_id": "fox-1", "prompt_blob": "long/one.txt"}).encode(),
            "invalid_job",
            ["prompt_blob"],
        ),
    ],
)
async def test_a_bad_message_is_announced_and_kept_and_done_with(
    body: bytes, code: str, fields: list[str]
) -> None:
    scene = Scene()
    scene.submit(body)
    await scene.run()
    assert scene.world.event_types() == ["image.job.rejected"]
    data = data_of(scene)
    assert data["code"] == code
    assert {fault["field"] for fault in data["faults"]} >= set(fields)
    (letter,) = map(json.loads, scene.world.letters.values())
    assert base64.b64decode(letter["message_base64"]) == body
    assert not scene.world.stored_records
    assert not scene.world.endpoint.requests


async def test_a_rejection_is_one_event_however_often_its_message_comes() -> None:
    scene = Scene()
    scene.submit(b"no json")
    scene.repeat()
    await scene.run()
    first, second = scene.world.events
    assert first.get_id() == second.get_id()
    assert len(scene.world.letters) == 1


async def test_events_go_to_an_allowed_reply_queue_as_well() -> None:
    scene = await run({**JOB, "reply_to": "replies-shop"})
    replies = scene.world.replies("replies-shop")
    assert [event.get_type() for event in replies] == ["image.job.succeeded"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"n": 11}, {"replies-shop"}),
        ({"model": "gpt-image-9"}, {"replies-shop"}),
        ({"n": 11, "reply_to": "secrets"}, set()),
        ({"n": 11, "reply_to": "replies-../shop"}, set()),
        ({"n": 11, "reply_to": 7}, set()),
    ],
)
async def test_a_rejection_goes_to_the_reply_queue_that_could_be_read_and_is_allowed(
    wrong: dict[str, object], told: set[str]
) -> None:
    scene = await run({**JOB, "reply_to": "replies-shop", **wrong})
    assert scene.world.event_types() == ["image.job.rejected"]
    assert {
        each.queue for each in scene.world.queues.sent if each.queue.startswith("replies-")
    } == told


@pytest.mark.parametrize(
    ("message", "tenant"),
    [
        ({**JOB, "n": 11, "tenant": "shop"}, "shop"),
        ({**JOB, "n": 11}, "default"),
        ({**JOB, "tenant": "No Name"}, None),
        ({"command": "cancel", "job": "fox-1"}, None),
        (b"no json", None),
    ],
)
async def test_a_rejection_has_the_tenant_that_could_be_read_so_that_receivers_can_filter(
    message: dict[str, Any] | bytes, tenant: str | None
) -> None:
    scene = Scene()
    scene.submit(message)
    await scene.run()
    (event,) = scene.world.events
    assert event.get_type() == "image.job.rejected"
    assert event.get_attributes().get("tenant") == tenant
    assert data(scene)["tenant"] == tenant


async def test_a_long_prompt_is_read_from_its_blob() -> None:
    scene = Scene()
    scene.world.seed("inputs", "long/one.txt", b"a fox, at length")
    scene.submit({"job_id": "fox-1", "prompt_blob": "long/one.txt"})
    await scene.run()
    (request,) = scene.world.endpoint.requests
    assert request.body["prompt"] == "a fox, at length"


async def test_a_prompt_blob_that_goes_away_fails_the_job_and_costs_nothing() -> None:
    scene = Scene()
    scene.world.seed("inputs", "one.txt", b"a fox")
    scene.submit({"job_id": "fox-1", "prompt_blob": "one.txt"})
    await scene.deliver(scene.waiting.pop())
    scene.world.container("inputs").stored.clear()
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed"]
    assert data_of(scene)["code"] == "prompt_missing"
    assert not scene.world.endpoint.requests


async def test_storage_that_does_not_answer_is_left_to_the_queue() -> None:
    scene = Scene()
    scene.submit(JOB)
    scene.world.steps.failing["records.create"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await scene.deliver(scene.waiting[0])
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]
