"""The ledgers of the quota pools as blobs, `{pool}.json`, written only on condition.

A process makes one change of a ledger at a time, and steps that come meanwhile travel together in
the next: a burst of a hundred tasks is a handful of writes. Against other processes the write that
comes second loses, and takes its steps anew from what the other left.

No write needs an id of its own (as those of `job_records` do): a step taken twice, since the answer
to its first write got lost, gives a turn away that nobody uses, and no more.
"""

import asyncio
import logging
import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from ..adapters.storage.blobs import IF_NEW, Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import ImageJobsError, StaleVersion, StoreUnavailable
from ..limits.circuit_breaker import CallFeedback
from ..limits.pacing import is_still_valid
from ..limits.pool_ledger import (
    AcquireRequest,
    AcquireResult,
    Alarm,
    Ledger,
    Reservation,
    acquire,
    mark_sent,
    report,
)
from ..ports import Clock, Versioned

_LOG: Final = logging.getLogger(__name__)
#: The statuses of a condition that does not hold.
_REFUSED: Final = frozenset({409, 412})
#: Writes lost in a row before storage is called unavailable, and the wait before the second try
#: and the longest (seconds); half of it is chance, so that two do not lose to each other forever.
MAX_TRIES: Final = 40
FIRST_WAIT: Final = 0.01
LONGEST_WAIT: Final = 0.5
#: A ledger seen so recently tells whether a turn stands, or how it is, without being read again.
FRESH: Final = timedelta(seconds=1)

type _Step[T] = Callable[[Ledger | None, datetime], tuple[Ledger | None, T]]


class BlobPools:
    """`Pools` in a blob container."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock
        self._counters: dict[str, _Counter] = {}

    async def acquire(self, question: AcquireRequest) -> AcquireResult:
        """Ask for a turn; what was accepted since the last time is said along with it."""
        counter, token = self._counter(question.pool), uuid.uuid4().hex
        accepted, counter.accepted = tuple(counter.accepted), []

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger, AcquireResult]:
            return acquire(ledger, question, now=now, token=token, accepted=accepted)

        return await counter.change(step)

    async def wait_for(self, reservation: Reservation) -> bool:
        """Let others work until the turn has come; tell whether it may still be used then."""
        wait = reservation.turn.at - self._clock.now()
        await asyncio.sleep(max(wait.total_seconds(), 0))
        ledger = await self._counter(reservation.pool).look(fresh=FRESH)
        return ledger is not None and is_still_valid(ledger.pace, reservation.turn)

    async def report(self, reservation: Reservation, finding: CallFeedback) -> tuple[Alarm, ...]:
        """Say what came of a turn; returns every alarm of the pool that is not raised yet."""
        counter = self._counter(reservation.pool)
        if reservation.probe is None and finding.kind in {"accepted", "nothing"}:
            if finding.kind == "accepted" and reservation.turn.at_full_rate:
                counter.accepted.append(reservation.turn.at)
            return ()

        def step(ledger: Ledger | None, now: datetime) -> tuple[Ledger | None, tuple[Alarm, ...]]:
            if ledger is None:  # an operator has thrown it away, and what it knew
                return None, ()
            ledger = report(ledger, reservation, finding, now=now)
            return ledger, ledger.owed

        return await counter.change(step)

    async def mark_sent(self, pool: str, alarms: Sequence[Alarm]) -> None:
        """Note that these alarms were raised."""

        def step(ledger: Ledger | None, _now: datetime) -> tuple[Ledger | None, None]:
            return (mark_sent(ledger, alarms) if ledger else None), None

        await self._counter(pool).change(step)

    async def look(self, pool: str) -> Ledger | None:
        """Return the ledger as it was about a second ago at most."""
        return await self._counter(pool).look(fresh=FRESH)

    def _counter(self, pool: str) -> "_Counter":
        if pool not in self._counters:
            self._counters[pool] = _Counter(_LedgerBlob(self._blobs, pool), self._clock)
        return self._counters[pool]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A step that somebody wants taken, and what came of it."""

    step: _Step[Any]
    done: bool = False
    result: Any = None
    error: ImageJobsError | None = None


class _Counter:
    """One pool as this process sees it."""

    def __init__(self, blob: "_LedgerBlob", clock: Clock) -> None:
        #: Turns of calls that were accepted, to be said with the next ask.
        self.accepted: list[datetime] = []
        self._blob = blob
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._waiting: list[_Waiting] = []
        self._seen_at: datetime | None = None
        self._seen: Versioned[Ledger | None] | None = None
        #: Nobody else has written lately, so what was seen last is tried first.
        self._alone = False

    async def change[T](self, step: _Step[T]) -> T:
        """Take a step, along with those of others."""
        mine = _Waiting(step)
        self._waiting.append(mine)
        try:
            async with self._one_at_a_time:
                if not mine.done:
                    await self._take_all()
        finally:
            if mine in self._waiting:  # cancelled
                self._waiting.remove(mine)
        if mine.error:
            raise mine.error
        result: T = mine.result
        return result

    async def look(self, *, fresh: timedelta) -> Ledger | None:
        """Return the ledger as it was not longer ago than this."""
        now = self._clock.now()
        if self._seen_at is None or not timedelta() <= now - self._seen_at <= fresh:
            self._saw(await self._blob.read())
        return self._seen.value if self._seen else None

    async def _take_all(self) -> None:
        batch, self._waiting = self._waiting, []
        try:
            for tries in range(MAX_TRIES):
                if tries:
                    await asyncio.sleep(_wait(tries))
                if await self._took(batch, by_heart=self._alone and not tries):
                    return
            raise StoreUnavailable(f"{self._blob}: changed {MAX_TRIES} times under our hands")
        except ImageJobsError as error:
            for each in batch:
                each.done, each.error = True, error
        finally:
            self._waiting[:0] = [each for each in batch if not each.done]

    async def _took(self, batch: Sequence[_Waiting], *, by_heart: bool) -> bool:
        """Take the steps from what stands there, or from what was seen last; False when it lost."""
        if not by_heart:
            found = await self._blob.read()
            self._alone = bool(found and self._seen and found.version == self._seen.version)
            self._saw(found)
        before = self._seen
        ledger, results, now = before.value if before else None, [], self._clock.now()
        for each in batch:
            ledger, result = each.step(ledger, now)
            results.append(result)
        if ledger is None or (before and ledger == before.value):
            if by_heart:  # only a write proves that nobody else has written
                self._alone = False
                return await self._took(batch, by_heart=False)
        else:
            try:
                version = await self._blob.write(ledger, before.version if before else None)
            except StaleVersion:
                self._alone = False
                return False
            self._saw(Versioned(ledger, version))
        for each, result in zip(batch, results, strict=True):
            each.done, each.result = True, result
        return True

    def _saw(self, found: Versioned[Ledger | None] | None) -> None:
        self._seen, self._seen_at = found, self._clock.now()


@dataclass(frozen=True, slots=True)
class _LedgerBlob:
    """The ledger where it is stored."""

    blobs: Blobs
    pool: str

    def __str__(self) -> str:
        return f"the ledger of the pool {self.pool!r}"

    @property
    def name(self) -> str:
        """The name of the blob."""
        return f"{self.pool}.json"

    async def read(self) -> Versioned[Ledger | None] | None:
        """Return the ledger; None when there is none yet.

        One that this version can't read is begun anew: all it holds is found out again.
        """
        found = await self.blobs.read(self.name, doing=f"reading {self}")
        if found is None:
            return None
        try:
            return Versioned(Ledger.model_validate_json(found.body), found.version)
        except ValidationError:
            _LOG.warning("%s is none that this version understands; it is begun anew", self)
            return Versioned(None, found.version)

    async def write(self, ledger: Ledger, version: str | None) -> str:
        """Write the ledger if nobody else has since `version`, or ever; else `StaleVersion`."""
        try:
            return await self.blobs.put(
                self.name,
                ledger.model_dump_json().encode(),
                doing=f"writing {self}",
                condition=if_still(version) if version else IF_NEW,
            )
        except StorageRefusal as refusal:
            if refusal.status not in _REFUSED:
                raise
            raise StaleVersion(f"{self} has changed") from refusal


def _wait(tries: int) -> float:
    longest: float = min(FIRST_WAIT * 2**tries, LONGEST_WAIT)
    return longest * random.uniform(0.5, 1)  # noqa: S311 (no secret)
