import pytest

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
