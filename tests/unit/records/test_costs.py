"""What calls have cost: by usage, else by estimate, and never unknown taken for nothing."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.catalogue.models import read_builtin
from shared.catalogue.pricing import Usage
from shared.images_api.outcomes import Charged
from shared.limits.budget import SettledCost
from shared.records.costs import (
    add_cost,
    awaits_budget,
    cost_of,
    may_exceed_cost_limit,
    over_budget,
    over_cost_limit,
    resumes_at,
    settled_cost,
)
from shared.records.record import Attempt, Cost, JobRecord, JobState, OutboxEntry, TaskState
from tests.builders.ended_jobs import USAGE, attempt, plan, record, task

MODEL = read_builtin().get("gpt-image-2")
USAGE_OF_1000 = Usage(input_tokens=10, output_tokens=1000)
COUNTS = st.integers(0, 10_000) | st.integers(0, 10**18)
USD = st.floats(0, 10).map(lambda usd: round(usd, 6))


def call(**changes: Any) -> Attempt:  # noqa: ANN401 - any field of it
    """A call whose cost is yet to be found: from nothing to its estimate."""
    facts: dict[str, Any] = {"cost_usd": 0.0, "cost_known_by": "estimate", "usage": None} | changes
    return attempt(cost_usd_at_most=facts.get("estimate_usd", 0.05), **facts)


def unpriced(**changes: Any) -> Attempt:  # noqa: ANN401 - any field of it
    return call(estimate_usd=None, cost_usd=None, **changes)


def ends(cost: Cost) -> tuple[float | None, float | None]:
    return cost.cost_usd, cost.cost_usd_at_most


def test_a_call_costs_what_its_usage_says() -> None:
    usd = round((10 * 5 + 1000 * 30) / 1e6, 6)
    ended = add_cost(call(), "yes", USAGE_OF_1000, MODEL)
    assert ends(ended) == (usd, usd)
    assert (ended.cost_known_by, ended.usage) == ("usage", USAGE_OF_1000)
    assert ended.usage_ignored is None


@pytest.mark.parametrize("known", [(None, MODEL), (USAGE, None)])
def test_without_usage_or_price_a_paid_call_costs_its_estimate(known: Any) -> None:  # noqa: ANN401 (a table's columns)
    ended = add_cost(call(), "yes", *known)
    assert (*ends(ended), ended.cost_known_by) == (0.05, 0.05, "estimate")
    assert ends(add_cost(unpriced(), "yes", None, MODEL)) == (None, None)


@pytest.mark.parametrize(
    ("charged", "most"), [("no", 0.0), ("input", 0.002), ("unknown", 0.05), ("yes", 0.05)]
)
def test_a_call_may_cost_from_what_is_certain_to_what_is_possible(
    charged: Charged, most: float
) -> None:
    ended = add_cost(call(estimate_input_usd=0.002), charged, None, MODEL)
    assert ends(ended) == (0.05 if charged == "yes" else 0.0, most)
    assert ended.cost_known_by == (None if charged == "no" else "estimate")


def test_of_a_plan_that_does_not_know_its_input_apart_the_whole_estimate_is_possible() -> None:
    assert ends(add_cost(call(), "input", None, MODEL)) == (0.0, 0.05)


def test_a_call_that_was_not_charged_costs_nothing_even_with_usage() -> None:
    ended = add_cost(call(), "no", USAGE, MODEL)
    assert (*ends(ended), ended.cost_known_by) == (0.0, 0.0, None)


ABSURD = [
    {"input_tokens": 10**30, "output_tokens": 10**18, "total_tokens": 1},
    {"input_tokens": 10, "output_tokens": 10**400},
    {"input_tokens": 10, "output_tokens": -1756},
    {"input_tokens": 10, "output_tokens": float("nan")},
    {"input_tokens": 10, "output_tokens": "1756"},
    {"input_tokens": 10, "output_tokens": True},
    {"input_tokens": 10, "output_tokens": 0},
    {"input_tokens_details": {"text_tokens": 10**18}, "output_tokens": 1756},
    {"output_tokens": {}},
    {},
    [],
    "many",
]


@pytest.mark.parametrize("usage", ABSURD)
def test_a_usage_that_is_not_credible_is_ignored_and_the_estimate_counts(usage: JsonValue) -> None:
    ended = add_cost(call(), "yes", Usage.read({"usage": usage}), MODEL)
    assert (*ends(ended), ended.cost_known_by, ended.usage) == (0.05, 0.05, "estimate", None)
    assert ended.usage_ignored
    lost = add_cost(call(), "unknown", Usage.read({"usage": usage}), MODEL)
    assert ends(lost) == (0.0, 0.05)


#: Every count that Azure was seen to bill for 1024x1024, by the level that was asked for: the
#: buckets of September 2026, the legacy counts of April, and the levels that `auto` came to.
SEEN = {
    "low": (196, 208, 365),
    "medium": (439, 805, 1756),
    "high": (1756, 3171, 7024),
    "auto": (196, 439, 781, 1756),
}


@pytest.mark.parametrize("level", SEEN)
def test_every_count_that_was_ever_billed_for_a_level_is_credible_at_every_other(
    level: str,
) -> None:
    assert MODEL.prices is not None
    price = (MODEL.prices.image_out or 0) / 1e6
    for estimated in SEEN[level] if level != "auto" else (1756,):
        for billed in SEEN[level]:
            usage = Usage(input_tokens=9, output_tokens=billed)
            whole = estimated * price + 0.001
            ended = add_cost(
                call(estimate_usd=whole, estimate_input_usd=0.001), "yes", usage, MODEL
            )
            assert ended.cost_known_by == "usage", (estimated, billed)


@given(usage=st.builds(Usage, input_tokens=COUNTS, output_tokens=COUNTS), share=st.floats(0.1, 1))
def test_whatever_a_reply_says_a_call_never_counts_more_than_five_times_its_estimate(
    usage: Usage, share: float
) -> None:
    for charged in ("no", "input", "unknown", "yes"):
        ended = add_cost(call(), charged, usage, MODEL, share=share)
        assert ended.cost_usd is not None
        assert ended.cost_usd_at_most is not None
        assert 0 <= ended.cost_usd <= ended.cost_usd_at_most <= 5 * 0.05
        if charged == "yes":
            assert ended.cost_usd >= 0.1 * 0.05 * share


def test_a_usage_of_the_only_picture_of_ten_that_came_is_credible() -> None:
    ten = call(estimate_usd=0.5)
    assert add_cost(ten, "yes", USAGE_OF_1000, MODEL, share=0.1).usage_ignored is None
    assert add_cost(ten, "yes", USAGE_OF_1000, MODEL).usage_ignored


@given(st.lists(st.tuples(USD, USD), max_size=6))
def test_both_ends_add_up_and_one_estimate_makes_the_sum_an_estimate(
    costs: list[tuple[float, float]],
) -> None:
    calls = [attempt(cost_usd=certain, cost_usd_at_most=certain + more) for certain, more in costs]
    cost = cost_of(calls)
    assert cost.cost_usd == pytest.approx(sum(certain for certain, _ in costs), abs=1e-6)
    assert cost.cost_usd_at_most == pytest.approx(sum(map(sum, costs)), abs=1e-6)
    assert cost.cost_known_by == ("usage" if any(map(any, costs)) else None)
    assert cost_of([*calls, call()]).cost_known_by == "estimate"
    free = attempt(cost_usd=0.0, cost_known_by=None)
    assert cost_of([*calls, free]) == cost


def test_one_call_without_a_price_makes_both_ends_unknown() -> None:
    assert cost_of([attempt(), unpriced()]) == Cost(cost_usd=None, cost_usd_at_most=None)
    assert settled_cost(unpriced()) == SettledCost()


def test_the_budget_counts_what_is_possible() -> None:
    assert settled_cost(call()) == SettledCost(certain=0, at_most=50_000)


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
    failure = over_budget(at.date(), 5, estimate_usd=0.05, left_usd=0.01).model_copy(
        update={"code": code}
    )
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


def test_the_failure_says_what_the_call_may_cost_what_is_left_and_when_the_job_continues() -> None:
    failure = over_budget(date(2026, 12, 31), 12.5, estimate_usd=0.211, left_usd=0.05)
    assert failure.retryable
    assert failure.message == (
        "the call may cost $0.2110, and $0.0500 is left of the app's budget of $12.5 for "
        "2026-12-31 (UTC); the job continues at 2027-01-01T00:00+00:00"
    )
    unknown = over_budget(date(2026, 12, 31), 12.5, estimate_usd=None, left_usd=12.5)
    assert unknown.message.startswith("the call has no known price, and $12.5000 is left")


def test_the_failure_of_a_jobs_own_limit_says_what_its_calls_may_have_cost() -> None:
    tight = limited(0.25, 0.2)
    assert over_cost_limit(tight, 0.06).message == (
        "the next call may cost $0.0600, the calls before it cost up to $0.2000, and the job's "
        "max_cost_usd is $0.25"
    )
