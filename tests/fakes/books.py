"""Register, budget and dead letters in memory; true to the real ones by `tests/contract`."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from shared.limits.budget import CostReservation, DayLedger, Refusal, find_overdue, reserve, settle
from shared.ports import OpenEntry
from shared.records.index_entry import (
    Cursor,
    IndexEntry,
    Page,
    from_metadata,
    newest,
    read_cursor,
    to_metadata,
)
from shared.records.record import JobState
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakeRegister:
    steps: Steps = field(default_factory=Steps)
    #: By name.
    open: dict[str, OpenEntry] = field(default_factory=dict)
    ended: dict[str, IndexEntry] = field(default_factory=dict)
    writes: int = 0

    async def enter(self, entry: IndexEntry, *, next_check_at: datetime) -> OpenEntry:
        await self.steps.take("register.enter")
        marker = self._mark(entry, next_check_at)
        self.steps.had("register.enter")
        return marker

    async def postpone(self, marker: OpenEntry, *, next_check_at: datetime) -> None:
        await self.steps.take("register.postpone")
        if self._is_there(marker):
            self._mark(marker.entry, next_check_at)

    async def withdraw(self, marker: OpenEntry) -> None:
        await self.steps.take("register.withdraw")
        if self._is_there(marker):
            del self.open[marker.entry.name]

    async def close(self, entry: IndexEntry) -> None:
        await self.steps.take("register.close")
        self.ended[entry.name] = from_metadata(to_metadata(entry))
        await self.steps.take("register.close")
        self.open.pop(entry.name, None)
        self.steps.had("register.close")

    async def open_entries(self, *, due: datetime) -> AsyncIterator[OpenEntry]:
        await self.steps.take("register.open_entries")
        for _, marker in sorted(self.open.items()):
            if marker.next_check_at <= due:
                yield marker

    async def page(
        self,
        *,
        after: str | None = None,
        limit: int = 50,
        state: JobState | None = None,
        tag: tuple[str, str] | None = None,
    ) -> Page:
        cursor = read_cursor(after) if after is not None else None
        await self.steps.take("register.page")
        jobs: dict[str, list[IndexEntry]] = {}
        marked = {name: marker.entry for name, marker in self.open.items()}
        lists = (marked,) if state is JobState.RUNNING else (marked, self.ended)
        for name, entry in sorted(pair for each in lists for pair in each.items()):
            if cursor is None or cursor.is_before(name):
                jobs.setdefault(entry.place, []).append(entry)
        found = [
            entry
            for entry in map(newest, jobs.values())
            if entry.has_tag(tag) and state in {None, entry.state}
        ]
        more = Cursor(place=found[limit - 1].place).to_text() if len(found) > limit else None
        return Page(entries=tuple(found[:limit]), next=more)

    def _mark(self, entry: IndexEntry, next_check_at: datetime) -> OpenEntry:
        self.writes += 1
        marker = OpenEntry(from_metadata(to_metadata(entry)), next_check_at, f'"{self.writes}"')
        self.open[entry.name] = marker
        return marker

    def _is_there(self, marker: OpenEntry) -> bool:
        there = self.open.get(marker.entry.name)
        return there is not None and there.version == marker.version


@dataclass(slots=True)
class FakeBudget:
    steps: Steps = field(default_factory=Steps)
    ledgers: dict[date, DayLedger] = field(default_factory=dict)

    async def reserve(
        self, hold: CostReservation, *, day: date, limit: int | None
    ) -> str | Refusal:
        await self.steps.take("budget.reserve")
        ledger, number = reserve(self.ledgers.get(day, DayLedger()), hold, limit=limit)
        self._write(day, ledger)
        self.steps.had("budget.reserve")
        return f"{day.isoformat()}/{number}" if isinstance(number, str) else number

    async def settle(self, ticket: str, amount: int) -> None:
        await self.steps.take("budget.settle")
        text, _, number = ticket.partition("/")
        day = date.fromisoformat(text)
        self._write(day, settle(self.ledgers.get(day, DayLedger()), number, amount))
        self.steps.had("budget.settle")

    async def overdue(self, day: date, *, now: datetime) -> Mapping[str, CostReservation]:
        await self.steps.take("budget.overdue")
        found = find_overdue(self.ledgers.get(day, DayLedger()), now=now)
        return {f"{day.isoformat()}/{number}": hold for number, hold in found.items()}

    async def look(self, day: date) -> DayLedger | None:
        await self.steps.take("budget.look")
        return self.ledgers.get(day)

    def _write(self, day: date, ledger: DayLedger) -> None:
        self.ledgers[day] = DayLedger.model_validate_json(ledger.model_dump_json())


@dataclass(slots=True)
class FakeDeadLetters:
    steps: Steps = field(default_factory=Steps)
    letters: dict[str, bytes] = field(default_factory=dict)

    async def put(self, name: str, body: bytes) -> None:
        await self.steps.take("dead_letters.put")
        self.letters[name] = body
