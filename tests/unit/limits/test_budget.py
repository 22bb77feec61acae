"""A day's budget never counts less than what is billed, in whatever order things happen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.limits.budget import (
    CostReservation,
    DayLedger,
    NoBudget,
    SettledCost,
    find_overdue,
    reserve,
    settle,
    to_millionths,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMIT = 10_000


def a_hold(amount: int, tenant: str = "default") -> CostReservation:
    return CostReservation(amount=amount, job_id="fox-1", tenant=tenant, until=NOW)


@given(
    st.lists(
        st.tuples(
            st.integers(1, 4_000),
            st.sampled_from(["under way", "billed", "dearer", "unpaid", "unknown", "twice"]),
        ),
        max_size=30,
    )
)
def test_a_ledger_never_counts_less_than_what_is_billed_and_holds_the_limit(
    calls: list[tuple[int, str]],
) -> None:
    ledger, billed, certain, excess = DayLedger(), 0, 0, 0
    for estimate, fate in calls:
        before = ledger
        ledger, ticket = reserve(ledger, a_hold(estimate), limit=LIMIT)
        if not isinstance(ticket, str):
            assert ledger == before
            assert before.committed + estimate > LIMIT
            assert ticket.left == LIMIT - before.committed or excess
            assert ticket.try_later == (before.spent + estimate <= LIMIT)
            continue
        assert before.committed + estimate <= LIMIT
        cost = {"billed": estimate // 2, "dearer": estimate + 5, "unpaid": 0}.get(fate, estimate)
        if fate != "unpaid":
            billed += cost
            excess += max(0, cost - estimate)
        if fate != "under way":
            settled = SettledCost(certain=0 if fate == "unknown" else cost, at_most=cost)
            ledger = settle(ledger, ticket, settled)
            certain += settled.certain
        if fate == "twice":
            ledger = settle(ledger, ticket, settled)
        assert ledger.committed >= billed
        assert ledger.spent >= ledger.certain == certain
        assert ledger.committed <= LIMIT + excess
    assert ledger.spent + sum(hold.amount for hold in ledger.held.values()) == ledger.committed
    assert DayLedger.model_validate_json(ledger.model_dump_json()) == ledger


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["default", "shop", "press"]),
            st.integers(1, 4_000),
            st.none() | st.integers(0, 5_000),
        ),
        max_size=30,
    )
)
def test_a_tenant_is_refused_for_its_own_calls_alone_and_all_parts_are_the_day(
    calls: list[tuple[str, int, int | None]],
) -> None:
    ledger, alone = DayLedger(), {name: DayLedger() for name in ("default", "shop", "press")}
    for tenant, amount, cost in calls:
        hold = a_hold(amount, tenant)
        ledger, ticket = reserve(ledger, hold, limit=None, tenant_limit=LIMIT)
        alone[tenant], own = reserve(alone[tenant], a_hold(amount), limit=LIMIT)
        assert isinstance(ticket, str) == isinstance(own, str)
        if not isinstance(ticket, str) or not isinstance(own, str):
            assert ticket == NoBudget(own.left, own.try_later, of_tenant=True)  # type: ignore[union-attr]  # both are refusals
        elif cost is not None:
            settled = SettledCost(certain=cost // 2, at_most=cost)
            ledger, alone[tenant] = (
                settle(ledger, ticket, settled),
                settle(alone[tenant], own, settled),
            )
    for tenant, own_ledger in alone.items():
        assert ledger.cost_of(tenant).spent == own_ledger.spent
        assert ledger.cost_of(tenant).certain == own_ledger.certain
        assert ledger.reserved_for(tenant) == own_ledger.committed - own_ledger.spent
    assert ledger.committed == sum(each.committed for each in alone.values())
    assert DayLedger.model_validate_json(ledger.model_dump_json()) == ledger


def test_the_limit_of_the_day_holds_for_all_tenants_together() -> None:
    ledger, _ = reserve(DayLedger(), a_hold(70, "shop"), limit=100, tenant_limit=100)
    _, refused = reserve(ledger, a_hold(40, "press"), limit=100, tenant_limit=100)
    assert refused == NoBudget(left=30, try_later=True)
    _, final = reserve(ledger, a_hold(120, "press"), limit=300, tenant_limit=100)
    assert final == NoBudget(left=100, try_later=False, of_tenant=True)


def test_a_ledger_without_tenants_is_stored_as_before_and_is_all_of_the_default_one() -> None:
    ledger, _ = reserve(DayLedger(spent=5, certain=3), a_hold(1), limit=None)
    stored = ledger.model_dump()
    assert "tenants" not in stored
    assert "tenant" not in stored["held"]["1"]
    assert (ledger.cost_of("default").spent, ledger.cost_of("shop").spent) == (5, 0)


@given(st.floats(0, 1e6))
def test_money_is_rounded_up_by_less_than_a_millionth(usd: float) -> None:
    counted = to_millionths(usd) / 1_000_000
    assert counted >= usd - 1e-9
    assert counted < usd + 1.000_1e-6


def test_no_ticket_is_given_out_twice() -> None:
    ledger, first = reserve(DayLedger(), a_hold(1), limit=None)
    assert isinstance(first, str)
    ledger = settle(ledger, first, SettledCost(certain=1, at_most=1))
    _, second = reserve(ledger, a_hold(1), limit=None)
    assert second != first


def test_a_hold_is_overdue_when_its_call_must_be_over() -> None:
    ledger, ticket = reserve(DayLedger(), a_hold(1), limit=LIMIT)
    assert find_overdue(ledger, now=NOW) == {}
    assert isinstance(ticket, str)
    assert list(find_overdue(ledger, now=NOW + timedelta(seconds=1))) == [ticket]


@pytest.mark.parametrize(("usd", "counted"), [(0.1 + 0.2, 300_000), (0.0000001, 1), (0, 0)])
def test_what_floats_get_wrong_is_not_counted(usd: float, counted: int) -> None:
    assert to_millionths(usd) == counted


def test_a_ledger_of_one_cost_that_an_earlier_version_stored_is_certain_of_it() -> None:
    assert DayLedger.model_validate({"spent": 5}).certain == 5
    assert DayLedger.model_validate({"spent": 5, "certain": 2}).certain == 2


def test_what_a_newer_version_keeps_in_a_ledger_survives_every_change_by_this_one() -> None:
    ledger = DayLedger()
    for _ in range(2):
        ledger, _ = reserve(ledger, a_hold(100, "shop"), limit=None)
    stored = settle(ledger, "1", SettledCost(50, 60)).model_dump(mode="json")
    for each in (stored, stored["held"]["2"], stored["tenants"]["shop"]):
        each["newer"] = ["kept"]
    ledger, number = reserve(DayLedger.model_validate(stored), a_hold(7, "shop"), limit=None)
    after = settle(ledger, str(number), SettledCost(5, 5)).model_dump(mode="json")
    for each in (after, after["held"]["2"], after["tenants"]["shop"]):
        assert each["newer"] == ["kept"]


def test_a_ledger_of_a_later_version_is_not_read() -> None:
    with pytest.raises(ValidationError, match="version"):
        DayLedger.model_validate({"version": 2})
