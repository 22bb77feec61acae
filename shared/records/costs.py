"""Compute the costs of calls, and tell whether the budget allows another one."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from ..catalogue.models import Model
from ..catalogue.pricing import Usage, compute_cost
from ..images_api.outcomes import Charged
from ..limits.budget import to_millionths
from ..vocabulary import FailureCode
from .record import Attempt, Failure, JobRecord, JobState, KnownBy, TaskRecord, TaskState


def add_cost(
    attempt: Attempt, charged: Charged, usage: Usage | None, model: Model | None
) -> Attempt:
    """Return an ended attempt with its cost: by its usage, else by its estimate if it may be paid.

    `model` is None when it is no longer in the catalogue.
    """
    ended = attempt.model_copy(update={"charged": charged, "usage": usage})
    usd, known_by = cost_of_call(ended)
    by_usage = compute_cost(model, usage) if model and usage and charged != "no" else None
    if by_usage is not None:
        usd, known_by = round(by_usage, 6), "usage"
    return ended.model_copy(update={"cost_usd": usd, "cost_known_by": known_by})


def cost_of_call(attempt: Attempt) -> tuple[float | None, KnownBy | None]:
    """Return what a call has cost, USD, and how it is known; its estimate until it is known."""
    if attempt.charged == "no":
        return 0.0, None
    if attempt.cost_usd is None:
        return attempt.estimate_usd, "estimate"
    return attempt.cost_usd, attempt.cost_known_by


def cost_of(attempts: Sequence[Attempt]) -> tuple[float | None, KnownBy | None]:
    """Add up what calls cost, USD, and say how it is known; None when one has no known price."""
    costs = [cost_of_call(attempt) for attempt in attempts if attempt.charged != "no"]
    known = [usd for usd, _ in costs if usd is not None]
    if len(known) < len(costs):
        return None, None
    by_usage = all(known_by == "usage" for _, known_by in costs)
    return round(sum(known), 6), ("usage" if by_usage else "estimate") if costs else None


def billed(attempt: Attempt) -> int:
    """Return what a call has cost, millionths of a USD; 0 where even its estimate is unknown."""
    return to_millionths(cost_of_call(attempt)[0] or 0.0)


def may_exceed_cost_limit(record: JobRecord, estimate_usd: float | None) -> bool:
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
    """Return the failure of a task that waits for another day's budget."""
    return Failure(
        code=FailureCode.OVER_BUDGET,
        message=f"the app's budget of ${limit_usd:g} for {day.isoformat()} (UTC) is spent; "
        f"the job continues at {_midnight_after(day).isoformat(timespec='minutes')}",
        retryable=True,
    )


def task_awaits_budget(task: TaskRecord) -> bool:
    """Tell whether a task is parked until a new day begins."""
    over = task.failure is not None and task.failure.code == FailureCode.OVER_BUDGET
    return over and task.state is TaskState.PARKED


def awaits_budget(record: JobRecord) -> bool:
    """Tell whether a parked job is resumed when a new day begins."""
    return record.state is JobState.PARKED and any(map(task_awaits_budget, record.tasks))


def resumes_at(record: JobRecord) -> datetime:
    """Return when a job that waits for a new day's budget is resumed: then, or at its deadline."""
    parked_at = record.outbox[-1].time
    new_day = _midnight_after(parked_at.astimezone(UTC).date())
    deadline = record.job.deadline
    return min(new_day, deadline) if deadline else new_day


def _midnight_after(day: date) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), UTC)
