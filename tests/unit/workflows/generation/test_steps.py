"""What is done about a task, decided from its record alone."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.ports import What
from shared.records.record import JobState, TaskState
from shared.records.task_messages import TaskMessage
from shared.workflows.generation.generate import generate
from shared.workflows.generation.steps import (
    AlreadyEnded,
    GiveUp,
    InProgress,
    NextStep,
    Pay,
    Resolve,
    TooEarly,
    next_step,
)
from tests.builders.ended_jobs import AT, attempt, picture, plan, record, task
from tests.simulation.controlled_job import JOB
from tests.simulation.scene import Scene, configured, run

TASK = TaskMessage(job_id="fox-1", task=0)


async def test_a_late_delivery_of_a_finished_task_pays_nothing() -> None:
    scene = await run(JOB)
    report = await generate(TASK, scene.world, scene.configuration)
    assert report.what == "already_ended"
    assert len(scene.world.endpoint.requests) == 1
    assert len(scene.world.events) == 1


async def test_a_message_of_an_earlier_run_wakes_nothing() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    old = TASK.model_copy(update={"run": 7})
    report = await generate(old, scene.world, scene.configuration)
    assert report.what == "earlier_run"
    assert not scene.world.endpoint.requests


def step(
    *,
    now: datetime = AT,
    message: TaskMessage | None = None,
    job: dict[str, Any] | None = None,
    claimed: bool = False,
    **changes: Any,  # noqa: ANN401 - any field of a task
) -> NextStep:
    """The next step of a task that nobody has begun, but for what is said."""
    current = attempt(ended_at=None, kind=None) if claimed else None
    facts: dict[str, Any] = {"state": TaskState.PENDING, "blobs": BLOBS, "current": current}
    one = record(
        job,
        plan=plan(n=1, deployments=("gpt-image-2", "MAI-Image-2.5")),
        tasks=(task(**(facts | changes)),),
        state=JobState.RUNNING,
    )  # fmt: skip
    found = message or TaskMessage(job_id="fox", task=0)
    return next_step(one, found, now=now, configuration=configured())


BLOBS = ("fox/default/0.png", "fox/default/1.png")


def test_a_task_that_is_pending_is_called_for_the_pictures_that_are_missing() -> None:
    found = step(pictures=(picture(BLOBS[0]),))
    assert isinstance(found, Pay)
    assert [slot.blob for slot in found.slots] == [BLOBS[1]]
    assert found.give_up_at == AT + timedelta(days=1)


@pytest.mark.parametrize(
    ("retries", "first"), [(0, "gpt-image-2"), (1, "MAI-Image-2.5"), (2, "gpt-image-2")]
)
def test_each_unpaid_retry_begins_with_the_next_deployment(retries: int, first: str) -> None:
    found = step(unpaid_retries=retries)
    assert isinstance(found, Pay)
    assert found.names[0] == first
    assert {*found.names} == {"gpt-image-2", "MAI-Image-2.5"}


@pytest.mark.parametrize(
    "state", [state for state in TaskState if state not in {TaskState.PENDING, TaskState.CALLING}]
)
def test_a_task_that_has_ended_is_not_called_for(state: TaskState) -> None:
    assert step(state=state) == AlreadyEnded(What.ALREADY_ENDED)


def test_a_live_attempt_is_waited_for_and_a_dead_one_is_resolved() -> None:
    deadline = attempt().deadline_at
    before = deadline - timedelta(microseconds=1)
    assert step(claimed=True, state=TaskState.CALLING, now=before) == InProgress(deadline)
    assert isinstance(step(claimed=True, state=TaskState.CALLING, now=deadline), Resolve)


def test_no_call_is_begun_at_the_deadline_or_later() -> None:
    job = {"deadline": (AT + timedelta(hours=1)).isoformat()}
    early = step(job=job, now=AT + timedelta(hours=1, microseconds=-1))
    assert isinstance(early, Pay)
    held = TaskMessage(job_id="fox", task=0, held="the pool is blocked")
    late = step(job=job, now=AT + timedelta(hours=1), last_unpaid="429", message=held)
    assert isinstance(late, GiveUp)
    assert (late.failure.code, late.failure.retryable) == ("deadline_exceeded", True)
    assert late.failure.message == (
        "not made by 2026-11-30T18:00:00+00:00; the last answer was 429; "
        "it was held: the pool is blocked"
    )


def test_a_task_is_given_up_when_none_of_its_deployments_is_configured() -> None:
    one = record(plan=plan(n=1), tasks=(task(state=TaskState.PENDING),), state=JobState.RUNNING)
    found = next_step(one, TaskMessage(job_id="fox", task=0), now=AT, configuration=configured())
    assert isinstance(found, GiveUp)
    assert found.failure.code == "misconfigured"
    assert found.failure.message.endswith(": first, second")


def test_a_call_that_may_pass_the_limit_of_the_job_is_not_made() -> None:
    assert isinstance(step(job={"max_cost_usd": 0.25}), Pay)
    spent = (attempt(cost_usd=0.2),)
    found = step(job={"max_cost_usd": 0.25}, attempts=spent)
    assert isinstance(found, GiveUp)
    assert found.failure.code == "over_cost_limit"


def test_no_call_is_begun_before_its_time_and_its_lifetime_begins_then() -> None:
    begin = AT + timedelta(days=3)
    job = {"not_before": begin.isoformat()}
    assert step(job=job, now=begin - timedelta(seconds=1)) == TooEarly(begin)
    assert isinstance(step(job=job, now=begin), Pay)
    assert isinstance(step(job=job, now=begin + timedelta(days=1)), GiveUp)


async def test_a_job_for_tonight_waits_hidden_and_is_made_then() -> None:
    scene = Scene()
    begin = scene.world.clock.now() + timedelta(hours=40)
    scene.submit({**JOB, "not_before": begin.isoformat()})
    await scene.run()
    assert len(scene.world.queues.bodies("image-waiting")) == 1
    # A look each hour: no queue hides a message for ever.
    assert scene.world.steps.taken.count("queues.put_back") == 39
    assert scene.reports[0].what is What.ACCEPTED
    (made,) = scene.record("fox-1").attempts
    assert made.started_at >= begin
    assert scene.world.event_types() == ["image.job.succeeded"]


async def test_a_sweep_wakes_no_job_before_its_time_and_one_whose_message_was_lost_after_it() -> (
    None
):
    scene = Scene()
    begin = scene.world.clock.now() + timedelta(hours=9)
    scene.submit({**JOB, "not_before": begin.isoformat()})
    await scene.deliver(scene.waiting.pop())
    scene.waiting.clear()
    scene.world.queues.queues.clear()
    for _ in range(16):
        scene.world.clock.advance(timedelta(minutes=30))
        sent = len(scene.world.queues.sent)
        await scene.sweep()
        assert len(scene.world.queues.sent) == sent
    scene.world.clock.advance(timedelta(hours=3))
    await scene.sweep()
    await scene.run()
    assert scene.record("fox-1").state is JobState.SUCCEEDED
