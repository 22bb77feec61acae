"""What was spent, by day and model, as the register of jobs tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta

from ..entries import Entry


@dataclass(frozen=True, slots=True)
class Spent:
    """One day's jobs on one model, or on several together."""

    day: date
    models: str
    jobs: int = 0
    pictures: int = 0
    #: US dollars of the jobs whose cost is known.
    usd: float = 0.0
    #: Jobs whose cost is not known.
    unpriced: int = 0


def spent_by_day(entries: Iterable[Entry], *, today: date, days: int) -> tuple[Spent, ...]:
    """Add up the jobs of the last `days` days, newest first; a day is UTC's, of acceptance."""
    sums: dict[tuple[date, str], Spent] = {}
    for entry in entries:
        day, models = entry.accepted_at.date(), ", ".join(entry.models)
        if day <= today - timedelta(days=days):
            continue
        so_far = sums.get((day, models), Spent(day, models))
        sums[day, models] = replace(
            so_far,
            jobs=so_far.jobs + 1,
            pictures=so_far.pictures + entry.pictures,
            usd=round(so_far.usd + (entry.cost_usd or 0.0), 6),
            unpriced=so_far.unpriced + (entry.cost_usd is None),
        )
    return tuple(sums[key] for key in sorted(sums, key=lambda key: (-key[0].toordinal(), key[1])))
