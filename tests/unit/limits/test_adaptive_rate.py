from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.limits.adaptive_rate import (
    FIRST_CUT,
    LARGEST_CUT,
    LOWER_EVERY,
    MIN_SHARE,
    PROOF_CALLS,
    PROOF_TIME,
    TRIAL_FACTOR,
    AdaptiveRate,
    Quota,
    apply_quota,
    lower_rate,
    raise_rate,
)

START = datetime(2026, 11, 1, tzinfo=UTC)
QUOTA = Quota(rpm=60)


def begun() -> AdaptiveRate:
    return apply_quota(None, QUOTA)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def accepted(rate: AdaptiveRate, calls: int, *, since: datetime = START) -> AdaptiveRate:
    """The tempo after so many calls were accepted at full rate, one after the other."""
    at = since
    for _ in range(calls):
        at += rate.spacing
        rate = raise_rate(rate, QUOTA, [at])
    return rate


def refused(rate: AdaptiveRate, at: datetime) -> AdaptiveRate:
    return lower_rate(rate, called_at=at, now=at)


def test_a_pool_is_called_as_fast_as_is_configured() -> None:
    assert begun().spacing == timedelta(seconds=1)


def test_another_quota_is_begun_anew_and_the_same_one_is_not() -> None:
    rate = refused(begun(), START)
    assert apply_quota(rate, QUOTA) == rate
    assert apply_quota(rate, Quota(rpm=90)).rpm == 90


def test_the_first_refusal_costs_little_and_each_further_one_twice_as_much() -> None:
    rate, rates = begun(), []
    for number in range(6):
        rate = refused(rate, after(20 * number))
        rates.append(rate.rpm)
    falls = [1 - later / earlier for earlier, later in zip([60.0, *rates], rates, strict=False)]
    assert falls[:3] == pytest.approx([FIRST_CUT, 2 * FIRST_CUT, 4 * FIRST_CUT])
    assert falls[3:] == pytest.approx([LARGEST_CUT] * 3)


def test_refusals_close_together_are_one() -> None:
    once = refused(begun(), START)
    again = refused(once, START + LOWER_EVERY / 2)
    assert again.rpm == once.rpm


def test_a_call_made_before_the_last_lowering_says_nothing_of_the_rate_since() -> None:
    rate = refused(begun(), after(10))
    assert lower_rate(rate, called_at=after(9), now=after(60)).rpm == rate.rpm
    assert raise_rate(rate, QUOTA, [after(9)]) == rate


def test_a_refused_rate_is_not_tried_again_at_once() -> None:
    rate = accepted(refused(begun(), START), 100)
    assert 0.98 * 60 < rate.rpm < 60


def test_a_rate_that_was_accepted_for_long_is_exceeded_by_a_step() -> None:
    rate = accepted(begun(), PROOF_CALLS)
    assert rate.rpm == pytest.approx(60 * TRIAL_FACTOR)
    assert rate.proven == 60


def test_many_calls_in_a_moment_prove_nothing() -> None:
    calls = [START + timedelta(milliseconds=n) for n in range(PROOF_CALLS * 2)]
    rate = raise_rate(begun(), QUOTA, calls)
    assert rate.rpm == 60
    later = START + PROOF_TIME + timedelta(milliseconds=1)
    assert raise_rate(rate, QUOTA, [later]).rpm > 60


def test_a_trial_that_fails_goes_back_to_what_was_proven() -> None:
    rate = accepted(begun(), PROOF_CALLS)
    rate = refused(rate, after(PROOF_CALLS * 1.5))
    assert 0.99 * 60 < rate.rpm <= 60
    assert rate.ceiling == 60


def test_a_trial_that_failed_is_made_again_later_and_later() -> None:
    rate, since, calls = begun(), START, []
    for _ in range(3):
        count = 0
        while rate.rpm <= 60:
            since += rate.spacing
            rate = raise_rate(rate, QUOTA, [since])
            count += 1
        calls.append(count)
        since += timedelta(seconds=30)
        rate = refused(rate, since)
    assert calls[1] > 1.9 * calls[0]
    assert calls[2] > 1.9 * calls[1]


def test_what_was_configured_is_proven_before_it_is_exceeded() -> None:
    rate, since = refused(begun(), START), START
    rates = set()
    for _ in range(3 * PROOF_CALLS):
        since += rate.spacing
        rate = raise_rate(rate, QUOTA, [since])
        rates.add(round(rate.rpm, 3))
    assert 60 in rates
    assert not any(60 < rate < 65 for rate in rates)


def test_no_rate_grows_above_what_an_operator_allows() -> None:
    quota = Quota(rpm=60, growth=1)
    rate, at = apply_quota(None, quota), START
    for _ in range(5 * PROOF_CALLS):
        at += rate.spacing
        rate = raise_rate(rate, quota, [at])
    assert rate.rpm == 60


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 400)), max_size=60))
def test_a_rate_stays_within_its_bounds_whatever_is_answered(
    answers: list[tuple[bool, float]],
) -> None:
    rate, now = begun(), START
    for good, seconds in answers:
        now += timedelta(seconds=seconds)
        rate = raise_rate(rate, QUOTA, [now] * 60) if good else refused(rate, now)
        assert MIN_SHARE * 60 <= rate.rpm <= rate.ceiling <= QUOTA.growth * 60
        assert rate.proven <= rate.ceiling


@pytest.mark.parametrize(("rpm", "growth"), [(0, 2), (-1, 2), (60, 0.9)])
def test_a_quota_that_makes_no_sense_is_refused(rpm: float, growth: float) -> None:
    with pytest.raises(ValueError, match=str(growth if rpm > 0 else rpm)):
        Quota(rpm, growth)
