"""The transitions of a job record: each function takes a record and returns the next one.

`TASK_EDGES` and `JOB_EDGES` list all transitions; any other raises `IllegalStep`. Commands of
people are in `commands`.

A claim is the *intent to pay*, written before the call. Its token is the fencing token: the holder
of an older one gets `Superseded` and may no longer change the task.
When its last open task closes, a job ends, or has its originals finished first (`advance_job`). A
job that is parked or cancelled ends at once, without a finish.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from ..errors import IllegalStep, Superseded
from ..jobs.job import Job
from ..limits.pacing import Ticket
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
    Review,
    StoredRendition,
    TaskRecord,
    TaskState,
    plan_tasks,
)


class Step(StrEnum):
    """What moves a task, or a job, from one state to another."""

    CLAIM = "claim"
    PUT_BACK = "put back"
    CLOSE = "close"
    ADOPT = "adopt"
    GIVE_UP = "give up"
    PARK = "park"
    CANCEL = "cancel"
    RELEASE = "release"
    FAIL = "fail"
    REPLAY = "replay"
    APPROVE = "approve"
    REJECT = "reject"
    END = "end"


_S = TaskState
TASK_EDGES: Final = (
    (_S.PENDING, Step.CLAIM, _S.CALLING),
    # Nothing was paid, or the job's policy allows to pay again.
    (_S.CALLING, Step.PUT_BACK, _S.PENDING),
    (_S.CALLING, Step.CLOSE, _S.DONE),
    (_S.CALLING, Step.CLOSE, _S.FAILED),
    (_S.CALLING, Step.CLOSE, _S.PARKED),
    (_S.CALLING, Step.CLOSE, _S.CANCELLED),
    # Its pictures are stored already, by a call whose record or result was lost.
    (_S.PENDING, Step.ADOPT, _S.DONE),
    (_S.PENDING, Step.GIVE_UP, _S.FAILED),
    (_S.CALLING, Step.GIVE_UP, _S.FAILED),
    (_S.PENDING, Step.PARK, _S.PARKED),
    (_S.PENDING, Step.CANCEL, _S.CANCELLED),
    (_S.PARKED, Step.CANCEL, _S.CANCELLED),
    (_S.PARKED, Step.RELEASE, _S.PENDING),
    (_S.PARKED, Step.FAIL, _S.FAILED),
    (_S.DONE, Step.REPLAY, _S.PENDING),
    (_S.FAILED, Step.REPLAY, _S.PENDING),
    (_S.PARKED, Step.REPLAY, _S.PENDING),
    (_S.CANCELLED, Step.REPLAY, _S.PENDING),
)
#: A command to an ended job begins a new run.
JOB_EDGES: Final = (
    (JobState.RUNNING, Step.END, JobState.SUCCEEDED),
    (JobState.RUNNING, Step.END, JobState.FAILED),
    (JobState.RUNNING, Step.END, JobState.PARKED),
    (JobState.RUNNING, Step.END, JobState.CANCELLED),
    (JobState.RUNNING, Step.END, JobState.AWAITING_REVIEW),
    (JobState.AWAITING_REVIEW, Step.APPROVE, JobState.RUNNING),
    (JobState.AWAITING_REVIEW, Step.REJECT, JobState.RUNNING),
    (JobState.PARKED, Step.RELEASE, JobState.RUNNING),
    (JobState.PARKED, Step.FAIL, JobState.RUNNING),
    (JobState.PARKED, Step.CANCEL, JobState.RUNNING),
    (JobState.FAILED, Step.REPLAY, JobState.RUNNING),
    (JobState.PARKED, Step.REPLAY, JobState.RUNNING),
    (JobState.CANCELLED, Step.REPLAY, JobState.RUNNING),
)
OPEN: Final = frozenset({TaskState.PENDING, TaskState.CALLING})

#: The event that reports each end of a job.
EVENT_OF: Final = {
    JobState.SUCCEEDED: EventType.SUCCEEDED,
    JobState.FAILED: EventType.FAILED,
    JobState.PARKED: EventType.PARKED,
    JobState.CANCELLED: EventType.CANCELLED,
    JobState.AWAITING_REVIEW: EventType.AWAITING_REVIEW,
}


def open_record(
    job: Job,
    plans: tuple[Plan, ...],
    *,
    inputs: tuple[InputPicture, ...] = (),
    now: datetime,
    publish: bool,
    publish_pictures: bool = False,
    review_seconds: float | None = None,
    batch: BatchEntryRef | None = None,
) -> JobRecord:
    """Return the first record of an accepted job.

    `publish` adds an `accepted` event, `publish_pictures` one for each picture when it is stored.
    """
    return JobRecord(
        job_id=job.job_id,
        fingerprint=job.fingerprint,
        job=job,
        plans=plans,
        inputs=inputs,
        tasks=plan_tasks(job, plans),
        outbox=(OutboxEntry(type=EventType.ACCEPTED, time=now),) if publish else (),
        publish_pictures=publish_pictures,
        review_seconds=review_seconds,
        batch=batch,
        accepted_at=now,
        updated_at=now,
    )


def keep_ticket(record: JobRecord, index: int, ticket: Ticket) -> JobRecord:
    """Note the place in line of a task that is pending, so that no sweep takes another one."""
    task = record.tasks[index]
    if task.state is not TaskState.PENDING:
        return record
    return replace_task(record, task.model_copy(update={"ticket": ticket}), record.updated_at)


def claim(record: JobRecord, index: int, attempt: Attempt) -> JobRecord:
    """Write down the intent to pay: the task is calling, by this attempt alone."""
    task = record.tasks[index]
    if attempt.token != task.claims + 1:
        raise IllegalStep(f"claim {attempt.token} of a task that has {task.claims}")
    claimed = move(task, Step.CLAIM, TaskState.CALLING, claims=attempt.token, current=attempt)
    return replace_task(record, claimed, attempt.started_at)


def put_back_unpaid(
    record: JobRecord, index: int, token: int, *, code: str, now: datetime
) -> JobRecord:
    """Make the task pending again after a call that surely cost nothing."""
    task = _find_claimed(record, index, token)
    back = move(
        task,
        Step.PUT_BACK,
        TaskState.PENDING,
        current=None,
        unpaid_retries=task.unpaid_retries + 1,
        last_unpaid=code,
    )
    return replace_task(record, back, now)


def put_back_unknown(
    record: JobRecord, index: int, ended: Attempt, *, pictures: Sequence[Picture], now: datetime
) -> JobRecord:
    """Make the task pending again though the call may have been paid: the next one is flagged."""
    task = _find_claimed(record, index, ended.token)
    back = move(
        task,
        Step.PUT_BACK,
        TaskState.PENDING,
        current=None,
        attempts=(*task.attempts, ended),
        pictures=tuple(pictures),
        possible_duplicate_charge=True,
    )
    return replace_task(record, back, now)


def close(
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
    """Close a task that was calling, with the result of its attempt."""
    task = _find_claimed(record, index, ended.token)
    closed = move(
        task,
        Step.CLOSE,
        state,
        current=None,
        attempts=(*task.attempts, ended),
        pictures=tuple(pictures),
        failure=failure,
        dropped=tuple(dropped),
    )
    return advance_job(replace_task(record, closed, now), now)


def adopt(
    record: JobRecord, index: int, pictures: Sequence[Picture], *, now: datetime
) -> JobRecord:
    """Take pictures that storage holds already; the task is done when none is missing."""
    task = record.tasks[index]
    done = move(task, Step.ADOPT, TaskState.DONE, pictures=tuple(pictures))
    if done.missing:
        some = task.model_copy(update={"pictures": done.pictures})
        return replace_task(record, some, now)
    return advance_job(replace_task(record, done, now), now)


def give_up(record: JobRecord, index: int, failure: Failure, *, now: datetime) -> JobRecord:
    """Fail a task without a call: past its deadline, its input gone, or poisoned.

    An attempt under way is kept among the attempts with its outcome unknown: it may be billed.
    """
    task = record.tasks[index]
    failed = move(
        task,
        Step.GIVE_UP,
        TaskState.FAILED,
        current=None,
        attempts=task.every_attempt,
        failure=failure,
    )
    return advance_job(replace_task(record, failed, now), now)


def park(record: JobRecord, index: int, failure: Failure, *, now: datetime) -> JobRecord:
    """Park a task that nothing was paid for."""
    parked = move(record.tasks[index], Step.PARK, TaskState.PARKED, failure=failure)
    return advance_job(replace_task(record, parked, now), now)


def advance_job(record: JobRecord, now: datetime) -> JobRecord:
    """When no task is open any more, finish the originals, or end the job."""
    states = {task.state for task in record.tasks}
    if states & OPEN:
        return record
    if record.cancel_requested and TaskState.CANCELLED in states:
        return _end(record, JobState.CANCELLED, now)
    if TaskState.PARKED in states:
        return _end(record, JobState.PARKED, now)
    if TaskState.CANCELLED in states and TaskState.FAILED not in states:
        return _end(record, JobState.CANCELLED, now)
    if record.job.finish and record.pictures and not record.finishing:
        record = record.model_copy(update={"finishing": FinishRecord()})
        return cancel_finish(record, cancelled(), now=now) if record.cancel_requested else record
    return _end_as_made(record, now)


def add_renditions(
    record: JobRecord, made: Sequence[StoredRendition], *, now: datetime
) -> JobRecord:
    """Add renditions of an original; nothing changes once the finish is over."""
    if not record.awaits_finish or record.finishing is None:
        return record
    known = {each.blob for each in record.finishing.rendered}
    new = tuple(each for each in made if each.blob not in known)
    finishing = record.finishing.model_copy(update={"rendered": record.finishing.rendered + new})
    return record.model_copy(update={"finishing": finishing, "updated_at": now})


def end_finish(record: JobRecord, failure: Failure | None = None, *, now: datetime) -> JobRecord:
    """End the finish, and the job with it; nothing changes once it is over."""
    if not record.awaits_finish or record.finishing is None:
        return record
    over = {"state": "failed" if failure else "done", "failure": failure}
    finishing = record.finishing.model_copy(update=over)
    return _end_as_made(record.model_copy(update={"finishing": finishing, "updated_at": now}), now)


def cancel_finish(record: JobRecord, why: Failure, *, now: datetime) -> JobRecord:
    """End a job as cancelled of which only the finish is left; its originals stay."""
    finishing = FinishRecord() if record.finishing is None else record.finishing
    ended = finishing.model_copy(update={"state": "failed", "failure": why})
    return _end(record.model_copy(update={"finishing": ended}), JobState.CANCELLED, now)


def finish_failure(code: FailureCode, message: str) -> Failure:
    """Return why originals could not be finished; they are stored, so a replay costs nothing."""
    return Failure(code=code, message=message, retryable=True)


def cancelled(reason: str = "") -> Failure:
    """Return the failure of a task that was cancelled."""
    because = f": {reason}" if reason else ""
    return Failure(code=FailureCode.CANCELLED, message=f"cancelled on request{because}")


def mark_sent(record: JobRecord, sent: Collection[OutboxEntry], *, now: datetime) -> JobRecord:
    """Note that these events of the outbox were published."""
    if not any(entry in sent for entry in record.outbox):
        return record
    outbox = tuple(
        entry.model_copy(update={"sent_at": now}) if entry in sent else entry
        for entry in record.outbox
    )
    return record.model_copy(update={"outbox": outbox, "updated_at": now})


def reopen(record: JobRecord, step: Step, *, now: datetime) -> JobRecord:
    """Begin the next run of an ended job; its tasks are as they were."""
    allowed = [before for before, each, _ in JOB_EDGES if each is step]
    if record.state not in allowed:
        states = " or ".join(sorted(allowed)).replace("_", " ")
        article = "an" if states.startswith("a") else "a"
        raise IllegalStep(
            f"{record.job_id} is {record.state}; only {article} {states} job can {step}",
            job_id=record.job_id,
        )
    if any(entry.sent_at is None for entry in record.outbox):
        why = f"the {record.state} event of {record.job_id} is not sent yet; try again"
        raise IllegalStep(why, job_id=record.job_id)
    return record.model_copy(
        update={
            "state": JobState.RUNNING,
            "run": record.run + 1,
            "run_started_at": now,
            "updated_at": now,
            "cancel_requested": None,
            "finishing": None,
            "review": None,
            "tasks": tuple(task.model_copy(update={"ticket": None}) for task in record.tasks),
        }
    )


def move(task: TaskRecord, step: Step, state: TaskState, **changes: Any) -> TaskRecord:  # noqa: ANN401 (any field)
    """Return the task after a step; `IllegalStep` if `TASK_EDGES` has no such edge."""
    if (task.state, step, state) not in TASK_EDGES:
        raise IllegalStep(f"task {task.index} is {task.state}: {step} to {state} is not allowed")
    return task.model_copy(update={"state": state, **changes})


def replace_task(record: JobRecord, task: TaskRecord, now: datetime) -> JobRecord:
    """Put a task's next state into the record, and an event for each new picture if asked for."""
    known = {picture.blob for picture in record.tasks[task.index].pictures}
    new = [each.blob for each in task.pictures if each.blob not in known]
    events = tuple(
        OutboxEntry(type=EventType.PICTURE_STORED, time=now, run=record.run, picture=blob)
        for blob in (new if record.publish_pictures else ())
    )
    tasks = tuple(task if other.index == task.index else other for other in record.tasks)
    outbox = record.outbox + events
    return record.model_copy(update={"tasks": tasks, "outbox": outbox, "updated_at": now})


def _end_as_made(record: JobRecord, now: datetime) -> JobRecord:
    failed = any(task.state is TaskState.FAILED for task in record.tasks)
    unfinished = record.finishing is not None and record.finishing.state == "failed"
    if failed or unfinished:
        return _end(record, JobState.FAILED, now)
    to_review = record.review_seconds is not None
    return _end(record, JobState.AWAITING_REVIEW if to_review else JobState.SUCCEEDED, now)


def end_review(record: JobRecord, review: Review, *, now: datetime) -> JobRecord:
    """End a job that awaits review as a person has decided; what was finished stays."""
    step = Step.APPROVE if review.approved else Step.REJECT
    kept = {"review": review, "finishing": record.finishing}
    opened = reopen(record, step, now=now).model_copy(update=kept)
    return _end(opened, JobState.SUCCEEDED if review.approved else JobState.FAILED, now)


def _end(record: JobRecord, state: JobState, now: datetime) -> JobRecord:
    if (record.state, Step.END, state) not in JOB_EDGES:
        raise IllegalStep(f"{record.job_id} is {record.state} already: it can't end as {state}")
    entry = OutboxEntry(type=EVENT_OF[state], time=now, run=record.run)
    return record.model_copy(update={"state": state, "outbox": (*record.outbox, entry)})


def _find_claimed(record: JobRecord, index: int, token: int) -> TaskRecord:
    task = record.tasks[index]
    if task.current is None or task.current.token != token:
        raise Superseded(
            f"attempt {token} of task {index} of {record.job_id} no longer holds the task "
            f"(it is {task.state}, {task.claims} claims)"
        )
    return task
