"""Apply the outcome of a call to the record, and tell when to try again."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal

from ..images_api.outcomes import MEANINGS, PICTURE_LINKED, Next, Outcome, OutcomeKind
from ..vocabulary import FailureCode
from .record import Attempt, Failure, JobRecord, Picture, TaskRecord, TaskState
from .transitions import cancelled, close, put_back_unknown, put_back_unpaid

type OnUnknown = Literal["retry_once", "park", "fail"]

#: The first delay of an unpaid retry and the longest, seconds.
FIRST_DELAY: Final = 2.0
LONGEST_DELAY: Final = 300.0
#: Jitter added to a delay, at most, as a share of it.
JITTER: Final = 0.25


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A call that is over: its attempt with cost and times, its outcome, the task's pictures."""

    attempt: Attempt
    outcome: Outcome
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Transition:
    """The next record, and after which time to wake the task again (None: not at all)."""

    record: JobRecord
    wake_after: timedelta | None = None


def may_retry_unknown(task: TaskRecord, on_unknown: OnUnknown) -> bool:
    """Return whether a task may call again after an unknown outcome of its next call."""
    return on_unknown == "retry_once" and not task.attempts


def apply_outcome(
    record: JobRecord, index: int, ended: FinishedCall, *, on_unknown: OnUnknown, now: datetime
) -> Transition:
    """Apply an outcome to the task its attempt holds; raises `Superseded`."""
    task, outcome = record.tasks[index], ended.outcome
    closed = partial(close, record, index, ended.attempt, now=now)
    came, wanted = len(ended.pictures), len(task.blobs)
    if record.cancel_requested and (record.cancel_requested == "drop" or came < wanted):
        kept = ended.pictures if record.cancel_requested == "keep" else ()
        dropped = [each.blob for each in ended.pictures if each not in kept]
        state, why = TaskState.CANCELLED, cancelled()
        return Transition(closed(state=state, pictures=kept, failure=why, dropped=dropped))
    if came == wanted:  # an error came after the last picture was whole
        return Transition(closed(state=TaskState.DONE, pictures=ended.pictures))
    match outcome.next:
        case Next.RESOLVE_UNKNOWN if may_retry_unknown(task, on_unknown):
            back = put_back_unknown(record, index, ended.attempt, pictures=ended.pictures, now=now)
            return Transition(back, timedelta(seconds=FIRST_DELAY))
        case Next.RETRY_LATER | Next.OTHER_DEPLOYMENT_OR_LATER:
            back = put_back_unpaid(record, index, ended.attempt.token, code=outcome.code, now=now)
            return Transition(back, retry_delay(record, task, outcome))
        case Next.RESOLVE_UNKNOWN if on_unknown == "park":
            state = TaskState.PARKED
        case _:
            state = TaskState.FAILED
    failure = failure_of(outcome, came=came, wanted=wanted)
    return Transition(closed(state=state, pictures=ended.pictures, failure=failure))


def retry_delay(record: JobRecord, task: TaskRecord, outcome: Outcome) -> timedelta:
    """Return how long to wait after an unpaid call: not less than asked, and longer each time.

    While another deployment is left in this round, it is tried at once. A `retry-after` of a
    throttled pool is taken as it is: the pool's ledger orders who calls when. The jitter comes from
    the job's id, so that jobs spread and a test can predict it.
    """
    deployments = len(record.plans[task.part].deployments)
    nth = task.unpaid_retries
    if (nth + 1) % deployments and outcome.next is not Next.RETRY_LATER:
        return timedelta()
    if outcome.kind is OutcomeKind.THROTTLED and outcome.retry_after is not None:
        return timedelta(seconds=outcome.retry_after)
    rounds = min(nth // deployments, 16)
    seconds = max(outcome.retry_after or 0.0, min(LONGEST_DELAY, FIRST_DELAY * 2**rounds))
    digest = hashlib.sha256(f"{record.job_id}/{task.index}/{nth}".encode()).digest()
    return timedelta(seconds=seconds * (1 + JITTER * digest[0] / 255))


def failure_of(outcome: Outcome, *, came: int, wanted: int) -> Failure:
    """Return the failure of a task after an outcome with too few pictures."""
    code, message = MEANINGS[outcome.kind].code, outcome.message
    if code is FailureCode.NO_IMAGE and outcome.code == PICTURE_LINKED:
        code = FailureCode.PICTURE_LINKED
    if code is FailureCode.FEWER_IMAGES:
        reasons = "" if message == "done" else f": {message}"
        message = f"{wanted} pictures were asked for and {came} came{reasons}"
    return Failure(
        code=code,
        message=message,
        retryable=outcome.next in {Next.STORE, Next.RESOLVE_UNKNOWN}
        or outcome.kind is OutcomeKind.NOT_STORED,
        moderation=outcome.moderation,
    )
