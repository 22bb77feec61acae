"""What was spent, by day and model, as the register of jobs tells it.

The newest jobs, off the register that the app keeps beside the records.

How fast the app calls and what it spends: the ledgers of its pools and of a day, only read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from functools import partial
from itertools import groupby
from typing import Final

from pydantic import ValidationError

from ..config.settings import Settings
from ..errors import UnreadableRecord
from ..limits.budget import DayLedger, ledger_name
from ..limits.pool_ledger import Ledger
from ..records.index_entry import IndexEntry, from_metadata, newest
from ..records.record import JobState
from .storage import Listed, Storage, Stored


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


def spent_by_day(entries: Iterable[IndexEntry], *, today: date, days: int) -> tuple[Spent, ...]:
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


#: Where open and ended jobs stand in the container of the records, newest first.
OPEN: Final = "open/"
ENDED: Final = "ended/"
_ENTRY: Final = "entry"
#: The most that one listing returns.
MOST: Final = 5_000


async def newest_jobs(
    storage: Storage, settings: Settings, *, limit: int, state: JobState | None
) -> list[IndexEntry]:
    """Return the newest jobs, of one state if it is given: one listing or two.

    With a state, as many as are found among the newest 5,000.
    """
    most = min(limit if state is None else MOST, MOST)
    prefixes = (OPEN,) if state is JobState.RUNNING else (OPEN, ENDED)
    found: list[IndexEntry] = []
    for prefix in prefixes:
        blobs = await storage.listed(settings.jobs_container, prefix=prefix, most=most)
        found += map(_entry, blobs)
    found.sort(key=lambda entry: entry.name)
    jobs = [newest(group) for _, group in groupby(found, key=lambda entry: entry.place)]
    return [job for job in jobs if state in {None, job.state}][:limit]


def _entry(blob: Listed) -> IndexEntry:
    return from_metadata(blob.metadata[_ENTRY])


_SUFFIX: Final = ".json"
#: Pools that are shown.
MOST_POOLS: Final = 100


@dataclass(frozen=True, slots=True)
class Today:
    """The money of today (UTC)."""

    day: date
    #: None: nothing was set aside, as is so where the app has no daily budget.
    ledger: DayLedger | None
    #: `DAILY_BUDGET_USD` where the client was told of it; the app's own is not to be read.
    limit_usd: float | None


async def pools_of(storage: Storage, settings: Settings) -> dict[str, Ledger]:
    """Return the ledger of each quota pool that was ever called, by the pool's name."""
    container = settings.pace_container
    listed = await storage.listed(container, prefix="", most=MOST_POOLS)
    names = [blob.name for blob in listed if "/" not in blob.name and blob.name.endswith(_SUFFIX)]
    found: dict[str, Ledger] = {}
    reads = [partial(storage.read, container, name) for name in names]
    for name, stored in zip(names, await storage.all_of(reads), strict=True):
        if isinstance(stored, Stored):
            found[name.removesuffix(_SUFFIX)] = _read(name, stored, Ledger)
        elif stored is not None:
            raise stored
    return found


async def today_of(storage: Storage, settings: Settings) -> Today:
    """Return what today's calls have cost and may yet cost."""
    day = storage.now().astimezone(UTC).date()
    name = ledger_name(day.isoformat())
    stored = await storage.read(settings.jobs_container, name)
    ledger = _read(name, stored, DayLedger) if stored else None
    return Today(day, ledger, settings.daily_budget_usd)


def _read[L: (Ledger, DayLedger)](name: str, stored: Stored, kind: type[L]) -> L:
    try:
        return kind.model_validate_json(stored.body)
    except ValidationError as error:
        raise UnreadableRecord(
            f"the ledger {name} is none that this version of the client understands"
        ) from error
