"""Compute the costs of calls, and tell whether the budget allows another one."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Literal

from ..catalogue.models import Model
from ..catalogue.pricing import Usage, compute_cost
from ..images_api.outcomes import Charged
from ..limits.budget import SettledCost, to_millionths
from ..vocabulary import FailureCode
from .record import Attempt, Cost, Failure, JobRecord, JobState, TaskRecord, TaskState

#: A usage is believed if it costs at least this share of the pictures that came, by the estimate,
#: and at most this many times the estimate (docs/settings.md says why).
LEAST_BELIEVED: Final = 0.1
MOST_BELIEVED: Final = 5.0


def add_cost(
    attempt: Attempt,
    charged: Charged,
    usage: Usage | None,
    model: Model | None,
    *,
    share: float = 1.0,
) -> Attempt:
    """Return an ended attempt with its cost, by its usage if that is credible, else by estimate.

    `model` is None when it is no longer in the catalogue. `share` is how much of what was asked for
    has come, from 0 to 1.
    """
    if charged == "no":
        return attempt.model_copy(update=_range(0.0, 0.0, None))
    by_usage = compute_cost(model, usage) if model and usage else None
    doubt = None if by_usage is None else _doubt_usage(by_usage, attempt, share)
    if by_usage is not None and doubt is None:
        changes = _range(round(by_usage, 6), round(by_usage, 6), "usage")
        return attempt.model_copy(update=changes | {"usage": usage})
    most = attempt.estimate_usd
    if charged == "input" and attempt.estimate_input_usd is not None:
        most = attempt.estimate_input_usd
    least = most if charged == "yes" or most is None else 0.0
    told = {"usage": None if doubt else usage, "usage_ignored": doubt}
    return attempt.model_copy(update=_range(least, most, "estimate") | told)


def _range(
    least: float | None, most: float | None, known_by: Literal["usage", "estimate"] | None
) -> dict[str, object]:
    return dict(Cost(cost_usd=least, cost_usd_at_most=most, cost_known_by=known_by))


def _doubt_usage(usd: float, attempt: Attempt, share: float) -> str | None:
    """Return why a usage of this cost is not believed, or None."""
    if attempt.estimate_usd is None:
        return None
    made = attempt.estimate_usd - (attempt.estimate_input_usd or 0.0)
    least, most = LEAST_BELIEVED * made * share, MOST_BELIEVED * attempt.estimate_usd
    if least <= usd <= most:
        return None
    return f"by its usage the call costs ${usd:.6g}, which is not from ${least:.6g} to ${most:.6g}"


def cost_of(attempts: Sequence[Attempt]) -> Cost:
    """Add up what calls cost."""
    costs = [attempt for attempt in attempts if attempt.may_be_billed]
    certain = [each.cost_usd for each in costs if each.cost_usd is not None]
    possible = [each.cost_usd_at_most for each in costs if each.cost_usd_at_most is not None]
    if len(possible) < len(costs):
        return Cost(cost_usd=None, cost_usd_at_most=None)
    by_usage = all(each.cost_known_by == "usage" for each in costs)
    return Cost(
        cost_usd=round(sum(certain), 6),
        cost_usd_at_most=round(sum(possible), 6),
        cost_known_by=("usage" if by_usage else "estimate") if costs else None,
    )


def settled_cost(attempt: Attempt) -> SettledCost:
    """Return what a call cost for the budget; zero where its price is unknown."""
    return SettledCost(
        certain=to_millionths(attempt.cost_usd or 0.0),
        at_most=to_millionths(attempt.cost_usd_at_most or 0.0),
    )


def may_exceed_cost_limit(record: JobRecord, estimate_usd: float | None) -> bool:
    """Tell whether one more call may bring the job above its own `max_cost_usd`."""
    limit = record.job.max_cost_usd
    if limit is None:
        return False
    if estimate_usd is None:
        return True
    possible = sum(settled_cost(attempt).at_most for attempt in record.attempts)
    # Each call was rounded up, by less than a millionth.
    rounded = len(record.attempts) + 1
    return possible + to_millionths(estimate_usd) > to_millionths(limit) + rounded


def over_cost_limit(record: JobRecord, estimate_usd: float | None) -> Failure:
    """Return the failure of a task that may bring the job above its `max_cost_usd`."""
    so_far = cost_of(record.attempts).cost_usd_at_most
    cost = "an unknown amount" if so_far is None else f"up to ${so_far:.4f}"
    return Failure(
        code=FailureCode.OVER_COST_LIMIT,
        message=f"the next call {_describe_price(estimate_usd)}, the calls before it cost {cost}, "
        f"and the job's max_cost_usd is ${record.job.max_cost_usd:g}",
    )


def over_budget(
    day: date,
    limit_usd: float,
    *,
    estimate_usd: float | None,
    left_usd: float,
    tenant: str | None = None,
) -> Failure:
    """Return the failure of a task that waits for another day's budget: the app's or a tenant's."""
    whose = "app's budget" if tenant is None else f"budget of the tenant {tenant!r},"
    return Failure(
        code=FailureCode.OVER_BUDGET,
        message=f"the call {_describe_price(estimate_usd)}, and ${left_usd:.4f} is left of the "
        f"{whose} of ${limit_usd:g} for {day.isoformat()} (UTC); the job continues at "
        f"{_midnight_after(day).isoformat(timespec='minutes')}",
        retryable=True,
    )


def _describe_price(estimate_usd: float | None) -> str:
    return "has no known price" if estimate_usd is None else f"may cost ${estimate_usd:.4f}"


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
