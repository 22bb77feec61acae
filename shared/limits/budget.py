"""Keep the ledger of a daily budget: settled costs, and costs reserved for calls in progress.

Amounts are whole millionths of a dollar, rounded up: sums are exact and never below the bill. A
cost is reserved before the intent of a call is written, and settled when its result is. If the
process dies in between, the reservation counts in full until a sweep settles it. What tenants cost
is counted in the same ledger, so one write keeps both limits.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from ..jobs.job import DEFAULT_TENANT

MILLION: Final = 1_000_000

#: Millionths of a dollar, up to a billion dollars.
type Millionths = Annotated[int, Field(ge=0, le=10**15)]


class CostReservation(BaseModel, frozen=True, extra="allow"):
    """The cost reserved for one call."""

    amount: Millionths
    job_id: str
    tenant: str = Field(default=DEFAULT_TENANT, exclude_if=lambda name: name == DEFAULT_TENANT)
    #: The call has ended at this time at the latest.
    until: AwareDatetime


class TenantCost(BaseModel, frozen=True, extra="allow"):
    """What the settled calls of one tenant cost."""

    #: What is possible, and the part of it that is certain.
    spent: Millionths = 0
    certain: Millionths = 0


class DayLedger(BaseModel, frozen=True, extra="allow"):
    """The settled and the reserved costs of one day."""

    #: Grows when the shape of a ledger changes so that an older app could not read it.
    version: Literal[1] = 1
    #: What settled calls may have cost.
    spent: Millionths = 0
    #: The part of it that is certain.
    certain: Millionths = 0
    #: Reservations by ticket; each ticket is used once.
    held: dict[str, CostReservation] = {}
    next_ticket: int = 1
    #: The part of each tenant but `default`, whose part is the rest.
    tenants: dict[str, TenantCost] = Field(default={}, exclude_if=lambda tenants: not tenants)

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

    def cost_of(self, tenant: str) -> TenantCost:
        """Return what the settled calls of a tenant cost."""
        if tenant != DEFAULT_TENANT:
            return self.tenants.get(tenant, TenantCost())
        others = self.tenants.values()
        return TenantCost(
            spent=max(self.spent - sum(each.spent for each in others), 0),
            certain=max(self.certain - sum(each.certain for each in others), 0),
        )

    def reserved_for(self, tenant: str) -> int:
        """Return what is reserved for calls of a tenant, millionths of a dollar."""
        return sum(hold.amount for hold in self.held.values() if hold.tenant == tenant)


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
    #: The limit is the tenant's own.
    of_tenant: bool = False


def reserve(
    ledger: DayLedger,
    hold: CostReservation,
    *,
    limit: int | None,
    tenant_limit: int | None = None,
) -> tuple[DayLedger, str | NoBudget]:
    """Reserve a cost and return its ticket; `NoBudget` if that would exceed a limit.

    `limit` is for all calls of the day, `tenant_limit` for those of the tenant.
    """
    spent = ledger.cost_of(hold.tenant).spent
    found = (
        _find_lack(hold.amount, limit, ledger.spent, ledger.committed),
        _find_lack(hold.amount, tenant_limit, spent, spent + ledger.reserved_for(hold.tenant)),
    )
    lacks = [
        replace(lack, of_tenant=of_tenant)
        for lack, of_tenant in zip(found, (False, True), strict=True)
        if lack
    ]
    if lacks:
        return ledger, min(lacks, key=lambda lack: lack.try_later)
    ticket = str(ledger.next_ticket)
    changes = {"held": {**ledger.held, ticket: hold}, "next_ticket": ledger.next_ticket + 1}
    return ledger.model_copy(update=changes), ticket


def _find_lack(amount: int, limit: int | None, spent: int, committed: int) -> NoBudget | None:
    if limit is None or committed + amount <= limit:
        return None
    return NoBudget(max(0, limit - committed), try_later=spent + amount <= limit)


def settle(ledger: DayLedger, ticket: str, cost: SettledCost) -> DayLedger:
    """Replace a reservation by what the call may have cost; a second time changes nothing."""
    if ticket not in ledger.held:
        return ledger
    tenant = ledger.held[ticket].tenant
    held = {name: hold for name, hold in ledger.held.items() if name != ticket}
    spent, certain = ledger.spent + cost.at_most, ledger.certain + cost.certain
    tenants = ledger.tenants
    if tenant != DEFAULT_TENANT:
        so_far = ledger.cost_of(tenant)
        sums = {"spent": so_far.spent + cost.at_most, "certain": so_far.certain + cost.certain}
        tenants = {**tenants, tenant: so_far.model_copy(update=sums)}
    changes = {"spent": spent, "certain": certain, "held": held, "tenants": tenants}
    return ledger.model_copy(update=changes)


def find_overdue(ledger: DayLedger, *, now: datetime) -> Mapping[str, CostReservation]:
    """Return the reservations of calls that must have ended, by ticket."""
    return {ticket: hold for ticket, hold in ledger.held.items() if hold.until < now}
