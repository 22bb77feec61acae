"""Describe the state of a quota pool and of a daily budget, from their ledgers."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

from pydantic import Field

from ..config.tenants import Tenant
from ..events.data import Data
from ..jobs.job import DEFAULT_TENANT
from ..limits.adaptive_rate import Quota, apply_quota
from ..limits.budget import MILLION, DayLedger, to_millionths
from ..limits.circuit_breaker import Circuit, open_until
from ..limits.pacing import count_waiting, find_next_call, start_pace
from ..limits.pool_ledger import WHOLE_POOL, Ledger


class CircuitStatus(Data):
    """An open circuit."""

    deployment: str | None = Field(description="Null: all deployments of the pool.")
    reason: Literal["blocked", "misconfigured", "unavailable"]
    message: str = Field(description="The message of the service.")
    since: datetime = Field(description="When the circuit opened.")
    until: datetime | None = Field(
        description="No call before this time; null: the next call is a probe."
    )


class PaceStatus(Data):
    """The pace of a quota pool."""

    rate_rpm: float = Field(description="Requests a minute that the service accepts at present.")
    waiting: int = Field(
        description="Calls that wait for their time. A call that never comes back counts until its "
        "time has passed."
    )
    next_call_at: datetime = Field(description="When a new call would be made.")
    stopped_until: datetime | None = Field(
        description="No call before this time, because of a 429; null: no such stop."
    )
    circuits: tuple[CircuitStatus, ...]


class TenantBudget(Data):
    """What a tenant's calls of a day cost, and what further ones may cost."""

    tenant: str
    limit_usd: float | None = Field(description="Its `daily_budget_usd`; null: no limit.")
    cost_usd: float = Field(description="What ended calls certainly cost.")
    cost_usd_at_most: float = Field(description="What they may have cost.")
    reserved_usd: float = Field(description="For calls in progress.")
    left_usd: float | None = Field(description="Null: no limit.")


class BudgetStatus(Data):
    """The budget of a day."""

    day: date = Field(description="UTC.")
    limit_usd: float | None = Field(default=None, description="`DAILY_BUDGET_USD`; null: no limit.")
    cost_usd: float | None = Field(
        default=None,
        description="What ended calls certainly cost. Null without a limit; if there was one "
        "earlier in the day, the cost of the calls made under it.",
    )
    cost_usd_at_most: float | None = Field(
        default=None,
        description="What they may have cost, which counts against the limit; null likewise.",
    )
    reserved_usd: float | None = Field(
        default=None, description="For calls in progress; null likewise."
    )
    left_usd: float | None = Field(
        default=None, description="What further calls may cost; null: no limit."
    )
    calls: int | None = Field(default=None, description="Number of reservations; null likewise.")
    tenants: tuple[TenantBudget, ...] = Field(
        default=(), description="The parts of configured tenants and `default`; empty without any."
    )


class CostReservationStatus(Data):
    """The cost reserved for one call."""

    job_id: str
    usd: float
    until: datetime = Field(description="The call has ended at this time at the latest.")


def describe_pace(ledger: Ledger | None, quota: Quota, *, now: datetime) -> PaceStatus:
    """Return the state of a pool; without a ledger it was never called."""
    ledger = ledger or Ledger(pace=start_pace(quota, now=now))
    pace, whole = ledger.pace, ledger.circuits.get(WHOLE_POOL)
    next_call_at = find_next_call(pace, now=now, quota=quota)
    until = open_until(whole, now=now) if whole else None
    stop = pace.stopped_until
    return PaceStatus(
        rate_rpm=round(apply_quota(pace.rate, quota).rpm, 2),
        waiting=count_waiting(pace, now=now, quota=quota),
        next_call_at=max(next_call_at, until) if until else next_call_at,
        stopped_until=stop if stop and stop > now else None,
        circuits=tuple(
            _circuit(name or None, circuit, now) for name, circuit in ledger.circuits.items()
        ),
    )


def describe_budget(
    ledger: DayLedger | None,
    *,
    day: date,
    limit_usd: float | None,
    tenants: Sequence[Tenant] = (),
) -> BudgetStatus:
    """Return the state of a day's budget; with a limit and without a ledger, the cost is zero.

    `tenants` are the configured ones; of others, those that the ledger knows are described too.
    """
    has_limit = limit_usd is not None or any(each.daily_budget_usd for each in tenants)
    if ledger is None and not has_limit:
        return BudgetStatus(day=day)
    ledger = ledger or DayLedger()
    held = {hold.tenant for hold in ledger.held.values()}
    names = dict.fromkeys([*(each.name for each in tenants), *sorted({*ledger.tenants, *held})])
    if names:
        names.setdefault(DEFAULT_TENANT)
    return BudgetStatus(
        day=day,
        limit_usd=limit_usd,
        cost_usd=_usd(ledger.certain),
        cost_usd_at_most=_usd(ledger.spent),
        reserved_usd=_usd(ledger.committed - ledger.spent),
        left_usd=_left(limit_usd, ledger.committed),
        calls=len(ledger.held),
        tenants=tuple(_tenant_budget(ledger, name, tenants) for name in names)
        if names != {DEFAULT_TENANT: None}
        else (),
    )


def _tenant_budget(ledger: DayLedger, name: str, tenants: Sequence[Tenant]) -> TenantBudget:
    cost, reserved = ledger.cost_of(name), ledger.reserved_for(name)
    limit = next((each.daily_budget_usd for each in tenants if each.name == name), None)
    return TenantBudget(
        tenant=name,
        limit_usd=limit,
        cost_usd=_usd(cost.certain),
        cost_usd_at_most=_usd(cost.spent),
        reserved_usd=_usd(reserved),
        left_usd=_left(limit, cost.spent + reserved),
    )


def _left(limit_usd: float | None, committed: int) -> float | None:
    return None if limit_usd is None else _usd(max(0, to_millionths(limit_usd) - committed))


def list_reservations(ledger: DayLedger | None) -> tuple[CostReservationStatus, ...]:
    """Return the reservations, ordered by the end of their calls."""
    held = sorted(ledger.held.values(), key=lambda hold: hold.until) if ledger else []
    return tuple(CostReservationStatus.copy_from(hold, usd=_usd(hold.amount)) for hold in held)


def _circuit(deployment: str | None, circuit: Circuit, now: datetime) -> CircuitStatus:
    return CircuitStatus.copy_from(
        circuit,
        deployment=deployment,
        since=circuit.opened_at,
        until=open_until(circuit, now=now),
    )


def _usd(millionths: int) -> float:
    return round(millionths / MILLION, 6)
