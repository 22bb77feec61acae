"""How a job ends: when its last task has closed, and its originals are finished if it asks for it.

    last task closes ──▶ finishing (pending) ──▶ done | failed ──▶ final state, event owed
           └──────────── nothing to finish ───────────────────────▲

A job that is parked or cancelled ends at once: nothing more is made from what it has.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from .codes import EventType, FailureCode
from .records import (
    Announcement,
    Failure,
    Finishing,
    JobRecord,
    JobState,
    Rendered,
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


def settled(record: JobRecord, now: datetime) -> JobRecord:
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
        finishing = Finishing(generation=record.generation)
        record = record.model_copy(update={"finishing": finishing})
        return unfinished(record, cancelled(), now=now) if record.cancel_requested else record
    return _end_of_tasks(record, now)


def rendered(record: JobRecord, made: Sequence[Rendered], *, now: datetime) -> JobRecord:
    """Note what was made of an original; nothing happens once the finish is over."""
    if not record.awaits_finish or record.finishing is None:
        return record
    known = {each.blob for each in record.finishing.rendered}
    new = tuple(each for each in made if each.blob not in known)
    finishing = record.finishing.model_copy(update={"rendered": record.finishing.rendered + new})
    return record.model_copy(update={"finishing": finishing, "updated_at": now})


def finished(record: JobRecord, failure: Failure | None = None, *, now: datetime) -> JobRecord:
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
    owed = Announcement(type=EVENT_OF[state], time=now, opening=record.openings)
    return record.model_copy(update={"state": state, "outbox": (*record.outbox, owed)})
