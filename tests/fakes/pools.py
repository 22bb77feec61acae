"""The ledgers of quota pools in memory, by the same pure steps as the real ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.limits.circuit_breaker import Finding
from shared.limits.pacing import stands
from shared.limits.pool_ledger import Alarm, Answer, Ask, Ledger, Permit, ask, tell, told
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

    async def ask(self, question: Ask) -> Answer:
        await self.steps.take("pools.ask")
        self.asked += 1
        ledger, answer = ask(
            self.ledgers.get(question.pool),
            question,
            now=self.clock.now(),
            token=f"call-{self.asked}",
            accepted=self.accepted.pop(question.pool, []),
        )
        self._write(question.pool, ledger)
        self.steps.had("pools.ask")
        return answer

    async def wait_for(self, permit: Permit) -> bool:
        await self.steps.take("pools.wait_for")  # lets others run
        self.pass_time(max(permit.turn.at - self.clock.now(), timedelta()))
        ledger = self.ledgers.get(permit.pool)
        return ledger is not None and stands(ledger.pace, permit.turn)

    async def tell(self, permit: Permit, finding: Finding) -> tuple[Alarm, ...]:
        if permit.probe is None and finding.kind in {"accepted", "nothing"}:
            if finding.kind == "accepted" and permit.turn.pressed:
                self.accepted.setdefault(permit.pool, []).append(permit.turn.at)
            return ()
        await self.steps.take("pools.tell")
        known = self.ledgers.get(permit.pool)
        if known is None:
            return ()
        self._write(permit.pool, tell(known, permit, finding, now=self.clock.now()))
        self.steps.had("pools.tell")
        return self.ledgers[permit.pool].owed

    async def told(self, pool: str, alarms: Sequence[Alarm]) -> None:
        await self.steps.take("pools.told")
        self._write(pool, told(self.ledgers[pool], alarms))
        self.steps.had("pools.told")

    async def look(self, pool: str) -> Ledger | None:
        await self.steps.take("pools.look")
        return self.ledgers.get(pool)

    def _write(self, pool: str, ledger: Ledger) -> None:
        # Through JSON, as a blob keeps it.
        self.ledgers[pool] = Ledger.model_validate_json(ledger.model_dump_json())
