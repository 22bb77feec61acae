"""The plan of a job: what it and each of its calls are expected to cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.routing.plan import estimate_usd
from tests.builders.routed import plans
from tests.builders.strategies import deployment

GPT, MAI = deployment("gpt-image-2"), deployment("MAI-Image-2.5")


def test_the_estimate_is_of_the_whole_and_each_locale_counts() -> None:
    (one,) = plans(GPT, model="gpt-image-2")
    several = plans(GPT, model="gpt-image-2", locales=("de", "ja", "ar"), size=("1:1", "3:2"))
    assert one.estimate_usd is not None
    assert several[0].estimate_usd == pytest.approx(3 * one.estimate_usd)
    total = estimate_usd(several)
    assert total == pytest.approx(sum(plan.estimate_usd or 0 for plan in several))
    assert estimate_usd((*several, one.model_copy(update={"estimate_usd": None}))) is None


@given(st.integers(1, 10), st.floats(0, 100))
def test_the_calls_of_a_plan_are_estimated_as_the_whole_is(pictures: int, usd: float) -> None:
    (made,) = plans(GPT, model="gpt-image-2", n=10)
    inputs = usd / 3
    priced = made.model_copy(update={"estimate_usd": usd, "estimate_input_usd": inputs})
    one, rest = priced.estimate_call(pictures), priced.estimate_call(10 - pictures)
    assert one is not None
    assert rest is not None
    assert priced.estimate_call(10) == pytest.approx(usd, abs=2e-6)
    assert one + rest == pytest.approx(usd + inputs, abs=2e-6), "each call sends the inputs"
    assert priced.estimate_call_input == pytest.approx(inputs, abs=2e-6)


def test_without_a_price_no_call_is_estimated_and_none_is_free() -> None:
    (made,) = plans(MAI, model="MAI-Image-2.5")
    unknown = made.model_copy(update={"estimate_usd": None})
    assert unknown.estimate_call(1) is None
    assert estimate_usd(()) == 0
