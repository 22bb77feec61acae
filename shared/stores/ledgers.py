"""The ledgers of the quota pools and of daily budgets, shared by all hosts, written on condition.

A process makes one change of a ledger at a time. Against other processes the write that comes
second loses and is done again on what the other left. A step done twice, because the reply to its
first write got lost, gives away a time that nobody uses, or reserves money that a sweep releases:
so these writes need no id as those of `documents` do.
"""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from ..errors import AlreadyExists, ImageJobsError, StaleVersion, UnreadableRecord
from ..limits.adaptive_rate import Quota
from ..limits.budget import (
    CostReservation,
    DayLedger,
    NoBudget,
    SettledCost,
    find_overdue,
    ledger_name,
    reserve,
    settle,
)
from ..limits.circuit_breaker import CallFeedback, CallWindow
from ..limits.pacing import Share, Ticket
from ..limits.pool_ledger import (
    AcquireRequest,
    AcquireResult,
    Alarm,
    Ledger,
    Reservation,
    acquire,
    has_trouble,
    is_answering,
    is_usable,
    mark_sent,
    probe_now,
    report,
    take_tickets,
)
from ..ports import Blobs, Clock, Versioned
from .documents import Documents, until_written

_LOG: Final = logging.getLogger("image_jobs")
#: A ledger read so recently tells whether a reservation is valid without another read.
FRESH: Final = timedelta(seconds=1)
#: A process that has not seen the ledger for so long (it drains) reports each accepted call.
SEEN_LATELY: Final = timedelta(seconds=15)
#: How long a call waits for replies to others before it is put back, and between two looks.
WINDOW_WAIT: Final = timedelta(seconds=5)
WINDOW_LOOK: Final = timedelta(seconds=0.2)

_SUFFIX: Final = ".json"

type _Step[T] = Callable[[Ledger | None, datetime], tuple[Ledger | None, T]]


class PoolLedgers:
    """The ledgers in their container, shared by all hosts and changed by `limits.pool_ledger`."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._shared: dict[str, _SharedLedger] = {}

    async def acquire(self, request: AcquireRequest) -> AcquireResult:
        """Ask for a reservation; the calls accepted since the last time are reported with it."""
        shared, token = self._ledger(request.pool), uuid.uuid4().hex
        accepted, shared.accepted = tuple(shared.accepted), []

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger, AcquireResult]:
            return acquire(ledger, request, now=now, token=token, accepted=accepted)

        return await shared.change(step)

    async def take_tickets(
        self, pool: str, count: int, *, quota: Quota, share: Share
    ) -> tuple[Ticket, ...]:
        """Take places in the line of a pool for `count` calls that are asked for later."""

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger, tuple[Ticket, ...]]:
            return take_tickets(ledger, count, pool=pool, quota=quota, share=share, now=now)

        return await self._ledger(pool).change(step)

    async def wait_for(self, reservation: Reservation) -> bool:
        """Wait until the reserved time; return whether the reservation is still valid then."""
        wait = reservation.call_time.at - self._clock.now()
        await self._clock.sleep(max(wait.total_seconds(), 0))
        return await self._is_usable(reservation)

    @asynccontextmanager
    async def calling(self, reservation: Reservation) -> AsyncIterator[bool]:
        """Count a call as under way; yield whether it may be made (see `CallWindow`).

        It waits a few seconds for room. A probe needs none.
        """
        window, waited = self.window(reservation.pool), timedelta()
        while not (may_call := await self._has_room(reservation)) and waited < WINDOW_WAIT:
            await self._clock.sleep(WINDOW_LOOK.total_seconds())
            waited += WINDOW_LOOK
        if waited and not (may_call and await self._is_usable(reservation)):
            yield False
            return
        window.under_way += 1
        try:
            yield True
        finally:
            window.under_way -= 1

    async def _has_room(self, reservation: Reservation) -> bool:
        """Tell whether a call may be made, by what this process knows, or else by the ledger."""
        if reservation.probe or self.window(reservation.pool).has_room:
            return True
        return is_answering(await self.look(reservation.pool), now=self._clock.now())

    def window(self, pool: str) -> CallWindow:
        """Return the calls that this process has under way in a pool."""
        return self._ledger(pool).window

    async def report(self, reservation: Reservation, feedback: CallFeedback) -> tuple[Alarm, ...]:
        """Report the result of a call; return every alarm of the pool that was not sent yet.

        That a call was accepted is kept, and written with the next `acquire`, unless others wait
        for it, as far as this process knows.
        """
        shared = self._ledger(reservation.pool)
        shared.window.note(feedback.kind, now=self._clock.now())
        if reservation.probe is None and feedback.kind in {"accepted", "nothing"}:
            if feedback.kind == "nothing":
                return ()
            if not shared.awaits_answer(reservation.deployment):
                if reservation.call_time.at_full_rate:
                    shared.accepted.append(reservation.call_time.at)
                return ()

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger | None, tuple[Alarm, ...]]:
            if ledger is None:  # an operator has deleted it
                return None, ()
            ledger = report(ledger, reservation, feedback, now=now)
            return ledger, ledger.owed

        return await shared.change(step)

    async def probe_now(self, pool: str) -> None:
        """Let the next call of the pool be the probe of its open circuits."""

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger | None, None]:
            return (probe_now(ledger, now=now) if ledger else None), None

        await self._ledger(pool).change(step)

    async def mark_sent(self, pool: str, alarms: Sequence[Alarm]) -> None:
        """Record that these alarms were sent."""

        def step(ledger: Ledger | None, _now: datetime) -> tuple[Ledger | None, None]:
            return (mark_sent(ledger, alarms) if ledger else None), None

        await self._ledger(pool).change(step)

    async def look(self, pool: str) -> Ledger | None:
        """Return the ledger as it was about a second ago at most; None when it does not exist.

        At most one read, and no write.
        """
        return await self._ledger(pool).look()

    async def look_all(self, pools: Iterable[str]) -> dict[str, Ledger | None]:
        """Return the ledgers of some pools, as `look` does; at most one read for each."""
        return {pool: await self.look(pool) for pool in pools}

    def last_seen(self, pool: str) -> Ledger | None:
        """Return the ledger as this process saw it last, however long ago; no read."""
        return self._ledger(pool).last_seen

    async def names(self, *, limit: int) -> list[str]:
        """Return the names of the pools that have a ledger; one listing."""
        page = await self._blobs.list("", limit=limit)
        return [
            name.removesuffix(_SUFFIX)
            for name in page.blobs
            if "/" not in name and name.endswith(_SUFFIX)
        ]

    async def _is_usable(self, reservation: Reservation) -> bool:
        ledger = await self.look(reservation.pool)
        return ledger is not None and is_usable(ledger, reservation)

    def _ledger(self, pool: str) -> "_SharedLedger":
        if pool not in self._shared:
            self._shared[pool] = _SharedLedger(self._blobs, pool, self._clock)
        return self._shared[pool]


@dataclass(slots=True, eq=False)
class _Change:
    """A step that a task of this process wants done, and its result."""

    step: _Step[Any]
    done: bool = False
    result: Any = None
    error: ImageJobsError | None = None


class _SharedLedger:
    """One pool's ledger as this process sees it.

    Tasks queue their changes. The first one to get the lock writes all that are queued, the others
    find theirs done.
    """

    def __init__(self, blobs: Blobs, pool: str, clock: Clock) -> None:
        #: Times of calls that were accepted, to be reported with the next `acquire`.
        self.accepted: list[datetime] = []
        self.window = CallWindow()
        self._blobs = blobs
        self._name = f"{pool}{_SUFFIX}"
        self._what = f"ledger of the pool {pool!r}"
        self._clock = clock
        self._lock = asyncio.Lock()
        self._queued: list[_Change] = []
        self._seen: Versioned[Ledger | None] | None = None
        self._seen_at: datetime | None = None
        #: No other process has written lately, so the first try trusts what was seen last.
        self._is_alone = False

    async def change[T](self, step: _Step[T]) -> T:
        """Do a step, together with those that other tasks have queued."""
        mine = _Change(step)
        self._queued.append(mine)
        try:
            async with self._lock:
                if not mine.done:
                    await self._write_queued()
        finally:
            if mine in self._queued:  # cancelled
                self._queued.remove(mine)
        if mine.error:
            raise mine.error
        result: T = mine.result
        return result

    @property
    def last_seen(self) -> Ledger | None:
        """The ledger as it was read or written last."""
        return self._seen.value if self._seen else None

    def awaits_answer(self, deployment: str) -> bool:
        """Return whether the ledger may wait for an accepted call; one not seen lately may."""
        is_old = self._seen_at is None or self._clock.now() - self._seen_at > SEEN_LATELY
        return is_old or has_trouble(self.last_seen, deployment)

    async def look(self) -> Ledger | None:
        """Return the ledger as it was not longer ago than `FRESH`."""
        if not self._is_fresh:
            async with self._lock:  # one read for all who look at a time
                if not self._is_fresh:
                    self._remember(await self._read())
        return self.last_seen

    @property
    def _is_fresh(self) -> bool:
        seen_at = self._seen_at
        return seen_at is not None and timedelta() <= self._clock.now() - seen_at <= FRESH

    async def _write_queued(self) -> None:
        changes, self._queued = self._queued, []

        async def attempt(is_first: bool) -> None:  # noqa: FBT001 (of `until_written`)
            if not (is_first and self._is_alone) or not await self._try(changes, trust=True):
                await self._try(changes, trust=False)

        try:
            await until_written(attempt, self._clock, what=self._what)
        except ImageJobsError as error:
            for change in changes:
                change.done, change.error = True, error
        finally:
            self._queued[:0] = [change for change in changes if not change.done]

    async def _try(self, changes: Sequence[_Change], *, trust: bool) -> bool:
        """Do the changes on what is stored, or on what was seen last, and write the result.

        Return False where nothing was written, so that nothing proves what was seen last. Raises
        `StaleVersion` or `AlreadyExists` when another process was faster.
        """
        if not trust:
            found = await self._read()
            seen = self._seen.version if self._seen else None
            self._is_alone = found is None or found.version == seen
            self._remember(found)
        before = self._seen.value if self._seen else None
        ledger, results, now = before, list[Any](), self._clock.now()
        for change in changes:
            ledger, result = change.step(ledger, now)
            results.append(result)
        if ledger is not None and ledger != before:
            await self._write(ledger)
        elif trust:
            self._is_alone = False
            return False
        for change, result in zip(changes, results, strict=True):
            change.done, change.result = True, result
        return True

    async def _read(self) -> Versioned[Ledger | None] | None:
        """Return the ledger; None when it does not exist.

        One that this version can't read is replaced: all that it holds is learnt again.
        """
        found = await self._blobs.read(self._name)
        if found is None:
            return None
        try:
            return Versioned(Ledger.model_validate_json(found.body), found.version)
        except ValidationError:
            _LOG.warning(
                "pools: this version cannot read the %s; a new one replaces it", self._what
            )
            return Versioned(None, found.version)

    async def _write(self, ledger: Ledger) -> None:
        version, body = self._seen.version if self._seen else None, ledger.model_dump_json()
        try:
            written = await self._blobs.put(
                self._name, body.encode(), if_absent=version is None, if_version=version
            )
        except (AlreadyExists, StaleVersion):
            self._is_alone = False
            raise
        self._remember(Versioned(ledger, written))

    def _remember(self, found: Versioned[Ledger | None] | None) -> None:
        self._seen, self._seen_at = found, self._clock.now()


class BudgetLedgers:
    """What the calls of a day may cost and have cost: a ledger a day, shared by all hosts."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self.blobs, self.clock = blobs, clock
        self._one_at_a_time = asyncio.Lock()

    async def reserve(
        self,
        hold: CostReservation,
        *,
        day: date,
        limit: int | None,
        tenant_limit: int | None = None,
    ) -> str | NoBudget:
        """Reserve money of a day and return its ticket, or why that would pass the limit."""

        def step(ledger: DayLedger) -> tuple[DayLedger, str | NoBudget]:
            return reserve(ledger, hold, limit=limit, tenant_limit=tenant_limit)

        number = await self._change(day.isoformat(), step)
        return f"{day.isoformat()}/{number}" if isinstance(number, str) else number

    async def settle(self, ticket: str, cost: SettledCost) -> None:
        """Replace a reservation by what the call may have cost; a second time changes nothing."""
        day, _, number = ticket.partition("/")
        await self._change(day, lambda ledger: (settle(ledger, number, cost), None))

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
            return await Documents(self.blobs, DayLedger).read(ledger_name(day))
        except UnreadableRecord as error:
            # A new ledger would count too little.
            raise UnreadableRecord(
                f"this version cannot read the budget of {day}; mend or delete {ledger_name(day)}"
            ) from error

    async def _write(self, day: str, ledger: DayLedger, version: str | None) -> None:
        body = ledger.model_dump_json().encode()
        await self.blobs.put(ledger_name(day), body, if_absent=version is None, if_version=version)
