"""What a job, or a part of it, has cost: summed over the calls that were or may have been paid."""

from collections.abc import Sequence
from typing import Literal

from .event_data import Spending
from .pricing import Usage
from .records import Attempt, JobRecord

type KnownBy = Literal["usage", "estimate"]


def spending_of(record: JobRecord) -> Spending:
    """Tell what was spent; a call whose outcome is unknown counts with its estimate."""
    paid = [attempt for attempt in record.attempts if attempt.charged != "no"]
    cost_usd, known_by = cost_of(paid)
    return Spending(
        usage=_summed([attempt.usage for attempt in paid if attempt.usage]),
        cost_usd=cost_usd,
        cost_known_by=known_by,
        attempts=len(paid),
        unpaid_retries=sum(task.unpaid_retries for task in record.tasks),
        possible_duplicate_charge=any(task.possible_duplicate_charge for task in record.tasks),
    )


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


def _summed(usages: Sequence[Usage]) -> Usage | None:
    """Add up; a part that one call did not report is unknown for all."""
    if not usages:
        return None
    sums: dict[str, int | None] = {}
    for name in Usage.model_fields:
        counts = [getattr(usage, name) for usage in usages]
        sums[name] = None if None in counts else sum(counts)
    return Usage.model_validate(sums)
