"""What a job, or a part of it, has cost: the sum of the calls that were or may have been paid."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from ..limits.budget import to_millionths
from ..vocabulary import FailureCode
from .record import Attempt, Failure, JobRecord, JobState, TaskState

type KnownBy = Literal["usage", "estimate"]


def cost_of(attempts: Sequence[Attempt]) -> tuple[float | None, KnownBy | None]:
    """Add up what calls cost, USD, and say how it is known; None when one has no known price."""
    costs = [_cost(attempt) for attempt in attempts if attempt.charged != "no"]
    known = [usd for usd, _ in costs if usd is not None]
    if len(known) < len(costs):
        return None, None
    by_usage = all(known_by == "usage" for _, known_by in costs)
    return round(sum(known), 6), ("usage" if by_usage else "estimate") if costs else None


def _cost(attempt: Attempt) -> tuple[float | None, KnownBy | None]:
    if attempt.cost_usd is None:
        return attempt.estimate_usd, "estimate"
    return attempt.cost_usd, attempt.cost_known_by


def billed(attempt: Attempt) -> int:
    """Return what a call counts with: its cost, and its estimate where that is not known."""
    if attempt.charged == "no":
        return 0
    usd = attempt.cost_usd if attempt.cost_usd is not None else attempt.estimate_usd
    return to_millionths(usd or 0.0)


def would_pass_its_limit(record: JobRecord, estimate_usd: float | None) -> bool:
    """Tell whether one more call may bring the job above its own `max_cost_usd`."""
    limit = record.job.max_cost_usd
    if limit is None:
        return False
    if estimate_usd is None:
        return True
    spent = sum(map(billed, record.attempts))
    # Each call was rounded up, by less than a millionth.
    rounded = len(record.attempts) + 1
    return spent + to_millionths(estimate_usd) > to_millionths(limit) + rounded


def over_budget(day: date, limit_usd: float) -> Failure:
    """Return the failure of a task that waits for another day's money."""
    return Failure(
        code=FailureCode.OVER_BUDGET,
        message=f"the app's budget of ${limit_usd:g} for {day.isoformat()} (UTC) is spent; "
        f"the job goes on at {_midnight_after(day).isoformat(timespec='minutes')}",
        retryable=True,
    )


def is_over_budget(failure: Failure) -> bool:
    """Tell whether a task waits for another day's money."""
    return failure.code == FailureCode.OVER_BUDGET


def waits_for_money(record: JobRecord) -> bool:
    """Tell whether a parked job is to be released when a new day begins."""
    return record.state is JobState.PARKED and any(
        task.state is TaskState.PARKED and task.failure is not None and is_over_budget(task.failure)
        for task in record.tasks
    )


def next_day(record: JobRecord) -> datetime:
    """Return when a job that waits for money is released, or given up on if that is sooner."""
    parked_at = record.outbox[-1].time
    new_day = _midnight_after(parked_at.astimezone(UTC).date())
    deadline = record.job.deadline
    return min(new_day, deadline) if deadline else new_day


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)
