from datetime import timedelta

import pytest

from shared.records.task_messages import TaskMessage
from shared.workflows.generation.generate import generate
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import Scene, data, ended, error_reply
from tests.simulation.steps import Crash

TASK = TaskMessage(job_id="fox-1", task=0)


async def test_a_live_attempt_elsewhere_is_left_alone_until_it_must_be_dead() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    scene.world.steps.crash_at = (
        len(scene.world.steps.taken) + 5
    )  # the record, the picture, the pool (read and written), the intent
    with pytest.raises(Crash):
        await generate(TASK, scene.world, scene.configuration)
    scene.world.steps.crash_at = None
    deadline = scene.record("fox-1").attempts[0].deadline_at
    report = await generate(TASK, scene.world, scene.configuration)
    assert report.what == "in_progress"
    again = scene.world.queues.sent[-1]
    assert scene.world.clock.now() + again.delay > deadline
    assert not scene.world.endpoint.requests


async def test_a_throttled_call_waits_as_long_as_it_was_told_and_burns_no_attempt() -> None:
    scene = await after(error_reply(429, "429", retry_after_ms="61000"))
    waits = [each.delay for each in scene.world.queues.sent if each.delay]
    assert len(waits) == 1
    assert timedelta(seconds=61) <= waits[0] <= timedelta(seconds=61 * 1.25)
    assert data(scene)["attempts"] == 1
    assert data(scene)["unpaid_retries"] == 1
    assert data(scene)["possible_duplicate_charge"] is False


async def test_unpaid_retries_wait_longer_each_time_until_the_deadline() -> None:
    scene = Scene()
    scene.world.endpoint.otherwise = error_reply(429, "429")
    now = scene.world.clock.now()
    scene.submit({**JOB, "deadline": (now + timedelta(minutes=30)).isoformat()})
    await scene.run()
    waits = [each.delay for each in scene.world.queues.sent if each.delay]
    assert waits[0] < waits[2] < waits[4] < waits[6]
    assert max(waits) <= timedelta(seconds=300 * 1.25)
    assert ended(scene)[:2] == ("image.job.failed", "deadline_exceeded")
    assert data(scene)["cost_usd"] == 0
    assert "429" in data(scene)["message"]
