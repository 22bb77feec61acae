"""A day's budget: what may yet be spent, from what was spent and what is held for calls under way.

Money is counted in whole millionths of a dollar, and parts of one count as a whole: sums are exact,
and never less than what is billed. A hold is made before a call is written down as intended, and
ends when the call's result is; whatever dies in between leaves its hold, which counts in full until
a sweep has found out its result.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

MILLION: Final = 1_000_000
#: Grows when the shape of a ledger changes so that an older app could not read it.
LEDGER_VERSION: Final = 1


class CostReservation(BaseModel):
    """Money set aside for one call."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Millionths of a dollar.
    amount: int = Field(ge=0)
    job_id: str
    #: After this moment the call is over.
    until: datetime


class DayLedger(BaseModel):
    """What a day's calls have cost and may yet cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = LEDGER_VERSION
    #: Of settled calls, millionths of a dollar.
    spent: int = Field(default=0, ge=0)
    #: By ticket; each is given out once.
    held: dict[str, CostReservation] = {}
    next_ticket: int = 1

    @property
    def committed(self) -> int:
        """Return what is spent, or may be yet."""
        return self.spent + sum(hold.amount for hold in self.held.values())


def ledger_name(day: str) -> str:
    """Return the name of the blob that holds a day's ledger; the day as in `2026-11-22`."""
    return f"budget/{day}.json"


def to_millionths(usd: float) -> int:
    """Return an amount in millionths of a dollar, rounded up."""
    # A float of dollars is off by far less than the millionth part of a millionth.
    return max(0, math.ceil(round(usd * MILLION, 6)))


class Refusal(Enum):
    """Why there is no money for a call."""

    #: It is spent, and the day has no more.
    SPENT = "spent"
    #: It is set aside for calls under way, which may cost less: ask again when they are over.
    HELD = "held"


def reserve(
    ledger: DayLedger, hold: CostReservation, *, limit: int | None
) -> tuple[DayLedger, str | Refusal]:
    """Set money aside and return the ticket; a refusal when that would pass the limit."""
    if limit is not None and ledger.committed + hold.amount > limit:
        spent = ledger.spent + hold.amount > limit
        return ledger, Refusal.SPENT if spent else Refusal.HELD
    ticket = str(ledger.next_ticket)
    changes = {"held": {**ledger.held, ticket: hold}, "next_ticket": ledger.next_ticket + 1}
    return ledger.model_copy(update=changes), ticket


def settle(ledger: DayLedger, ticket: str, amount: int) -> DayLedger:
    """Put what a call has cost in place of what was set aside; a second time changes nothing."""
    if ticket not in ledger.held:
        return ledger
    held = {name: hold for name, hold in ledger.held.items() if name != ticket}
    return ledger.model_copy(update={"spent": ledger.spent + amount, "held": held})


def find_overdue(ledger: DayLedger, *, now: datetime) -> Mapping[str, CostReservation]:
    """Return the holds of calls that must be over, by ticket."""
    return {ticket: hold for ticket, hold in ledger.held.items() if hold.until < now}
