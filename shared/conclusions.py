"""What follows from the outcome of a call: one table, pure.

    done            pictures stored: the task is done
    refused/invalid the task fails; nothing was paid
    throttled …     put back, unpaid, with a growing delay, on the next deployment if there is one
    unknown         the job's own policy: pay once more and say so, park, or fail
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from .events import FailureCode
from .outcomes import Outcome, OutcomeKind
from .records import Attempt, Failure, JobRecord, Picture, TaskRecord, TaskState
from .transitions import finish, put_back_unknown, put_back_unpaid

type OnUnknown = Literal["retry_once", "park", "fail"]

#: The first delay of an unpaid retry and the longest, seconds.
FIRST_DELAY: Final = 2.0
LONGEST_DELAY: Final = 300.0
#: Jitter added to a delay, as a share of it.
JITTER: Final = 0.25

_FAILURES: Final = {
    OutcomeKind.NO_IMAGE: FailureCode.NO_IMAGE,
    OutcomeKind.REFUSED: FailureCode.CONTENT_REFUSED,
    OutcomeKind.INVALID: FailureCode.PROVIDER_REJECTED,
    OutcomeKind.UNAUTHORISED: FailureCode.MISCONFIGURED,
    OutcomeKind.MISCONFIGURED: FailureCode.MISCONFIGURED,
    OutcomeKind.UNKNOWN: FailureCode.OUTCOME_UNKNOWN,
}
#: Outcomes that say the route is wrong, not the moment.
_WRONG_ROUTE: Final = frozenset({OutcomeKind.UNAUTHORISED, OutcomeKind.MISCONFIGURED})


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The next record, and when to wake the task again (None: not at all)."""

    record: JobRecord
    wake_after: timedelta | None = None


def conclude(
    record: JobRecord,
    index: int,
    ended: Attempt,
    outcome: Outcome,
    pictures: Sequence[Picture],
    *,
    on_unknown: OnUnknown,
    now: datetime,
) -> Conclusion:
    """Apply an outcome to a task that `ended` holds; raises `transitions.Superseded`."""
    task = record.tasks[index]
    wanted = len(record.plan.tasks[index].pictures)
    if len(pictures) == wanted and outcome.kind in {OutcomeKind.DONE, OutcomeKind.UNKNOWN}:
        return Conclusion(
            finish(record, index, ended, state=TaskState.DONE, pictures=pictures, now=now)
        )
    if outcome.kind is OutcomeKind.DONE:
        failure = Failure(
            code=FailureCode.FEWER_IMAGES,
            message=f"{wanted} pictures were asked for and {len(pictures)} came",
            retryable=True,
        )
        return Conclusion(
            finish(
                record,
                index,
                ended,
                state=TaskState.FAILED,
                pictures=pictures,
                failure=failure,
                now=now,
            )
        )
    if outcome.kind is OutcomeKind.UNKNOWN:
        return _unknown(record, task, ended, outcome, pictures, on_unknown, now)
    if outcome.charged == "no" and _may_try_again(record, task, outcome):
        back = put_back_unpaid(record, index, ended.token, code=outcome.code, now=now)
        return Conclusion(back, retry_delay(record, task, outcome))
    return Conclusion(
        finish(
            record,
            index,
            ended,
            state=TaskState.FAILED,
            pictures=pictures,
            failure=failure_of(outcome),
            now=now,
        )
    )


def _unknown(
    record: JobRecord,
    task: TaskRecord,
    ended: Attempt,
    outcome: Outcome,
    pictures: Sequence[Picture],
    on_unknown: OnUnknown,
    now: datetime,
) -> Conclusion:
    if on_unknown == "retry_once" and not task.possible_duplicate_charge:
        back = put_back_unknown(record, task.index, ended, pictures=pictures, now=now)
        return Conclusion(back, timedelta(seconds=FIRST_DELAY))
    state = TaskState.PARKED if on_unknown == "park" else TaskState.FAILED
    return Conclusion(
        finish(
            record,
            task.index,
            ended,
            state=state,
            pictures=pictures,
            failure=failure_of(outcome),
            now=now,
        )
    )


def _may_try_again(record: JobRecord, task: TaskRecord, outcome: Outcome) -> bool:
    """Tell whether an unpaid call is worth another: a wrong route is, on each other one, once."""
    if outcome.kind in {OutcomeKind.THROTTLED, OutcomeKind.BLOCKED, OutcomeKind.NOT_SENT}:
        return True
    if outcome.kind is OutcomeKind.UNAUTHORISED and task.last_unpaid != outcome.code:
        return True  # the cached token may have been the trouble; the next call gets a new one
    return (
        outcome.kind in _WRONG_ROUTE and task.unpaid_retries + 1 < len(record.plan.deployments)
    )


def retry_delay(record: JobRecord, task: TaskRecord, outcome: Outcome) -> timedelta:
    """Return how long an unpaid call waits: not before the endpoint said, and longer each time.

    With another deployment left in this round the next one is tried at once. The jitter comes from
    the job's id, so that jobs spread and a test can tell.
    """
    deployments = len(record.plan.deployments)
    nth = task.unpaid_retries
    if (nth + 1) % deployments:
        return timedelta()
    round_ = min(nth // deployments, 16)
    seconds = max(outcome.retry_after or 0.0, min(LONGEST_DELAY, FIRST_DELAY * 2**round_))
    digest = hashlib.sha256(f"{record.job_id}/{task.index}/{nth}".encode()).digest()
    return timedelta(seconds=seconds * (1 + JITTER * digest[0] / 255))


def failure_of(outcome: Outcome) -> Failure:
    """Return the failure a caller is told of."""
    return Failure(
        code=_FAILURES.get(outcome.kind, FailureCode.PROVIDER_REJECTED),
        message=outcome.message,
        retryable=outcome.kind is OutcomeKind.UNKNOWN,
        categories=outcome.categories,
    )
