"""What follows from the outcome of a call: `outcomes.NEXT` carried out on the record, pure."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ..images_api.outcomes import PICTURE_LINKED, Next, Outcome, OutcomeKind
from ..vocabulary import FailureCode
from .record import Attempt, Failure, JobRecord, Picture, TaskRecord, TaskState
from .transitions import cancelled, finish, put_back_unknown, put_back_unpaid

type OnUnknown = Literal["retry_once", "park", "fail"]

#: The first delay of an unpaid retry and the longest, seconds.
FIRST_DELAY: Final = 2.0
LONGEST_DELAY: Final = 300.0
#: Jitter added to a delay, at most, as a share of it.
JITTER: Final = 0.25

#: What a caller is told; an outcome that is not here has a provider's refusal of another kind.
_CODES: Final = {
    OutcomeKind.NO_IMAGE: FailureCode.NO_IMAGE,
    OutcomeKind.REFUSED: FailureCode.CONTENT_REFUSED,
    OutcomeKind.UNKNOWN: FailureCode.OUTCOME_UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A call that is over: its attempt with cost and times, its outcome, the task's pictures."""

    attempt: Attempt
    outcome: Outcome
    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The next record, and when to wake the task again (None: not at all)."""

    record: JobRecord
    wake_after: timedelta | None = None


def apply_outcome(
    record: JobRecord, index: int, ended: FinishedCall, *, on_unknown: OnUnknown, now: datetime
) -> Conclusion:
    """Apply an outcome to the task its attempt holds; raises `transitions.Superseded`."""
    if record.cancel_requested:
        whole = len(ended.pictures) == len(record.planned[index].pictures)
        if record.cancel_requested == "drop" or not whole:
            return Conclusion(_cancelled(record, index, ended, now=now))
    return _by_outcome(record, index, ended, on_unknown=on_unknown, now=now)


def _cancelled(record: JobRecord, index: int, ended: FinishedCall, *, now: datetime) -> JobRecord:
    """Close a task of a cancelled job: what came in time is kept, or is to be deleted."""
    keeps = record.cancel_requested == "keep"
    return finish(
        record,
        index,
        ended.attempt,
        state=TaskState.CANCELLED,
        pictures=ended.pictures if keeps else (),
        dropped=() if keeps else [picture.blob for picture in ended.pictures],
        failure=cancelled(),
        now=now,
    )


def _by_outcome(
    record: JobRecord, index: int, ended: FinishedCall, *, on_unknown: OnUnknown, now: datetime
) -> Conclusion:
    task, outcome = record.tasks[index], ended.outcome
    wanted = len(record.planned[index].pictures)

    def close(state: TaskState, failure: Failure | None = None) -> Conclusion:
        return Conclusion(
            finish(
                record,
                index,
                ended.attempt,
                state=state,
                pictures=ended.pictures,
                failure=failure,
                now=now,
            )
        )

    def put_back() -> Conclusion:
        back = put_back_unpaid(record, index, ended.attempt.token, code=outcome.code, now=now)
        return Conclusion(back, retry_delay(record, task, outcome))

    if len(ended.pictures) == wanted:
        return close(TaskState.DONE)  # whatever broke, it broke after the last picture was whole
    match outcome.next:
        case Next.STORE:
            return close(TaskState.FAILED, _fewer(len(ended.pictures), wanted))
        case Next.RESOLVE_UNKNOWN if on_unknown == "retry_once" and not task.attempts:
            back = put_back_unknown(record, index, ended.attempt, pictures=ended.pictures, now=now)
            return Conclusion(back, timedelta(seconds=FIRST_DELAY))
        case Next.RESOLVE_UNKNOWN if on_unknown == "park":
            return close(TaskState.PARKED, failure_of(outcome))
        case Next.RETRY_LATER | Next.OTHER_DEPLOYMENT_OR_LATER:
            return put_back()
        case _:
            return close(TaskState.FAILED, failure_of(outcome))


def retry_delay(record: JobRecord, task: TaskRecord, outcome: Outcome) -> timedelta:
    """Return how long an unpaid call waits: not before the endpoint said, and longer each time.

    With another deployment left in this round, that one is tried at once. A pool that said when to
    come again is taken at its word: it orders by itself who comes when. The jitter comes from the
    job's id, so that jobs spread and a test can tell.
    """
    deployments = len(record.plan_of(task.index).deployments)
    nth = task.unpaid_retries
    if (nth + 1) % deployments and outcome.next is not Next.RETRY_LATER:
        return timedelta()
    if outcome.kind is OutcomeKind.THROTTLED and outcome.retry_after is not None:
        return timedelta(seconds=outcome.retry_after)
    rounds = min(nth // deployments, 16)
    seconds = max(outcome.retry_after or 0.0, min(LONGEST_DELAY, FIRST_DELAY * 2**rounds))
    digest = hashlib.sha256(f"{record.job_id}/{task.index}/{nth}".encode()).digest()
    return timedelta(seconds=seconds * (1 + JITTER * digest[0] / 255))


def failure_of(outcome: Outcome) -> Failure:
    """Return the failure a caller is told of."""
    linked = outcome.kind is OutcomeKind.NO_IMAGE and outcome.code == PICTURE_LINKED
    code = _CODES.get(outcome.kind, FailureCode.PROVIDER_REJECTED)
    return Failure(
        code=FailureCode.PICTURE_LINKED if linked else code,
        message=outcome.message,
        retryable=outcome.kind is OutcomeKind.UNKNOWN,
        categories=outcome.categories,
    )


def _fewer(came: int, wanted: int) -> Failure:
    return Failure(
        code=FailureCode.FEWER_IMAGES,
        message=f"{wanted} pictures were asked for and {came} came",
        retryable=True,
    )
