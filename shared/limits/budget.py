"""Keep the ledger of a daily budget: settled costs, and costs reserved for calls in progress.

Amounts are whole millionths of a dollar, rounded up: sums are exact and never below the bill. A
cost is reserved before the intent of a call is written, and settled when its result is. If the
process dies in between, the reservation counts in full until a sweep settles it.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final, Literal

from pydantic import BaseModel, Field

MILLION: Final = 1_000_000


class CostReservation(BaseModel, frozen=True, extra="ignore"):
    """The cost reserved for one call."""

    #: Millionths of a dollar.
    amount: int = Field(ge=0)
    job_id: str
    #: The call has ended at this time at the latest.
    until: datetime


class DayLedger(BaseModel, frozen=True, extra="ignore"):
    """The settled and the reserved costs of one day."""

    #: Grows when the shape of a ledger changes so that an older app could not read it.
    version: Literal[1] = 1
    #: Cost of settled calls, millionths of a dollar.
    spent: int = Field(default=0, ge=0)
    #: Reservations by ticket; each ticket is used once.
    held: dict[str, CostReservation] = {}
    next_ticket: int = 1

    @property
    def committed(self) -> int:
        """Return the settled plus the reserved costs."""
        return self.spent + sum(hold.amount for hold in self.held.values())


def ledger_name(day: str) -> str:
    """Return the blob name of a day's ledger; the day as in `2026-11-22`."""
    return f"budget/{day}.json"


def to_millionths(usd: float) -> int:
    """Return an amount in millionths of a dollar, rounded up."""
    # Rounded first: the error of a float is far below a millionth of a millionth.
    return max(0, math.ceil(round(usd * MILLION, 6)))


class NoBudget(Enum):
    """Why a cost could not be reserved."""

    #: The settled costs leave too little for this day.
    SPENT = "spent"
    #: The reserved costs leave too little; they may settle for less, so try again later.
    RESERVED = "reserved"


def reserve(
    ledger: DayLedger, hold: CostReservation, *, limit: int | None
) -> tuple[DayLedger, str | NoBudget]:
    """Reserve a cost and return its ticket; `NoBudget` if that would exceed the limit."""
    if limit is not None and ledger.committed + hold.amount > limit:
        spent = ledger.spent + hold.amount > limit
        return ledger, NoBudget.SPENT if spent else NoBudget.RESERVED
    ticket = str(ledger.next_ticket)
    changes = {"held": {**ledger.held, ticket: hold}, "next_ticket": ledger.next_ticket + 1}
    return ledger.model_copy(update=changes), ticket


def settle(ledger: DayLedger, ticket: str, amount: int) -> DayLedger:
    """Replace a reservation by the cost of the call; a second time changes nothing."""
    if ticket not in ledger.held:
        return ledger
    held = {name: hold for name, hold in ledger.held.items() if name != ticket}
    return ledger.model_copy(update={"spent": ledger.spent + amount, "held": held})


def find_overdue(ledger: DayLedger, *, now: datetime) -> Mapping[str, CostReservation]:
    """Return the reservations of calls that must have ended, by ticket."""
    return {ticket: hold for ticket, hold in ledger.held.items() if hold.until < now}
