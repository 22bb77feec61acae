"""Commands as transitions of a record: what each does, and to which jobs it may be given."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from shared.errors import IllegalStep
from shared.records import commands
from shared.records.commands import Action, Command, apply_command
from shared.records.record import (
    Failure,
    FinishRecord,
    JobRecord,
    JobState,
    OutboxEntry,
    TaskRecord,
    TaskState,
)
from shared.vocabulary import FailureCode
from tests.builders.ended_jobs import AT, DONE_AT, attempt, picture, plan, record, task

LOST = Failure(code=FailureCode.OUTCOME_UNKNOWN, message="the reply was lost")
BROKE = Failure(code=FailureCode.OVER_BUDGET, message="the budget is spent")
NOW = DONE_AT + timedelta(hours=1)


def done(index: int = 0) -> TaskRecord:
    blob = f"fox/default/{index}.png"
    return task(
        index,
        state=TaskState.DONE,
        claims=1,
        attempts=(attempt(),),
        pictures=(picture(blob, index),),
    )


def ended(index: int = 1, state: TaskState = TaskState.PARKED, **changes: Any) -> TaskRecord:  # noqa: ANN401 - any field of it
    """A task without its picture, whose call may have been paid."""
    facts: dict[str, Any] = {
        "claims": 1,
        "attempts": (attempt(cost_usd=0.0, cost_usd_at_most=0.05),),
    }
    return task(index, state=state, **(facts | {"failure": LOST} | changes))


def job(*tasks: TaskRecord, state: JobState = JobState.PARKED, **changes: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    outbox = (OutboxEntry(type="image.job.parked", time=AT, sent_at=AT),)
    return record({"n": 2}, plan=plan(n=2), tasks=tasks, state=state, outbox=outbox, **changes)


def states(one: JobRecord) -> list[str]:
    return [str(each.state) for each in one.tasks]


def command(action: Action, run: int | None = None, **more: Any) -> Command:  # noqa: ANN401 - any field of it
    return Command(command=action, job_id="fox", run=run, **more)


@pytest.mark.parametrize("action", Action)
def test_a_command_to_an_earlier_run_has_no_further_effect(action: Action) -> None:
    of_review = action in {Action.APPROVE, Action.REJECT}
    state = JobState.AWAITING_REVIEW if of_review else JobState.PARKED
    if action is Action.ERASE:
        state = JobState.FAILED
    later = job(done(), ended(), state=state, run=2)
    assert apply_command(later, command(action, run=1), now=NOW) is later
    assert apply_command(later, command(action, run=2), now=NOW) != later


RUNNING = (done(), task(1))


@pytest.mark.parametrize(
    ("action", "allowed"),
    [
        (Action.CANCEL, {JobState.RUNNING, JobState.PARKED, JobState.CANCELLED}),
        (Action.RELEASE, {JobState.PARKED}),
        (Action.FAIL, {JobState.PARKED}),
        (Action.REPLAY, {JobState.FAILED, JobState.PARKED, JobState.CANCELLED}),
    ],
)
@pytest.mark.parametrize("state", JobState)
def test_a_command_is_for_jobs_of_certain_states(
    action: Action, allowed: set[JobState], state: JobState
) -> None:
    tasks = RUNNING if state is JobState.RUNNING else (done(), ended(state=TaskState.PARKED))
    give = partial(apply_command, job(*tasks, state=state), command(action), now=NOW)
    if state in allowed:
        give()
    else:
        with pytest.raises(IllegalStep, match="fox"):
            give()


def test_cancelling_ends_what_was_not_called_for_and_waits_for_the_rest() -> None:
    calling = task(1, state=TaskState.CALLING, claims=1, current=attempt(ended_at=None))
    one = job(task(0), calling, state=JobState.RUNNING)
    after = commands.cancel(one, result="drop", reason="changed my mind", now=NOW)
    assert states(after) == ["cancelled", "calling"]
    assert (after.state, after.cancel_requested) == (JobState.RUNNING, "drop")
    assert after.tasks[0].failure is not None
    assert after.tasks[0].failure.message == "cancelled on request: changed my mind"


def test_a_job_that_is_cancelled_twice_is_cancelled_once() -> None:
    once = commands.cancel(job(*RUNNING, state=JobState.RUNNING), result="keep", reason="", now=NOW)
    assert once.state is JobState.CANCELLED
    assert commands.cancel(once, result="drop", reason="again", now=NOW) is once


def test_cancelling_leaves_out_a_finish_and_keeps_the_originals() -> None:
    one = job(done(), done(1), state=JobState.RUNNING, finishing=FinishRecord())
    after = commands.cancel(one, result="drop", reason="", now=NOW)
    assert after.state is JobState.CANCELLED
    assert after.pictures == one.pictures


def test_a_released_task_that_may_have_been_paid_is_flagged_and_may_pass_the_budget() -> None:
    unpaid = ended(0, attempts=(attempt(cost_usd=0.0),), unpaid_retries=4, last_unpaid="429")
    after = commands.release(job(unpaid, ended()), now=NOW)
    assert states(after) == ["pending", "pending"]
    assert [each.possible_duplicate_charge for each in after.tasks] == [False, True]
    assert [each.unpaid_retries for each in after.tasks] == [0, 0]
    assert (after.state, after.run, after.budget_waived) == (JobState.RUNNING, 2, True)


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("", "the reply was lost; failed by hand"),
        ("no bill", "the reply was lost; failed by hand: no bill"),
    ],
)
def test_a_job_that_is_failed_by_hand_keeps_its_reason_and_adds_the_operators(
    reason: str, message: str
) -> None:
    after = commands.fail(job(done(), ended()), reason=reason, now=NOW)
    assert (after.state, states(after)) == (JobState.FAILED, ["done", "failed"])
    assert after.failure is not None
    assert after.failure.message == message


def test_a_replay_keeps_what_is_there_and_counts_its_calls_as_past() -> None:
    after = commands.replay(job(done(), ended()), remake=False, now=NOW)
    assert states(after) == ["done", "pending"]
    assert [picture.blob for picture in after.pictures] == ["fox/default/0.png"]
    assert (len(after.past), [each.attempts for each in after.tasks]) == (2, [(), ()])
    assert [each.claims for each in after.tasks] == [0, 0]
    assert after.attempts == after.past


def test_a_replay_that_makes_all_again_writes_no_picture_over() -> None:
    before = job(done(), ended())
    after = commands.replay(before, remake=True, now=NOW)
    assert states(after) == ["pending", "pending"]
    assert after.pictures == ()
    again = {blob for each in after.tasks for blob in each.blobs}
    assert again == {"fox/run-2/default/0.png", "fox/run-2/default/1.png"}
    assert not again & {blob for each in before.tasks for blob in each.blobs}


def test_a_new_day_resumes_only_what_waits_for_its_budget() -> None:
    waiting = ended(0, failure=BROKE, attempts=())
    after = commands.resume(job(waiting, ended()), now=NOW)
    assert states(after) == ["pending", "parked"]
    assert (after.state, after.run) == (JobState.RUNNING, 2)
    other = job(done(), ended())
    assert commands.resume(other, now=NOW) is other


@pytest.mark.parametrize("ago", [timedelta(), timedelta(minutes=1)])
def test_a_job_whose_deadline_passed_while_it_waited_is_failed(ago: timedelta) -> None:
    deadline = NOW - ago
    waiting = ended(0, failure=BROKE, attempts=())
    one = record(
        {"deadline": deadline.isoformat()},
        plan=plan(n=1),
        tasks=(waiting,),
        state=JobState.PARKED,
        outbox=(OutboxEntry(type="image.job.parked", time=AT, sent_at=AT),),
    )
    after = commands.resume(one, now=NOW)
    assert after.state is JobState.FAILED
    assert after.failure is not None
    assert (after.failure.code, after.failure.retryable) == ("deadline_exceeded", True)
    assert after.failure.message.startswith("not made by 2026-11-30T")


@pytest.mark.parametrize(
    "change",
    [
        partial(commands.release, now=NOW),
        partial(commands.fail, reason="", now=NOW),
        partial(commands.replay, remake=False, now=NOW),
        partial(commands.cancel, result="keep", reason="", now=NOW),
    ],
)
def test_a_command_to_an_ended_job_begins_its_next_run(
    change: Callable[[JobRecord], JobRecord],
) -> None:
    after = change(job(done(), ended()))
    assert (after.run, after.run_started_at, after.updated_at) == (2, NOW, NOW)
    assert all(entry.run == 2 for entry in after.outbox[1:])
