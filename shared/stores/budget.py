"""The ledgers of daily budgets as blobs, `budget/{yyyy-mm-dd}.json`, written only on condition.

A process makes one change at a time; against other processes the write that comes second loses, and
takes its step anew from what the other left. A step taken twice, since the answer to its first
write got lost, holds money that nobody spends: a sweep lets it go.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Final

from pydantic import ValidationError

from ..adapters.storage.blobs import IF_NEW, Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import StoreUnavailable
from ..limits.budget import (
    CostReservation,
    DayLedger,
    Refusal,
    find_overdue,
    ledger_name,
    reserve,
    settle,
)

#: The statuses of a condition that does not hold.
_CHANGED: Final = frozenset({409, 412})
#: Writes lost in a row before storage is called unavailable, and the wait before the second try
#: and the longest (seconds); half of it is chance, so that two do not lose to each other forever.
MAX_TRIES: Final = 40
FIRST_WAIT: Final = 0.01
LONGEST_WAIT: Final = 0.5


class BlobBudget:
    """`Budget` in a blob container."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._one_at_a_time = asyncio.Lock()

    async def reserve(
        self, hold: CostReservation, *, day: date, limit: int | None
    ) -> str | Refusal:
        """Set money of a day aside and return the ticket, or why that would pass the limit."""

        def step(ledger: DayLedger) -> tuple[DayLedger, str | Refusal]:
            return reserve(ledger, hold, limit=limit)

        number = await self._change(day.isoformat(), step)
        return f"{day.isoformat()}/{number}" if isinstance(number, str) else number

    async def settle(self, ticket: str, amount: int) -> None:
        """Put what a call has cost in place of what was set aside."""
        day, _, number = ticket.partition("/")
        await self._change(day, lambda ledger: (settle(ledger, number, amount), None))

    async def overdue(self, day: date, *, now: datetime) -> Mapping[str, CostReservation]:
        """Return the holds of calls that must be over, by ticket."""
        ledger, _ = await self._read(day.isoformat())
        found = find_overdue(ledger, now=now)
        return {f"{day.isoformat()}/{number}": hold for number, hold in found.items()}

    async def look(self, day: date) -> DayLedger | None:
        """Return the ledger of a day, None if nothing was ever set aside."""
        ledger, version = await self._read(day.isoformat())
        return ledger if version else None

    async def _change[T](self, day: str, step: Callable[[DayLedger], tuple[DayLedger, T]]) -> T:
        async with self._one_at_a_time:
            for tries in range(MAX_TRIES):
                if tries:
                    await asyncio.sleep(_wait(tries))
                before, version = await self._read(day)
                ledger, result = step(before)
                if ledger == before or await self._written(day, ledger, version):
                    return result
        raise StoreUnavailable(f"the budget of {day} changed {MAX_TRIES} times under our hands")

    async def _read(self, day: str) -> tuple[DayLedger, str | None]:
        blob = await self._blobs.read(ledger_name(day), doing=f"reading the budget of {day}")
        if blob is None:
            return DayLedger(), None
        try:
            return DayLedger.model_validate_json(blob.body), blob.version
        except ValidationError as error:
            # Begun anew it would count too little.
            raise StoreUnavailable(
                f"the budget of {day} is none that this version understands; mend or delete "
                f"{ledger_name(day)}"
            ) from error

    async def _written(self, day: str, ledger: DayLedger, version: str | None) -> bool:
        body, doing = ledger.model_dump_json().encode(), f"writing the budget of {day}"
        condition = if_still(version) if version else IF_NEW
        try:
            await self._blobs.put(ledger_name(day), body, doing=doing, condition=condition)
        except StorageRefusal as refusal:
            if refusal.status not in _CHANGED:
                raise
            return False
        return True


def _wait(tries: int) -> float:
    longest: float = min(FIRST_WAIT * 2**tries, LONGEST_WAIT)
    return longest * random.uniform(0.5, 1)  # noqa: S311 (no secret)
