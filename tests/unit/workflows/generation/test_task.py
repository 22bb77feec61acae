from datetime import timedelta

import pytest

from shared.ports import What
from shared.records.task_messages import TaskMessage
from shared.stores.waiting_tasks import AHEAD
from shared.workflows.finishing import BLOB_AGAIN
from shared.workflows.generation.generate import generate
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import Scene, configured, data, ended, error_reply
from tests.simulation.steps import Crash

TASK = TaskMessage(job_id="fox-1", task=0)


async def test_a_live_attempt_elsewhere_is_left_alone_until_it_must_be_dead() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    # After the record, the picture, the pool and the intent.
    scene.world.steps.crash_at = len(scene.world.steps.taken) + 4
    with pytest.raises(Crash):
        await generate(TASK, scene.world, scene.configuration)
    scene.world.steps.crash_at = None
    deadline = scene.record("fox-1").attempts[0].deadline_at
    report = await generate(TASK, scene.world, scene.configuration)
    assert report.what == "in_progress"
    again = scene.world.queues.sent[-1]
    assert scene.world.clock.now() + again.delay + AHEAD > deadline
    assert not scene.world.endpoint.requests


async def test_a_throttled_call_waits_as_long_as_it_was_told_and_burns_no_attempt() -> None:
    scene = await after(error_reply(429, "429", retry_after_ms="61000"))
    waits = [
        report.facts["again_in_seconds"]
        for report in scene.reports
        if report.facts.get("again_in_seconds")
    ]
    assert len(waits) == 1
    assert 61 <= waits[0] <= 61 * 1.25
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


@pytest.mark.parametrize("name", ["fox-1.json", "gpt-image-2.json", "budget/2026-11-22.json"])
async def test_a_lease_of_somebody_else_makes_a_task_wait_and_pays_nothing(name: str) -> None:
    scene = Scene(configured(DAILY_BUDGET_USD="100"))
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    blobs = scene.world.container("pace" if name.startswith("gpt") else "jobs")
    blobs.leased.add(name)
    before = len(scene.world.steps.taken)
    report = await generate(TASK, scene.world, scene.configuration)
    assert (report.what, report.facts["reason"]) == (What.WAITING, "leased")
    assert name in report.facts["why"]
    assert len(scene.world.steps.taken) - before < 15
    assert scene.world.queues.sent[-1].delay == BLOB_AGAIN - AHEAD
    assert not scene.world.endpoint.requests
    blobs.leased.clear()
    scene.world.clock.advance(BLOB_AGAIN)
    assert (await generate(TASK, scene.world, scene.configuration)).what is What.DONE


async def test_a_damaged_ledger_of_the_day_makes_its_tasks_wait_until_it_is_mended() -> None:
    scene = Scene(configured(DAILY_BUDGET_USD="100"))
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    scene.world.seed("jobs", f"budget/{scene.world.clock.now():%F}.json", b'{"spent": -1}')
    report = await generate(TASK, scene.world, scene.configuration)
    assert (report.what, report.facts["reason"]) == (What.WAITING, "unreadable")
    assert "mend or delete" in report.facts["why"]
    assert not scene.world.endpoint.requests
