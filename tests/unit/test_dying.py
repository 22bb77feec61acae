"""A job survives the death of its process at any step, and what the platform gave up on."""

import json

import pytest

from shared.errors import StoreUnavailable
from shared.intake import JobMessage
from shared.records import JobRecord, JobState
from tests.scene import Delivery, Scene, configured, data, ended, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}


def invariants(scene: Scene) -> JobRecord:
    """What must hold of one job however its processes died."""
    record = scene.record("fox-1")
    assert record.state is not JobState.RUNNING
    ids = {event.get_id() for event in scene.world.announcer.events}
    assert len(ids) == 1, "one end, however often it is told"
    assert all(entry.sent_at for entry in record.outbox)
    calls = len(scene.world.endpoint.requests)
    if calls > 1:
        assert record.tasks[0].possible_duplicate_charge, "paid twice, and not said"
    assert set(scene.world.pictures.committed) == {picture.blob for picture in record.pictures}
    if record.state is JobState.SUCCEEDED:
        assert json.loads(scene.world.pictures.sidecars["fox-1/job.json"])["job_id"] == "fox-1"
    return record


#: A whole run takes fewer steps than this.
MOST_STEPS = 30


@pytest.mark.parametrize("policy", ["retry_once", "park", "fail"])
@pytest.mark.parametrize("crash_at", range(MOST_STEPS))
async def test_a_process_that_dies_at_any_step_loses_nothing(crash_at: int, policy: str) -> None:
    scene = Scene(configured(ON_UNKNOWN_OUTCOME=policy))
    scene.world.steps.crash_at = crash_at
    scene.submit({**JOB, "n": 2})
    await scene.run()
    record = invariants(scene)
    if policy == "retry_once":
        assert record.state is JobState.SUCCEEDED


async def test_the_crashes_reach_every_step_of_a_run() -> None:
    scene = await run({**JOB, "n": 2})
    assert len(scene.world.steps.taken) < MOST_STEPS


async def test_a_task_the_platform_gave_up_on_ends_as_a_dead_letter_and_an_event() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    lane = scene.world.queues.sent[0]
    message = JobMessage(lane.body, "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery(f"{lane.queue}-poison", message, message.inserted_at))
    assert ended(scene) == ("image.job.failed", "poisoned", 0)
    assert len(scene.world.dead_letters.letters) == 2  # the message, and the job


async def test_a_job_message_the_platform_gave_up_on_is_rejected_when_nothing_came_of_it() -> None:
    scene = Scene()
    message = JobMessage(json.dumps(JOB).encode(), "poisoned-1", scene.world.clock.now())
    await scene.deliver(Delivery("image-jobs-poison", message, message.inserted_at))
    assert scene.world.announcer.types() == ["image.job.rejected"]
    assert data(scene)["code"] == "poisoned"
    assert data(scene)["job_id"] == "fox-1"


async def test_a_job_message_the_platform_gave_up_on_is_carried_on_when_it_has_a_record() -> None:
    scene = Scene()
    scene.submit(JOB)
    scene.world.steps.failing["queues.send"] = [StoreUnavailable("busy")]
    delivery = scene.waiting[0]
    with pytest.raises(StoreUnavailable):
        await scene.deliver(delivery)
    scene.waiting[0].queue = "image-jobs-poison"
    await scene.run()
    assert scene.world.announcer.types() == ["image.job.succeeded"]
