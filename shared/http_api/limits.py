"""How a quota pool and a day's budget stand: their ledgers, as people are shown them."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from ..events.data import Data
from ..limits.adaptive_rate import Quota, apply_quota
from ..limits.budget import MILLION, DayLedger
from ..limits.circuit_breaker import Circuit, open_until
from ..limits.pacing import count_waiting, find_next_call, start_pace
from ..limits.pool_ledger import WHOLE_POOL, Ledger


class CircuitStatus(Data):
    """An open circuit: what is not called, and why."""

    deployment: str | None = Field(description="Null: every deployment of the pool.")
    reason: Literal["blocked", "misconfigured"]
    message: str = Field(description="What the service said.")
    since: datetime = Field(description="When it was first refused.")
    until: datetime | None = Field(
        description="Nothing is called before; null: the next call tries whether it is over."
    )


class PaceStatus(Data):
    """How fast a quota pool is called."""

    rate_rpm: float = Field(description="Requests a minute, as the service proves to accept them.")
    waiting: int = Field(
        description="Calls that have a turn or a number and wait for it; a number whose holder is "
        "gone counts until it has passed."
    )
    next_call_at: datetime = Field(description="When a call that asks now would be made.")
    stopped_until: datetime | None = Field(
        description="The service answered 429, and is not called before; null: it is called."
    )
    circuits: tuple[CircuitStatus, ...]


class BudgetStatus(Data):
    """A day's money."""

    day: date = Field(description="UTC.")
    limit_usd: float | None = Field(description="`DAILY_BUDGET_USD`; null: none limits.")
    cost_usd: float | None = Field(
        description="By calls that are over. Without a limit no book is kept, and this is null; "
        "where one stood earlier in the day, it counts the calls made under it."
    )
    reserved_usd: float | None = Field(description="Set aside for calls under way; likewise.")
    calls: int | None = Field(description="For which money is set aside; likewise.")


class CostReservationStatus(Data):
    """Money that is set aside for one call."""

    job_id: str
    usd: float
    until: datetime = Field(description="The call is over then, whoever made it.")


def describe_pace(ledger: Ledger | None, quota: Quota, *, now: datetime) -> PaceStatus:
    """Tell how a pool stands for who asks now; without a ledger it was never called."""
    ledger = ledger or Ledger(pace=start_pace(quota, now=now))
    pace, whole = ledger.pace, ledger.circuits.get(WHOLE_POOL)
    turn = find_next_call(pace, now=now, quota=quota)
    held = open_until(whole, now=now) if whole else None
    stop = pace.stopped_until
    return PaceStatus(
        rate_rpm=round(apply_quota(pace.rate, quota).rpm, 2),
        waiting=count_waiting(pace, now=now, quota=quota),
        next_call_at=max(turn, held) if held else turn,
        stopped_until=stop if stop and stop > now else None,
        circuits=tuple(
            _circuit(name or None, circuit, now) for name, circuit in ledger.circuits.items()
        ),
    )


def describe_budget(
    ledger: DayLedger | None, *, day: date, limit_usd: float | None
) -> BudgetStatus:
    """Tell how a day's money stands; under a limit, a day without a ledger has spent nothing."""
    if ledger is None and limit_usd is not None:
        ledger = DayLedger()
    spent, reserved, calls = None, None, None
    if ledger is not None:
        spent, reserved = _usd(ledger.spent), _usd(ledger.committed - ledger.spent)
        calls = len(ledger.held)
    return BudgetStatus(
        day=day, limit_usd=limit_usd, cost_usd=spent, reserved_usd=reserved, calls=calls
    )


def list_reservations(ledger: DayLedger | None) -> tuple[CostReservationStatus, ...]:
    """Tell what is set aside, whose call must end first first."""
    held = sorted(ledger.held.values(), key=lambda hold: hold.until) if ledger else []
    return tuple(
        CostReservationStatus(job_id=hold.job_id, usd=_usd(hold.amount), until=hold.until)
        for hold in held
    )


def _circuit(deployment: str | None, circuit: Circuit, now: datetime) -> CircuitStatus:
    return CircuitStatus(
        deployment=deployment,
        reason=circuit.reason,
        message=circuit.message,
        since=circuit.opened_at,
        until=open_until(circuit, now=now),
    )


def _usd(millionths: int) -> float:
    return round(millionths / MILLION, 6)
