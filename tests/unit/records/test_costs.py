"""What calls have cost: by usage, else by estimate, and never unknown taken for nothing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.catalogue.models import read_builtin
from shared.records.costs import (
    add_cost,
    awaits_budget,
    billed,
    cost_of,
    cost_of_call,
    may_exceed_cost_limit,
    over_budget,
    resumes_at,
)
from shared.records.record import Attempt, JobRecord, JobState, OutboxEntry, TaskState
from tests.builders.ended_jobs import USAGE, attempt, plan, record, task

MODEL = read_builtin().get("gpt-image-2")
USD = st.floats(0, 10).map(lambda usd: round(usd, 6))


def call(**changes: Any) -> Attempt:  # noqa: ANN401 - any field of it
    """A call that has ended, and whose cost is yet to be found."""
    return attempt(**{"cost_usd": None, "cost_known_by": None, "usage": None} | changes)


def test_a_call_costs_what_its_usage_says() -> None:
    ended = add_cost(call(), "yes", USAGE, MODEL)
    assert ended.cost_usd == pytest.approx((10 * 5 + 200 * 30) / 1e6)
    assert (ended.cost_known_by, ended.usage) == ("usage", USAGE)


@pytest.mark.parametrize("charged", ["yes", "unknown"])
@pytest.mark.parametrize("known", [(None, MODEL), (USAGE, None)])
def test_without_usage_or_price_a_call_costs_its_estimate(charged: Any, known: Any) -> None:  # noqa: ANN401 (a table's columns)
    ended = add_cost(call(), charged, *known)
    assert (ended.cost_usd, ended.cost_known_by) == (0.05, "estimate")


def test_a_call_that_was_not_charged_costs_nothing_even_with_usage() -> None:
    ended = add_cost(call(), "no", USAGE, MODEL)
    assert (ended.cost_usd, ended.cost_known_by) == (0.0, None)


def test_a_call_under_way_counts_with_its_estimate() -> None:
    assert cost_of_call(call(ended_at=None)) == (0.05, "estimate")
    assert billed(call(ended_at=None)) == 50_000


@given(st.lists(USD, max_size=6))
def test_costs_add_up_and_one_estimate_makes_the_sum_an_estimate(costs: list[float]) -> None:
    calls = [attempt(cost_usd=usd) for usd in costs]
    total, known_by = cost_of(calls)
    assert total == pytest.approx(sum(costs), abs=1e-6)
    assert known_by == ("usage" if costs else None)
    assert cost_of([*calls, call()])[1] == "estimate"
    assert cost_of([*calls, call(charged="no", estimate_usd=None)]) == (total, known_by)


def test_one_call_without_a_price_makes_the_sum_unknown() -> None:
    assert cost_of([attempt(), call(estimate_usd=None)]) == (None, None)
    assert billed(call(estimate_usd=None)) == 0


def limited(limit: float | None, *costs: float) -> JobRecord:
    calls = tuple(attempt(cost_usd=usd) for usd in costs)
    job = {} if limit is None else {"max_cost_usd": limit}
    return record(job, plan=plan(n=1), tasks=(task(attempts=calls),), state=JobState.RUNNING)


@given(st.lists(USD, max_size=5), USD)
def test_a_limit_of_exactly_the_costs_allows_the_call_and_less_does_not(
    costs: list[float], estimate: float
) -> None:
    total = sum(costs) + estimate
    assume(total >= 0.001)
    assert not may_exceed_cost_limit(limited(round(total, 6), *costs), estimate)
    assert may_exceed_cost_limit(limited(total * 0.9, *costs), estimate)


def test_a_job_without_a_limit_is_never_above_it_and_one_without_a_price_always_may_be() -> None:
    assert not may_exceed_cost_limit(limited(None, 9.0), 9.0)
    assert not may_exceed_cost_limit(limited(None), None)
    assert may_exceed_cost_limit(limited(100), None)


def parked(at: datetime, code: str = "over_budget", **job: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    failure = over_budget(at.date(), 5).model_copy(update={"code": code})
    waiting = task(state=TaskState.PARKED, failure=failure)
    outbox = (OutboxEntry(type="image.job.parked", time=at),)
    return record(job, plan=plan(n=1), tasks=(waiting,), state=JobState.PARKED, outbox=outbox)


MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(  # noqa: DTZ001 (made aware)
    lambda moment: moment.replace(tzinfo=UTC)
)
MORNING = datetime(2026, 11, 30, 9, tzinfo=UTC)
MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC)


def test_only_a_job_that_is_parked_for_the_budget_waits_for_a_new_day() -> None:
    assert awaits_budget(parked(MORNING))
    assert not awaits_budget(parked(MORNING, "outcome_unknown"))
    assert not awaits_budget(parked(MORNING).model_copy(update={"state": JobState.RUNNING}))


@given(MOMENTS)
def test_a_new_day_begins_after_the_job_was_parked_and_within_a_day(at: datetime) -> None:
    resumed = resumes_at(parked(at))
    assert at < resumed <= at + timedelta(days=1)
    assert resumed.timetz() == MIDNIGHT.timetz()


def test_a_deadline_before_midnight_ends_the_wait() -> None:
    deadline = MORNING + timedelta(hours=2)
    assert resumes_at(parked(MORNING, deadline=deadline.isoformat())) == deadline
    late = MIDNIGHT + timedelta(hours=2)
    assert resumes_at(parked(MORNING, deadline=late.isoformat())) == MIDNIGHT


def test_the_failure_says_whose_budget_is_spent_and_when_the_job_continues() -> None:
    failure = over_budget(date(2026, 12, 31), 12.5)
    assert failure.retryable
    assert failure.message == (
        "the app's budget of $12.5 for 2026-12-31 (UTC) is spent; "
        "the job continues at 2027-01-01T00:00+00:00"
    )
