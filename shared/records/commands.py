"""What a person may do to a job: cancel, release, fail, replay; each a step of the record, pure.

    running ──cancel──▶ cancelled        what is being called for first comes to its end;
                                         a finish that is all that is left is not gone on with
    parked ──release──▶ running          its parked tasks are pending again
    parked ──fail──▶ failed              with a person's word for it
    failed | parked | cancelled ──replay──▶ running     a new generation

Whoever takes up an ended job opens it anew: the next opening tells events of its own, and an order
that was given for an earlier one has been carried out already.
"""

import re
from datetime import datetime
from typing import Final, Literal

from ..jobs.commands import Action, Command
from ..routing.plan import Plan
from ..vocabulary import FailureCode
from .costs import is_over_budget, waits_for_money
from .record import Failure, JobRecord, JobState, TaskRecord, TaskState
from .transitions import IllegalStep, advance_job, cancelled, unfinished

_GENERATION: Final = re.compile(r"^([^/]+)/(?:generation-\d+/)?")
_ENDED_BADLY: Final = {JobState.FAILED, JobState.PARKED, JobState.CANCELLED}


def apply_command(record: JobRecord, command: Command, *, now: datetime) -> JobRecord:
    """Return the record after an order; the same one if it was carried out before.

    Raises `IllegalStep` with what stands against it.
    """
    if command.run is not None and command.run < record.runs:
        return record
    match command.command:
        case Action.CANCEL:
            return cancel(record, result=command.result, reason=command.reason, now=now)
        case Action.RELEASE:
            return release(record, now=now)
        case Action.FAIL:
            return fail(record, reason=command.reason, now=now)
        case Action.REPLAY:
            return replay(record, remake=command.pictures == "remake", now=now)


def cancel(
    record: JobRecord, *, result: Literal["keep", "drop"], reason: str, now: datetime
) -> JobRecord:
    """Cancel what was not paid for; what is being called for is kept or dropped when it comes.

    A finish that is all that is left is not gone on with: the originals are there, and stay.
    """
    if record.state is JobState.CANCELLED:
        return record
    if record.state is JobState.PARKED:
        record = _reopened(record, record.tasks, now)
    elif record.state is not JobState.RUNNING:
        raise IllegalStep(f"{record.job_id} has {record.state} already: nothing is left to cancel")
    elif record.awaits_finish:
        asked = record.model_copy(update={"cancel_requested": result, "updated_at": now})
        return unfinished(asked, cancelled(reason), now=now)
    tasks = tuple(
        task.model_copy(
            update={"state": TaskState.CANCELLED, "failure": task.failure or cancelled(reason)}
        )
        if task.state in {TaskState.PENDING, TaskState.PARKED}
        else task
        for task in record.tasks
    )
    record = record.model_copy(
        update={"tasks": tasks, "cancel_requested": result, "updated_at": now}
    )
    return advance_job(record, now)


def release(record: JobRecord, *, now: datetime) -> JobRecord:
    """Make the parked tasks of a job pending again; where one may have been paid, it is flagged.

    They may pass the day's budget: whoever releases a job has decided to spend.
    """
    _require(record, {JobState.PARKED}, "release")
    record = record.model_copy(update={"budget_waived": True})
    return _reopened(
        record,
        tuple(_pending(task) if task.state is TaskState.PARKED else task for task in record.tasks),
        now,
    )


def resume(record: JobRecord, *, now: datetime) -> JobRecord:
    """Go on with a job that waited for a new day's money, or end it if its own deadline is past."""
    if not waits_for_money(record):
        return record
    deadline = record.job.deadline
    if deadline and deadline <= now:
        late = Failure(
            code=FailureCode.DEADLINE_EXCEEDED,
            message=f"not made by {deadline.isoformat(timespec='seconds')}: the budget was spent",
            retryable=True,
        )
        changes = {"state": TaskState.FAILED, "failure": late}
    else:
        changes = {"state": TaskState.PENDING, "failure": None}
    tasks = tuple(
        task.model_copy(update=changes)
        if task.state is TaskState.PARKED and task.failure and is_over_budget(task.failure)
        else task
        for task in record.tasks
    )
    return advance_job(_reopened(record, tasks, now), now)


def fail(record: JobRecord, *, reason: str, now: datetime) -> JobRecord:
    """End a parked job as failed, for the reason it was parked for, and with a person's word."""
    _require(record, {JobState.PARKED}, "fail")
    said = f"; failed by hand{f': {reason}' if reason else ''}"
    tasks = tuple(
        task.model_copy(
            update={
                "state": TaskState.FAILED,
                "failure": task.failure
                and task.failure.model_copy(update={"message": task.failure.message + said}),
            }
        )
        if task.state is TaskState.PARKED
        else task
        for task in record.tasks
    )
    return advance_job(_reopened(record, tasks, now), now)


def replay(record: JobRecord, *, remake: bool, now: datetime) -> JobRecord:
    """Begin a new generation of a job that did not succeed.

    Pictures that are there stay, and only what is missing is called for; or all are made again,
    under names of the generation: a stored picture is never written over.
    """
    _require(record, _ENDED_BADLY, "replay")
    generation = record.generation + 1
    plans = tuple(_renamed(plan, generation) for plan in record.plans) if remake else record.plans
    tasks = tuple(
        task.model_copy(update={"claims": 0, "attempts": ()})
        if task.state is TaskState.DONE and not remake
        else _pending(task, remake=remake).model_copy(update={"claims": 0, "attempts": ()})
        for task in record.tasks
    )
    record = record.model_copy(
        update={"generation": generation, "plans": plans, "past": record.attempts}
    )
    return advance_job(_reopened(record, tasks, now), now)


def _require(record: JobRecord, states: set[JobState], action: str) -> None:
    if record.state not in states:
        allowed = " or ".join(sorted(states))
        raise IllegalStep(f"{record.job_id} is {record.state}; only a {allowed} job can {action}")


def _reopened(record: JobRecord, tasks: tuple[TaskRecord, ...], now: datetime) -> JobRecord:
    if any(entry.sent_at is None for entry in record.outbox):
        raise IllegalStep(f"{record.job_id} was not told to have {record.state} yet; ask again")
    return record.model_copy(
        update={
            "state": JobState.RUNNING,
            "tasks": tasks,
            "runs": record.runs + 1,
            "run_started_at": now,
            "updated_at": now,
            "cancel_requested": None,
            "finishing": None,
        }
    )


def _pending(task: TaskRecord, *, remake: bool = False) -> TaskRecord:
    may_be_paid = any(attempt.charged != "no" for attempt in task.attempts)
    return task.model_copy(
        update={
            "state": TaskState.PENDING,
            "unpaid_retries": 0,
            "last_unpaid": None,
            "failure": None,
            "dropped": (),
            "pictures": () if remake else task.pictures,
            "possible_duplicate_charge": task.possible_duplicate_charge or may_be_paid,
        }
    )


def _renamed(plan: Plan, generation: int) -> Plan:
    def name(blob: str) -> str:
        return _GENERATION.sub(rf"\1/generation-{generation}/", blob)

    tasks = tuple(
        task.model_copy(update={"pictures": tuple(map(name, task.pictures))}) for task in plan.tasks
    )
    return plan.model_copy(update={"tasks": tasks})
