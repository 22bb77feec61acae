"""A message that the platform set aside becomes a dead letter, and its job ends or goes on."""

import json

import pytest

from shared.errors import StoreUnavailable
from shared.jobs.parsing import Message
from shared.records.dead_letter import DeadLetterKind, read_dead_letter
from tests.simulation.scene import Delivery, Scene, data, ended

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}


async def test_a_task_the_platform_gave_up_on_ends_as_a_dead_letter_and_an_event() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    task = scene.world.queues.sent[0]
    message = Message(task.body, "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery(f"{task.queue}-poison", message, message.inserted_at))
    assert ended(scene) == ("image.job.failed", "poisoned", 0)
    assert len(scene.world.letters) == 2  # the message, and the job


async def test_a_job_message_the_platform_gave_up_on_is_rejected_when_nothing_came_of_it() -> None:
    scene = Scene()
    message = Message(json.dumps(JOB).encode(), "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery("image-jobs-poison", message, message.inserted_at))
    assert scene.world.event_types() == ["image.job.rejected"]
    assert data(scene)["code"] == "poisoned"
    assert data(scene)["job_id"] == "fox-1"
    assert data(scene)["tenant"] == "default"


async def test_the_rejection_of_a_task_message_whose_job_is_gone_names_no_tenant() -> None:
    scene = Scene()
    message = Message(b'{"job_id": "fox-1", "task": 0}', "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery("image-tasks-poison", message, message.inserted_at))
    assert data(scene)["job_id"] == "fox-1"
    assert data(scene)["tenant"] is None


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"reply_to": "replies-shop"}, {"replies-shop"}),
        ({"reply_to": "replies-shop", "n": 11}, {"replies-shop"}),
        ({"reply_to": "secrets"}, set()),
        ({}, set()),
    ],
)
async def test_what_the_platform_gave_up_on_is_told_on_the_reply_queue_that_is_allowed(
    wish: dict[str, object], told: set[str]
) -> None:
    scene = Scene()
    body = json.dumps({**JOB, **wish}).encode()
    message = Message(body, "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery("image-jobs-poison", message, message.inserted_at))
    assert scene.world.event_types() == ["image.job.rejected"]
    assert {
        each.queue for each in scene.world.queues.sent if each.queue.startswith("replies-")
    } == told


async def test_a_job_message_the_platform_gave_up_on_is_carried_on_when_it_has_a_record() -> None:
    scene = Scene()
    scene.submit(JOB)
    scene.world.steps.failing["queues.send"] = [StoreUnavailable("busy")]
    delivery = scene.waiting[0]
    with pytest.raises(StoreUnavailable):
        await scene.deliver(delivery)
    scene.waiting[0].queue = "image-jobs-poison"
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]


@pytest.mark.parametrize(
    ("queue", "body", "kind"),
    [
        ("image-jobs", b"junk", DeadLetterKind.MESSAGE),
        ("image-tasks", b"junk", DeadLetterKind.TASK),
        ("image-finish", b"junk", DeadLetterKind.FINISH),
    ],
)
async def test_a_message_that_holds_nothing_is_kept_by_its_queue_and_rejected(
    queue: str, body: bytes, kind: DeadLetterKind
) -> None:
    scene = Scene()
    message = Message(body, "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery(f"{queue}-poison", message, message.inserted_at))
    (letter,) = map(read_dead_letter, scene.world.letters.values())
    assert (letter.kind, letter.queue, letter.message, letter.job_id) == (kind, queue, body, None)
    assert scene.world.event_types() == ["image.job.rejected"]


async def test_the_letter_of_a_task_names_its_job() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    task = scene.world.queues.sent[0]
    message = Message(task.body, "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery(f"{task.queue}-poison", message, message.inserted_at))
    letters = [read_dead_letter(body) for body in scene.world.letters.values()]
    assert {(each.kind, each.job_id) for each in letters} == {
        (DeadLetterKind.TASK, "fox-1"),
        (DeadLetterKind.JOB, "fox-1"),
    }
