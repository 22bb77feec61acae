"""A day's budget never counts less than what is billed, in whatever order things happen."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.limits.budget import (
    CostReservation,
    DayLedger,
    SettledCost,
    find_overdue,
    reserve,
    settle,
    to_millionths,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMIT = 10_000


def a_hold(amount: int) -> CostReservation:
    return CostReservation(amount=amount, job_id="fox-1", until=NOW)


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


def test_a_ledger_of_a_later_version_is_not_read() -> None:
    with pytest.raises(ValidationError, match="version"):
        DayLedger.model_validate({"version": 2})
