"""How fast the app calls, and what it costs: the ledgers of pools and of a day, only read."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from typing import Final

from ..limits.budget import DayLedger
from ..limits.pool_ledger import Ledger
from ..records.index_entry import IndexEntry
from .connection import Connection

#: Pools that are listed.
MOST_POOLS: Final = 100


@dataclass(frozen=True, slots=True)
class DayCost:
    """One day's jobs on one model, or on several together."""

    day: date
    models: str
    jobs: int = 0
    pictures: int = 0
    #: US dollars of the jobs whose cost is known.
    usd: float = 0.0
    #: Jobs whose cost is not known.
    unpriced: int = 0


def sum_costs(entries: Iterable[IndexEntry], *, today: date, days: int) -> tuple[DayCost, ...]:
    """Add up the jobs of the last `days` days, newest first; a day is UTC's, of acceptance."""
    sums: dict[tuple[date, str], DayCost] = {}
    for entry in entries:
        day, models = entry.accepted_at.date(), ", ".join(entry.models)
        if day <= today - timedelta(days=days):
            continue
        so_far = sums.get((day, models), DayCost(day, models))
        sums[day, models] = replace(
            so_far,
            jobs=so_far.jobs + 1,
            pictures=so_far.pictures + entry.pictures,
            usd=round(so_far.usd + (entry.cost_usd or 0.0), 6),
            unpriced=so_far.unpriced + (entry.cost_usd is None),
        )
    return tuple(sums[key] for key in sorted(sums, key=lambda key: (-key[0].toordinal(), key[1])))


@dataclass(frozen=True, slots=True)
class Today:
    """The budget of today (UTC)."""

    day: date
    #: None: nothing was reserved, as always where the app has no daily budget.
    ledger: DayLedger | None
    #: `DAILY_BUDGET_USD` where this client knows it; the app's own setting can't be read.
    limit_usd: float | None


async def read_pools(app: Connection) -> dict[str, Ledger]:
    """Return the ledger of each quota pool that was ever called, by the pool's name.

    A ledger that this version can't read is left out, with a warning in the log.
    """
    names = await app.pools.names(limit=MOST_POOLS)
    ledgers = await app.gather(map(app.pools.look, names))
    return {name: ledger for name, ledger in zip(names, ledgers, strict=True) if ledger}


async def read_today(app: Connection) -> Today:
    """Return what today's calls have cost and may yet cost."""
    day = app.clock.now().astimezone(UTC).date()
    return Today(day, await app.budget.look(day), app.settings.daily_budget_usd)
