"""Keep the ledger of a daily budget: settled costs, and costs reserved for calls in progress.

Amounts are whole millionths of a dollar, rounded up: sums are exact and never below the bill. A
cost is reserved before the intent of a call is written, and settled when its result is. If the
process dies in between, the reservation counts in full until a sweep settles it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

MILLION: Final = 1_000_000


class CostReservation(BaseModel, frozen=True, extra="allow"):
    """The cost reserved for one call."""

    #: Millionths of a dollar.
    amount: int = Field(ge=0)
    job_id: str
    #: The call has ended at this time at the latest.
    until: AwareDatetime


class DayLedger(BaseModel, frozen=True, extra="allow"):
    """The settled and the reserved costs of one day."""

    #: Grows when the shape of a ledger changes so that an older app could not read it.
    version: Literal[1] = 1
    #: What settled calls may have cost, millionths of a dollar.
    spent: int = Field(default=0, ge=0)
    #: The part of it that is certain.
    certain: int = Field(default=0, ge=0)
    #: Reservations by ticket; each ticket is used once.
    held: dict[str, CostReservation] = {}
    next_ticket: int = 1

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "spent" in stored:
            return {"certain": stored["spent"], **stored}  # an earlier ledger has one cost
        return stored

    @property
    def committed(self) -> int:
        """Return what settled calls may have cost plus what is reserved."""
        return self.spent + sum(hold.amount for hold in self.held.values())


def ledger_name(day: str) -> str:
    """Return the blob name of a day's ledger; the day as in `2026-11-22`."""
    return f"budget/{day}.json"


def to_millionths(usd: float) -> int:
    """Return an amount in millionths of a dollar, rounded up."""
    # Rounded first: the error of a float is far below a millionth of a millionth.
    return max(0, math.ceil(round(usd * MILLION, 6)))


@dataclass(frozen=True, slots=True)
class SettledCost:
    """What a call cost, millionths of a dollar: what is certain, and what is possible."""

    certain: int = 0
    at_most: int = 0


@dataclass(frozen=True, slots=True)
class NoBudget:
    """Why a cost could not be reserved."""

    #: What is left of the limit, millionths of a dollar.
    left: int
    #: Only reserved costs are in the way; they may settle for less, so try again later.
    try_later: bool


def reserve(
    ledger: DayLedger, hold: CostReservation, *, limit: int | None
) -> tuple[DayLedger, str | NoBudget]:
    """Reserve a cost and return its ticket; `NoBudget` if that would exceed the limit."""
    if limit is not None and ledger.committed + hold.amount > limit:
        left = max(0, limit - ledger.committed)
        return ledger, NoBudget(left, try_later=ledger.spent + hold.amount <= limit)
    ticket = str(ledger.next_ticket)
    changes = {"held": {**ledger.held, ticket: hold}, "next_ticket": ledger.next_ticket + 1}
    return ledger.model_copy(update=changes), ticket


def settle(ledger: DayLedger, ticket: str, cost: SettledCost) -> DayLedger:
    """Replace a reservation by what the call may have cost; a second time changes nothing."""
    if ticket not in ledger.held:
        return ledger
    held = {name: hold for name, hold in ledger.held.items() if name != ticket}
    spent, certain = ledger.spent + cost.at_most, ledger.certain + cost.certain
    return ledger.model_copy(update={"spent": spent, "certain": certain, "held": held})


def find_overdue(ledger: DayLedger, *, now: datetime) -> Mapping[str, CostReservation]:
    """Return the reservations of calls that must have ended, by ticket."""
    return {ticket: hold for ticket, hold in ledger.held.items() if hold.until < now}
