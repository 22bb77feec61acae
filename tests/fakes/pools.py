"""The ledgers of quota pools in memory, by the same pure steps as the real ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pacing import is_still_valid
from shared.limits.pool_ledger import (
    AcquireRequest,
    AcquireResult,
    Alarm,
    Ledger,
    Reservation,
    acquire,
    mark_sent,
    report,
)
from shared.ports import Clock
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakePools:
    clock: Clock
    #: Makes the clock go on, for who waits.
    pass_time: Callable[[timedelta], None]
    steps: Steps = field(default_factory=Steps)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    accepted: dict[str, list[datetime]] = field(default_factory=dict)
    asked: int = 0

    async def acquire(self, question: AcquireRequest) -> AcquireResult:
        await self.steps.take("pools.ask")
        self.asked += 1
        ledger, answer = acquire(
            self.ledgers.get(question.pool),
            question,
            now=self.clock.now(),
            token=f"call-{self.asked}",
            accepted=self.accepted.pop(question.pool, []),
        )
        self._write(question.pool, ledger)
        self.steps.had("pools.ask")
        return answer

    async def wait_for(self, reservation: Reservation) -> bool:
        await self.steps.take("pools.wait_for")  # lets others run
        self.pass_time(max(reservation.turn.at - self.clock.now(), timedelta()))
        ledger = self.ledgers.get(reservation.pool)
        return ledger is not None and is_still_valid(ledger.pace, reservation.turn)

    async def report(self, reservation: Reservation, finding: CallFeedback) -> tuple[Alarm, ...]:
        if reservation.probe is None and finding.kind in {"accepted", "nothing"}:
            if finding.kind == "accepted" and reservation.turn.at_full_rate:
                self.accepted.setdefault(reservation.pool, []).append(reservation.turn.at)
            return ()
        await self.steps.take("pools.tell")
        known = self.ledgers.get(reservation.pool)
        if known is None:
            return ()
        self._write(reservation.pool, report(known, reservation, finding, now=self.clock.now()))
        self.steps.had("pools.tell")
        return self.ledgers[reservation.pool].owed

    async def mark_sent(self, pool: str, alarms: Sequence[Alarm]) -> None:
        await self.steps.take("pools.told")
        self._write(pool, mark_sent(self.ledgers[pool], alarms))
        self.steps.had("pools.told")

    async def look(self, pool: str) -> Ledger | None:
        await self.steps.take("pools.look")
        return self.ledgers.get(pool)

    def _write(self, pool: str, ledger: Ledger) -> None:
        # Through JSON, as a blob keeps it.
        self.ledgers[pool] = Ledger.model_validate_json(ledger.model_dump_json())
