"""How pools and budgets are shown to people."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.tenants import Tenant
from shared.http_api.limits import describe_budget, describe_pace
from shared.limits.adaptive_rate import Quota
from shared.limits.budget import (
    CostReservation,
    DayLedger,
    SettledCost,
    reserve,
    settle,
    to_millionths,
)
from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pacing import SHORT_WAIT, Postponed
from shared.limits.pool_ledger import (
    AcquireRequest,
    CircuitOpen,
    Ledger,
    Reservation,
    acquire,
    report,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = NOW.date()
QUOTA = Quota(60)


def asked(
    ledger: Ledger | None, times: int = 1, *, now: datetime = NOW, quota: Quota = QUOTA
) -> tuple[Ledger, list[Reservation | Postponed | CircuitOpen]]:
    answers = []
    question = AcquireRequest("pool", "one", quota, timedelta(minutes=2))
    for number in range(times):
        ledger, answer = acquire(ledger, question, now=now, token=f"call-{number}")
        answers.append(answer)
    assert ledger
    return ledger, answers


def refused(finding: CallFeedback, *, after: int = 1) -> Ledger:
    """The ledger after some asks, the first of which was answered so."""
    ledger, answers = asked(None, after)
    assert isinstance(answers[0], Reservation)
    return report(ledger, answers[0], finding, now=NOW)


def test_a_pool_that_was_never_called_allows_its_quota() -> None:
    told = describe_pace(None, QUOTA, now=NOW)
    assert told.model_dump() == {
        "rate_rpm": 60,
        "waiting": 0,
        "next_call_at": NOW,
        "stopped_until": None,
        "circuits": (),
    }


def test_who_waits_for_a_turn_and_who_waits_with_a_number_are_counted() -> None:
    ledger, answers = asked(None, 9)
    assert [type(each) for each in answers] == [Reservation] * 6 + [Postponed] * 3
    told = describe_pace(ledger, QUOTA, now=NOW)
    assert (told.waiting, told.next_call_at) == (8, NOW + timedelta(seconds=9))


@given(
    rpm=st.sampled_from([2.0, 6.0, 60.0, 100.0]),
    calls=st.integers(1, 40),
    turns=st.integers(0, 60),
)
def test_who_came_at_once_waits_for_the_turn_or_until_the_number_has_passed(
    rpm: float, calls: int, turns: int
) -> None:
    quota, spacing = Quota(rpm), timedelta(minutes=1) / rpm
    ledger, answers = asked(None, calls, quota=quota)
    # A little later than a turn: times are whole microseconds.
    now = NOW + turns * spacing + timedelta(milliseconds=1)
    given = [each.call_time.at for each in answers if isinstance(each, Reservation)]
    passed = [each.ticket.at + spacing for each in answers if isinstance(each, Postponed)]
    told = describe_pace(ledger, quota, now=now)
    assert told.waiting == sum(moment > now for moment in given + passed)
    assert told.next_call_at >= now


@given(
    rpm=st.sampled_from([6.0, 60.0, 600.0]),
    steps=st.lists(st.tuples(st.integers(1, 12), st.floats(0, 30)), max_size=8),
)
def test_the_next_turn_that_is_told_is_the_one_that_is_given(
    rpm: float, steps: list[tuple[int, float]]
) -> None:
    quota, now, ledger = Quota(rpm), NOW, None
    for calls, seconds in steps:
        ledger, _ = asked(ledger, calls, now=now, quota=quota)
        now += timedelta(seconds=seconds)
    told = describe_pace(ledger, quota, now=now)
    _, (answer,) = asked(ledger, now=now, quota=quota)
    if isinstance(answer, Reservation):
        assert told.next_call_at == answer.call_time.at <= now + SHORT_WAIT
    else:
        assert isinstance(answer, Postponed)
        assert told.next_call_at == answer.ticket.at
    assert told.waiting >= 0


def test_a_pool_that_was_throttled_tells_until_when_and_its_lower_rate() -> None:
    told = describe_pace(
        refused(CallFeedback("throttled", retry_after=20), after=3), QUOTA, now=NOW
    )
    until = NOW + timedelta(seconds=20)
    assert (told.stopped_until, told.rate_rpm) == (until, 58.8)
    # Those whose turns became void wait as well, and the refused call with them.
    assert told.waiting == 3
    assert told.next_call_at > until
    assert describe_pace(None, QUOTA, now=until).stopped_until is None


def test_a_blocked_pool_tells_why_and_until_when() -> None:
    told = describe_pace(refused(CallFeedback("blocked", "temporarily blocked")), QUOTA, now=NOW)
    (circuit,) = told.circuits
    until = NOW + timedelta(seconds=30)
    assert (circuit.deployment, circuit.reason) == (None, "blocked")
    assert (circuit.message, circuit.since) == ("temporarily blocked", NOW)
    assert circuit.until == told.next_call_at == until


def test_a_wrong_deployment_holds_no_other_of_its_pool() -> None:
    ledger = refused(CallFeedback("misconfigured", "no such deployment"))
    told = describe_pace(ledger, QUOTA, now=NOW)
    assert [(each.deployment, each.reason) for each in told.circuits] == [("one", "misconfigured")]
    assert told.next_call_at == NOW + timedelta(seconds=1)


def test_a_circuit_that_the_next_call_tries_has_no_time() -> None:
    ledger, later = refused(CallFeedback("blocked", "x")), NOW + timedelta(minutes=2)
    (circuit,) = describe_pace(ledger, QUOTA, now=later).circuits
    assert circuit.until is None


def test_another_quota_begins_the_rate_anew() -> None:
    ledger = refused(CallFeedback("throttled", retry_after=1))
    assert describe_pace(ledger, Quota(120), now=NOW).rate_rpm == 120


def test_a_day_without_a_ledger_has_spent_nothing_under_a_limit() -> None:
    told = describe_budget(None, day=DAY, limit_usd=5.0)
    assert (told.limit_usd, told.left_usd, told.calls) == (5.0, 5.0, 0)
    assert (told.cost_usd, told.cost_usd_at_most, told.reserved_usd) == (0.0, 0.0, 0.0)


def test_without_a_limit_nobody_knows_what_was_spent() -> None:
    told = describe_budget(None, day=DAY, limit_usd=None)
    assert set(told.model_dump(exclude={"day", "tenants"}).values()) == {None}


@given(
    calls=st.lists(st.tuples(st.integers(0, 10**9), st.none() | st.integers(0, 10**9)), max_size=9)
)
def test_what_is_told_of_a_day_is_its_ledger_to_the_millionth(
    calls: list[tuple[int, int | None]],
) -> None:
    ledger = DayLedger()
    for amount, cost in calls:
        ledger, ticket = reserve(
            ledger, CostReservation(amount=amount, job_id="a", until=NOW), limit=None
        )
        assert isinstance(ticket, str)
        if cost is not None:
            settled = SettledCost(certain=cost // 2, at_most=cost)
            ledger = settle(ledger, ticket, settled)
    told = describe_budget(ledger, day=date(2026, 11, 22), limit_usd=None)
    assert told.cost_usd is not None
    assert told.cost_usd_at_most is not None
    assert told.reserved_usd is not None
    assert to_millionths(told.cost_usd) == ledger.certain
    assert to_millionths(told.cost_usd_at_most) == ledger.spent
    committed = to_millionths(told.cost_usd_at_most) + to_millionths(told.reserved_usd)
    assert committed == ledger.committed
    limited = describe_budget(ledger, day=DAY, limit_usd=2_000.0)
    assert limited.left_usd is not None
    assert to_millionths(limited.left_usd) == max(0, 2_000_000_000 - committed)
    assert told.calls == sum(cost is None for _, cost in calls)
    assert told.limit_usd is None


@pytest.mark.parametrize("limit", [None, 0.5])
def test_an_empty_ledger_is_a_day_on_which_all_was_given_back(limit: float | None) -> None:
    assert describe_budget(DayLedger(), day=DAY, limit_usd=limit).cost_usd == 0.0


def test_the_parts_of_tenants_are_told_and_add_up_to_the_day() -> None:
    ledger, tickets = DayLedger(), {}
    for tenant, amount in (("shop", 400_000), ("default", 300_000), ("gone", 200_000)):
        hold = CostReservation(amount=amount, job_id="a", tenant=tenant, until=NOW)
        ledger, tickets[tenant] = reserve(ledger, hold, limit=None)
    ledger = settle(ledger, str(tickets["shop"]), SettledCost(certain=100_000, at_most=150_000))
    shop = Tenant(name="shop", daily_budget_usd=1.0)
    told = describe_budget(ledger, day=DAY, limit_usd=None, tenants=(shop,))
    assert [(each.tenant, each.cost_usd_at_most, each.reserved_usd) for each in told.tenants] == [
        ("shop", 0.15, 0.0),
        ("default", 0.0, 0.3),
        ("gone", 0.0, 0.2),
    ]
    assert [each.left_usd for each in told.tenants] == [0.85, None, None]
    assert (told.cost_usd_at_most, told.reserved_usd) == (0.15, 0.5)
    assert describe_budget(DayLedger(), day=DAY, limit_usd=1.0).tenants == ()
