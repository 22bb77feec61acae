"""The commands that people give for a job: read from messages, and as transitions of its record.

    running ──cancel──▶ cancelled        calls under way end first; a finish is left out
    parked ──release──▶ running          its parked tasks are pending again
    parked ──fail──▶ failed              with the operator's reason
    failed | parked | cancelled ──replay──▶ running
    awaiting_review ──approve──▶ succeeded
    awaiting_review ──reject──▶ failed   also when the time for a review has passed
    succeeded | failed | cancelled ──erase──▶ the same, without personal data

A command is a message of the jobs queue. To an ended job it begins the next run, which publishes an
event of its own. A command that names an earlier run has been carried out already.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from ..errors import IllegalStep, InvalidJob
from ..jobs.fields import JobId, check_line
from ..jobs.parsing import Envelope, repetition_faults
from ..jobs.validation import in_order, validation_faults
from ..vocabulary import FailureCode
from .costs import awaits_budget, task_awaits_budget
from .record import Failure, JobRecord, JobState, Review, TaskRecord, TaskState, plan_tasks
from .transitions import Step, advance_job, cancel_finish, cancelled, end_review, move, reopen

#: An upper bound, so that a number of any length is rejected.
MAX_RUNS: Final = 999_999_999


class Action(StrEnum):
    """What a command does to a job."""

    CANCEL = "cancel"
    RELEASE = "release"
    FAIL = "fail"
    REPLAY = "replay"
    APPROVE = "approve"
    REJECT = "reject"
    ERASE = "erase"


class Command(BaseModel, frozen=True, extra="forbid"):
    """One command."""

    command: Action
    job_id: JobId
    #: The run it applies to, so that a repeated command has no further effect. None: the newest.
    run: int | None = Field(default=None, ge=1, le=MAX_RUNS)
    #: For cancel: whether pictures of calls in progress are kept.
    result: Literal["keep", "drop"] = "keep"
    #: For replay: whether existing pictures are kept, or made again under new names.
    pictures: Literal["keep", "remake"] = "keep"
    reason: Annotated[str, AfterValidator(check_line)] = Field(default="", max_length=400)

    def to_bytes(self) -> bytes:
        """Return the command as a message of the jobs queue."""
        return self.model_dump_json(exclude_defaults=True).encode()


def read_command(envelope: Envelope) -> Command:
    """Return the command in a message of the jobs queue that has one.

    Raises `InvalidJob` with all faults of a command.
    """
    faults = repetition_faults(envelope.repeated)
    try:
        command = Command.model_validate(envelope.content)
        if not faults:
            return command
    except ValidationError as error:
        faults += validation_faults(error, Command)
    raise InvalidJob(in_order(faults, Command))


def apply_command(record: JobRecord, command: Command, *, now: datetime) -> JobRecord:
    """Return the record after a command; the same one if it was carried out before.

    Raises `IllegalStep` when the job is not in a state for it.
    """
    if command.run is not None and command.run < record.run:
        return record
    if record.erased and command.command is not Action.ERASE:
        why = f"the data of {record.job_id} is erased: it can't be changed; submit a new job"
        raise IllegalStep(why, job_id=record.job_id)
    match command.command:
        case Action.CANCEL:
            return cancel(record, result=command.result, reason=command.reason, now=now)
        case Action.RELEASE:
            return release(record, now=now)
        case Action.FAIL:
            return fail(record, reason=command.reason, now=now)
        case Action.REPLAY:
            return replay(record, remake=command.pictures == "remake", now=now)
        case Action.APPROVE:
            review = Review(approved=True, reason=command.reason, decided_at=now)
            return end_review(record, review, now=now)
        case Action.REJECT:
            because = f": {command.reason}" if command.reason else ""
            reason = f"the pictures were rejected{because}"
            review = Review(approved=False, reason=reason, decided_at=now)
            return end_review(record, review, now=now)
        case Action.ERASE:
            from .erasure import request_erasure  # noqa: PLC0415 (rare: no start waits for it)

            return request_erasure(record, now=now)


def expire_review(record: JobRecord, *, now: datetime) -> JobRecord:
    """Reject the pictures of a job that nobody has reviewed in time; else return it unchanged."""
    until = record.review_by
    if until is None or until > now:
        return record
    reason = f"nobody reviewed the pictures by {until.isoformat(timespec='seconds')}"
    return end_review(record, Review(approved=False, reason=reason, decided_at=now), now=now)


def cancel(
    record: JobRecord, *, result: Literal["keep", "drop"], reason: str, now: datetime
) -> JobRecord:
    """Cancel what was not paid for; the results of calls under way are kept or dropped.

    Where only the finish is left, it is left out; the originals stay.
    """
    if record.state is JobState.CANCELLED:
        return record
    if record.state is JobState.PARKED:
        record = reopen(record, Step.CANCEL, now=now)
    elif record.state is not JobState.RUNNING:
        already = f"{record.job_id} has {record.state} already: nothing is left to cancel"
        raise IllegalStep(already, job_id=record.job_id)
    why = cancelled(reason)
    requested: dict[str, Any] = {"cancel_requested": result, "updated_at": now}
    if record.awaits_finish:
        return cancel_finish(record.model_copy(update=requested), why, now=now)
    tasks = tuple(
        move(task, Step.CANCEL, TaskState.CANCELLED, failure=task.failure or why)
        if task.state in {TaskState.PENDING, TaskState.PARKED}
        else task
        for task in record.tasks
    )
    return advance_job(record.model_copy(update={**requested, "tasks": tasks}), now)


def release(record: JobRecord, *, now: datetime) -> JobRecord:
    """Make the parked tasks of a job pending again; one that may have been paid is flagged.

    They may exceed the day's budget: releasing a job is a decision to pay.
    """
    record = reopen(record, Step.RELEASE, now=now)
    tasks = tuple(
        _pending(task, Step.RELEASE) if task.state is TaskState.PARKED else task
        for task in record.tasks
    )
    return record.model_copy(update={"tasks": tasks, "budget_waived": True})


def resume(record: JobRecord, *, now: datetime) -> JobRecord:
    """Continue a job that waited for a new day's budget, or end it if its deadline has passed."""
    if not awaits_budget(record):
        return record
    deadline = record.job.deadline
    step, state = Step.RELEASE, TaskState.PENDING
    failure: Failure | None = None
    if deadline and deadline <= now:
        step, state = Step.FAIL, TaskState.FAILED
        failure = Failure(
            code=FailureCode.DEADLINE_EXCEEDED,
            message=f"not made by {deadline.isoformat(timespec='seconds')}: "
            "too little of the budget was left",
            retryable=True,
        )
    tasks = tuple(
        move(task, step, state, failure=failure) if task_awaits_budget(task) else task
        for task in record.tasks
    )
    record = reopen(record, step, now=now)
    return advance_job(record.model_copy(update={"tasks": tasks}), now)


def fail(record: JobRecord, *, reason: str, now: datetime) -> JobRecord:
    """End a parked job as failed, for the reason it was parked for, and the operator's."""
    record = reopen(record, Step.FAIL, now=now)
    added = f"; failed by hand{f': {reason}' if reason else ''}"

    def failed(task: TaskRecord) -> TaskRecord:
        failure = task.failure and task.failure.model_copy(
            update={"message": task.failure.message + added}
        )
        return move(task, Step.FAIL, TaskState.FAILED, failure=failure)

    tasks = tuple(failed(task) if task.state is TaskState.PARKED else task for task in record.tasks)
    return advance_job(record.model_copy(update={"tasks": tasks}), now)


def replay(record: JobRecord, *, remake: bool, now: datetime) -> JobRecord:
    """Make a job again that did not succeed; its calls are counted anew.

    Stored pictures stay and only missing ones are made; or all are made again, under names of the
    run: a stored picture is never overwritten.
    """
    past = record.attempts
    record = reopen(record, Step.REPLAY, now=now)
    tasks = [
        _pending(task, Step.REPLAY) if remake or task.state is not TaskState.DONE else task
        for task in record.tasks
    ]
    if remake:
        fresh = plan_tasks(record.job, record.plans, run=record.run)
        tasks = [
            task.model_copy(update={"pictures": (), "blobs": new.blobs})
            for task, new in zip(tasks, fresh, strict=True)
        ]
    fresh_counts = {"claims": 0, "attempts": ()}
    counted_anew = tuple(task.model_copy(update=fresh_counts) for task in tasks)
    return advance_job(record.model_copy(update={"tasks": counted_anew, "past": past}), now)


def _pending(task: TaskRecord, step: Step) -> TaskRecord:
    may_be_paid = any(attempt.may_be_billed for attempt in task.attempts)
    return move(
        task,
        step,
        TaskState.PENDING,
        unpaid_retries=0,
        last_unpaid=None,
        failure=None,
        dropped=(),
        possible_duplicate_charge=task.possible_duplicate_charge or may_be_paid,
    )
