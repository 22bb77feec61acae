"""A job survives the death of its process at any step, and what the platform gave up on."""

import asyncio
import json
from datetime import timedelta

import pytest

from shared.jobs.parsing import Message
from shared.records.record import JobState
from shared.records.task_messages import TaskMessage
from tests.simulation.mishaps import POLICIES
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Delivery, Scene, configured, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}


#: Whole runs, and each sweep, take fewer steps than this.
MOST_STEPS = 32


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("crash_at", range(MOST_STEPS))
async def test_a_process_that_dies_at_any_step_loses_nothing(crash_at: int, policy: str) -> None:
    scene = Scene(configured(ON_UNKNOWN_OUTCOME=policy))
    scene.world.steps.crash_at = crash_at
    scene.submit({**JOB, "n": 2})
    await scene.run()
    await scene.sweep_on()
    record = reckoned(scene)
    if policy == "retry_once":
        assert record.state is JobState.SUCCEEDED


async def test_the_crashes_reach_every_step_of_a_run() -> None:
    scene = await run({**JOB, "n": 2})
    assert len(scene.world.steps.taken) < MOST_STEPS


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("crash_at", range(MOST_STEPS))
async def test_a_sweep_finds_what_died_when_no_message_comes_back(
    crash_at: int, policy: str
) -> None:
    scene = Scene(configured(ON_UNKNOWN_OUTCOME=policy))
    scene.submit({**JOB, "n": 2})
    await scene.run_until_death(crash_at)
    await scene.sweep_on()
    if not scene.world.stored_records:
        assert not scene.world.open_jobs
        return  # its acceptance was not published: its message comes back, or is poison
    record = reckoned(scene)
    if policy == "retry_once":
        assert record.state is JobState.SUCCEEDED


@pytest.mark.parametrize("in_sweep", range(12))
@pytest.mark.parametrize("crash_at", range(4, MOST_STEPS, 2))
async def test_a_sweep_that_dies_at_any_step_is_made_up_for(crash_at: int, in_sweep: int) -> None:
    scene = Scene(configured(ON_UNKNOWN_OUTCOME="park"))
    scene.submit({**JOB, "n": 2})
    await scene.run_until_death(crash_at)
    scene.world.clock.advance(timedelta(minutes=20))
    scene.world.steps.crash_at = len(scene.world.steps.taken) + in_sweep
    await scene.sweep()
    scene.world.steps.crash_at = None
    await scene.sweep_on()
    reckoned(scene)


@pytest.mark.parametrize("crash_at", range(14))
@pytest.mark.parametrize("queue", ["image-jobs", "image-tasks"])
async def test_a_burial_that_dies_at_any_step_is_made_up_for(queue: str, crash_at: int) -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.run_until_death(4)
    task = TaskMessage(job_id="fox-1", task=0).to_bytes()
    body = json.dumps(JOB).encode() if queue == "image-jobs" else task
    now = scene.world.clock.now()
    scene.waiting.append(Delivery(f"{queue}-poison", Message(body, "poisoned", now), now))
    scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
    await scene.run()
    scene.world.steps.crash_at = None
    await scene.sweep_on()
    reckoned(scene)
    assert scene.world.letters


@pytest.mark.parametrize("crash_at", range(MOST_STEPS))
async def test_sweeps_beside_the_work_change_nothing(crash_at: int) -> None:
    scene = Scene()
    scene.submit({**JOB, "n": 2})
    scene.world.steps.crash_at = crash_at
    while scene.waiting:
        scene.world.clock.advance(timedelta(minutes=3))
        await asyncio.gather(scene.sweep(), scene.sweep(), scene.deliver(scene.waiting.pop(0)))
        scene.take_sent()
    await scene.sweep_on()
    reckoned(scene)
