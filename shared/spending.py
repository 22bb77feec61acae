"""What a job, or a part of it, has cost: the sum of the calls that were or may have been paid."""

from collections.abc import Sequence
from typing import Literal

from .records import Attempt

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
