"""The ledgers of daily budgets, `budget/{yyyy-mm-dd}.json`, written only on condition.

A process makes one change at a time; against other processes the write that comes second loses and
is done again on what the other left. A step done twice, because the reply to its first write got
lost, reserves money that nobody uses: a sweep releases it.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from ..errors import StoreUnavailable, UnreadableRecord
from ..limits.budget import (
    CostReservation,
    DayLedger,
    Refusal,
    find_overdue,
    ledger_name,
    reserve,
    settle,
)
from ..ports import Blobs, Clock, Versioned
from .documents import Documents, until_written


@dataclass(frozen=True, slots=True)
class BudgetLedgers:
    """What the calls of a day may cost and have cost: a ledger a day, shared by all hosts."""

    blobs: Blobs
    clock: Clock
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def reserve(
        self, hold: CostReservation, *, day: date, limit: int | None
    ) -> str | Refusal:
        """Reserve money of a day and return its ticket, or why that would pass the limit."""

        def step(ledger: DayLedger) -> tuple[DayLedger, str | Refusal]:
            return reserve(ledger, hold, limit=limit)

        number = await self._change(day.isoformat(), step)
        return f"{day.isoformat()}/{number}" if isinstance(number, str) else number

    async def settle(self, ticket: str, amount: int) -> None:
        """Replace a reservation by what the call has cost; a second time changes nothing."""
        day, _, number = ticket.partition("/")
        await self._change(day, lambda ledger: (settle(ledger, number, amount), None))

    async def overdue(self, day: date, *, now: datetime) -> Mapping[str, CostReservation]:
        """Return the reservations of calls that must be over, by ticket."""
        ledger = await self.look(day) or DayLedger()
        found = find_overdue(ledger, now=now)
        return {f"{day.isoformat()}/{number}": hold for number, hold in found.items()}

    async def look(self, day: date) -> DayLedger | None:
        """Return the ledger of a day, None if nothing was ever reserved; one read."""
        found = await self._read(day.isoformat())
        return found.value if found else None

    async def _change[T](self, day: str, step: Callable[[DayLedger], tuple[DayLedger, T]]) -> T:
        async def attempt(_is_first: bool) -> T:  # noqa: FBT001 (of `until_written`)
            found = await self._read(day)
            before = found.value if found else DayLedger()
            ledger, result = step(before)
            if ledger != before:
                await self._write(day, ledger, found.version if found else None)
            return result

        async with self._one_at_a_time:
            return await until_written(attempt, self.clock, what=f"budget of {day}")

    async def _read(self, day: str) -> Versioned[DayLedger] | None:
        try:
            return await Documents(self.blobs, DayLedger).read(ledger_name(day), what=day)
        except UnreadableRecord as error:
            # A new ledger would count too little.
            raise StoreUnavailable(
                f"this version cannot read the budget of {day}; mend or delete {ledger_name(day)}"
            ) from error

    async def _write(self, day: str, ledger: DayLedger, version: str | None) -> None:
        body = ledger.model_dump_json().encode()
        await self.blobs.put(ledger_name(day), body, if_absent=version is None, if_version=version)
