"""The legal steps of a job record: each function takes a record and returns the next one.

    pending ──claim──▶ calling ──finish──▶ done | failed | parked | cancelled
       ▲                  │
       └──── put_back ────┘     (nothing was paid, or the policy pays again and says so)

What a person may do beyond that (cancel, release, fail, replay) stands in `commands`.

A claim is the *intent to pay*, written before the call. Its token is the fencing token: whoever
holds an older one gets `Superseded` and may no longer change the task.
When the last open task closes, the job ends, or has its originals finished first
(`advance_job`).

How a job ends: when its last task has closed, and its originals are finished if it asks for it.

    last task closes ──▶ finishing (pending) ──▶ done | failed ──▶ final state, event owed
           └──────────── nothing to finish ───────────────────────▲

A job that is parked or cancelled ends at once: nothing more is made from what it has.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ..errors import ImageJobsError
from ..jobs.job import Job
from ..pictures.inputs import InputPicture
from ..routing.plan import Plan
from ..vocabulary import EventType, FailureCode
from .record import (
    Attempt,
    BatchEntryRef,
    Failure,
    FinishRecord,
    JobRecord,
    JobState,
    OutboxEntry,
    Picture,
    StoredRendition,
    TaskRecord,
    TaskState,
)

OPEN: Final = frozenset({TaskState.PENDING, TaskState.CALLING})

#: The event that a job's final state owes the world.
EVENT_OF: Final = {
    JobState.SUCCEEDED: EventType.SUCCEEDED,
    JobState.FAILED: EventType.FAILED,
    JobState.PARKED: EventType.PARKED,
    JobState.CANCELLED: EventType.CANCELLED,
}


def advance_job(record: JobRecord, now: datetime) -> JobRecord:
    """Take the next step when no task is open any more: finish the originals, or end."""
    states = {task.state for task in record.tasks}
    if states & OPEN:
        return record
    if record.cancel_requested and TaskState.CANCELLED in states:
        return _ended(record, JobState.CANCELLED, now)
    if TaskState.PARKED in states:
        return _ended(record, JobState.PARKED, now)
    if TaskState.CANCELLED in states and TaskState.FAILED not in states:
        return _ended(record, JobState.CANCELLED, now)
    begun = record.finishing and record.finishing.generation == record.generation
    if record.job.finish and record.pictures and not begun:
        finishing = FinishRecord(generation=record.generation)
        record = record.model_copy(update={"finishing": finishing})
        return unfinished(record, cancelled(), now=now) if record.cancel_requested else record
    return _end_of_tasks(record, now)


def add_renditions(
    record: JobRecord, made: Sequence[StoredRendition], *, now: datetime
) -> JobRecord:
    """Note what was made of an original; nothing happens once the finish is over."""
    if not record.awaits_finish or record.finishing is None:
        return record
    known = {each.blob for each in record.finishing.rendered}
    new = tuple(each for each in made if each.blob not in known)
    finishing = record.finishing.model_copy(update={"rendered": record.finishing.rendered + new})
    return record.model_copy(update={"finishing": finishing, "updated_at": now})


def end_finish(record: JobRecord, failure: Failure | None = None, *, now: datetime) -> JobRecord:
    """End the finish, and the job with it; nothing happens once it is over."""
    if not record.awaits_finish or record.finishing is None:
        return record
    over = {"state": "failed" if failure else "done", "failure": failure}
    finishing = record.finishing.model_copy(update=over)
    return _end_of_tasks(record.model_copy(update={"finishing": finishing, "updated_at": now}), now)


def unfinished(record: JobRecord, why: Failure, *, now: datetime) -> JobRecord:
    """End a job as cancelled whose finish is all that is left; its originals stay, and are told."""
    if record.finishing is None:
        return record
    finishing = record.finishing.model_copy(update={"state": "failed", "failure": why})
    return _ended(record.model_copy(update={"finishing": finishing}), JobState.CANCELLED, now)


def finish_failure(code: FailureCode, message: str) -> Failure:
    """Return why originals could not be finished; they are there, so a replay costs nothing."""
    return Failure(code=code, message=message, retryable=True)


def cancelled(reason: str = "") -> Failure:
    """Return the failure of a task that was cancelled."""
    said = f": {reason}" if reason else ""
    return Failure(code=FailureCode.CANCELLED, message=f"cancelled on request{said}")


def _end_of_tasks(record: JobRecord, now: datetime) -> JobRecord:
    failed = any(task.state is TaskState.FAILED for task in record.tasks)
    unfinished = record.finishing is not None and record.finishing.state == "failed"
    return _ended(record, JobState.FAILED if failed or unfinished else JobState.SUCCEEDED, now)


def _ended(record: JobRecord, state: JobState, now: datetime) -> JobRecord:
    owed = OutboxEntry(type=EVENT_OF[state], time=now, run=record.runs)
    return record.model_copy(update={"state": state, "outbox": (*record.outbox, owed)})


class IllegalStep(ImageJobsError):
    """The record does not allow this step from the state it is in."""


class Superseded(IllegalStep):
    """The attempt was given up on and another one, or another end, has taken its place."""


def open_record(
    job: Job,
    plans: tuple[Plan, ...],
    *,
    inputs: tuple[InputPicture, ...] = (),
    now: datetime,
    publish: bool,
    batch: BatchEntryRef | None = None,
) -> JobRecord:
    """Return the first record of an accepted job; `publish` adds an `accepted` event."""
    return JobRecord(
        job_id=job.job_id,
        fingerprint=job.fingerprint,
        job=job,
        plans=plans,
        inputs=inputs,
        tasks=tuple(TaskRecord(index=task.index) for plan in plans for task in plan.tasks),
        outbox=(OutboxEntry(type=EventType.ACCEPTED, time=now),) if publish else (),
        batch=batch,
        accepted_at=now,
        updated_at=now,
    )


def claim(record: JobRecord, index: int, attempt: Attempt) -> JobRecord:
    """Write down the intent to pay: the task is calling, by this attempt alone."""
    task = record.tasks[index]
    _require(record, task, TaskState.PENDING)
    if attempt.token != task.claims + 1:
        raise IllegalStep(f"claim {attempt.token} of a task that has {task.claims}")
    return replace_task(
        record,
        task.model_copy(
            update={"state": TaskState.CALLING, "claims": attempt.token, "current": attempt}
        ),
        attempt.started_at,
    )


def put_back_unpaid(
    record: JobRecord, index: int, token: int, *, code: str, now: datetime
) -> JobRecord:
    """Make the task pending again after a call that surely cost nothing."""
    task = _held(record, index, token)
    return replace_task(
        record,
        task.model_copy(
            update={
                "state": TaskState.PENDING,
                "current": None,
                "unpaid_retries": task.unpaid_retries + 1,
                "last_unpaid": code,
            }
        ),
        now,
    )


def put_back_unknown(
    record: JobRecord, index: int, ended: Attempt, *, pictures: Sequence[Picture], now: datetime
) -> JobRecord:
    """Make the task pending again though the call may have been paid: the next one is flagged."""
    task = _held(record, index, ended.token)
    return replace_task(
        record,
        task.model_copy(
            update={
                "state": TaskState.PENDING,
                "current": None,
                "attempts": (*task.attempts, ended),
                "pictures": tuple(pictures),
                "possible_duplicate_charge": True,
            }
        ),
        now,
    )


def finish(
    record: JobRecord,
    index: int,
    ended: Attempt,
    *,
    state: TaskState,
    pictures: Sequence[Picture] = (),
    failure: Failure | None = None,
    dropped: Sequence[str] = (),
    now: datetime,
) -> JobRecord:
    """Close a task that was calling, with what its attempt came to."""
    task = _held(record, index, ended.token)
    closed = task.model_copy(
        update={
            "state": state,
            "current": None,
            "attempts": (*task.attempts, ended),
            "pictures": tuple(pictures),
            "failure": failure,
            "dropped": tuple(dropped),
        }
    )
    return advance_job(replace_task(record, closed, now), now)


def give_up(record: JobRecord, index: int, failure: Failure, *, now: datetime) -> JobRecord:
    """Fail a task without a call: past its deadline, its input gone, or poisoned.

    An attempt under way is kept among the attempts with its outcome unknown: it may be billed.
    """
    task = record.tasks[index]
    if task.state not in OPEN:
        raise IllegalStep(f"task {index} of {record.job_id} is {task.state} already")
    kept = (task.current,) if task.current else ()
    closed = task.model_copy(
        update={
            "state": TaskState.FAILED,
            "current": None,
            "attempts": (*task.attempts, *kept),
            "failure": failure,
        }
    )
    return advance_job(replace_task(record, closed, now), now)


def park(record: JobRecord, index: int, failure: Failure, *, now: datetime) -> JobRecord:
    """Park a task that nothing was paid for."""
    task = record.tasks[index]
    _require(record, task, TaskState.PENDING)
    parked = task.model_copy(update={"state": TaskState.PARKED, "failure": failure})
    return advance_job(replace_task(record, parked, now), now)


def mark_sent(record: JobRecord, event_type: str, *, now: datetime) -> JobRecord:
    """Note that an event of the outbox went out."""
    return record.model_copy(
        update={
            "outbox": tuple(
                entry.model_copy(update={"sent_at": now})
                if entry.type == event_type and entry.sent_at is None
                else entry
                for entry in record.outbox
            ),
            "updated_at": now,
        }
    )


def _held(record: JobRecord, index: int, token: int) -> TaskRecord:
    task = record.tasks[index]
    if task.current is None or task.current.token != token:
        raise Superseded(
            f"attempt {token} of task {index} of {record.job_id} no longer holds the task "
            f"(it is {task.state}, {task.claims} claims)"
        )
    return task


def _require(record: JobRecord, task: TaskRecord, state: TaskState) -> None:
    if task.state is not state:
        raise IllegalStep(f"task {task.index} of {record.job_id} is {task.state}, not {state}")


def replace_task(record: JobRecord, task: TaskRecord, now: datetime) -> JobRecord:
    """Put a task's next state into the record."""
    tasks = tuple(task if other.index == task.index else other for other in record.tasks)
    return record.model_copy(update={"tasks": tasks, "updated_at": now})
