"""How fast the app calls and what it spends: the ledgers of its pools and of a day, only read."""

from dataclasses import dataclass
from datetime import UTC, date
from functools import partial
from typing import Final

from pydantic import ValidationError

from ..budgets import DayLedger, ledger_name
from ..errors import UnreadableRecord
from ..settings import Settings
from ..turns import Ledger
from .storage import Storage, Stored

_SUFFIX: Final = ".json"
#: Pools that are shown.
MOST: Final = 100


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
    listed = await storage.listed(container, prefix="", most=MOST)
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
