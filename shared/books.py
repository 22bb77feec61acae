"""What is kept book of beside the records, as two more ports: open jobs and lists, and money.

Like those of `shared.ports`, they raise only errors of `shared.errors`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from .budgets import DayLedger, Hold, Refusal
from .entries import Entry, Page
from .records import JobState


@dataclass(frozen=True, slots=True)
class Marker:
    """An open job as the register has it, and the version that a conditional step must name."""

    entry: Entry
    #: From when on a sweep should look at it.
    look_at: datetime
    version: str


class Register(Protocol):
    """Which jobs are open, and all jobs newest first, without reading a record."""

    async def enter(self, entry: Entry, *, look_at: datetime) -> Marker:
        """Mark a job as open before its record says so; a sweep looks at it from `look_at` on.

        An equal opening is written over.
        """
        ...

    async def postpone(self, marker: Marker, *, look_at: datetime) -> None:
        """Have sweeps look at the job later, unless its marker was changed or taken away."""
        ...

    async def withdraw(self, marker: Marker) -> None:
        """Take a marker away that no job needs, unless it was changed meanwhile."""
        ...

    async def close(self, entry: Entry) -> None:
        """Keep the entry of an ended job, then take the marker of its opening away."""
        ...

    def open_entries(self, *, due: datetime) -> AsyncIterator[Marker]:
        """Yield the open jobs that a sweep should have looked at by then."""
        ...

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 50,
        state: JobState | None = None,
        tag: tuple[str, str] | None = None,
    ) -> Page:
        """Return at most `limit` jobs, newest first, of one state or with one tag if it is given.

        Fewer may come with a cursor to go on from, when many had to be passed over.
        `UnreadableCursor` if `after` is none.
        """
        ...


class Budget(Protocol):
    """What all calls of a day may cost, and what they have: a ledger a day, shared by all hosts."""

    async def reserve(self, hold: Hold, *, day: date, limit: int | None) -> str | Refusal:
        """Set money of a day aside and return the ticket, or why that would pass the limit."""
        ...

    async def settle(self, ticket: str, amount: int) -> None:
        """Put what a call has cost in place of what was set aside; once, however often asked."""
        ...

    async def overdue(self, day: date, *, now: datetime) -> Mapping[str, Hold]:
        """Return the holds of calls that must be over, by ticket."""
        ...

    async def look(self, day: date) -> DayLedger | None:
        """Return the ledger of a day, None if nothing was ever set aside; one read."""
        ...
