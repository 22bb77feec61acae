from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalogue.models import Model, read_builtin
from shared.catalogue.pricing import (
    Usage,
    compute_cost,
    count_bucket_tokens,
    count_grid_tokens,
    count_legacy_tokens,
    estimate,
    estimate_tokens,
)
from tests.builders.strategies import MODELS, models, valid_sizes

CATALOGUE = read_builtin()
GPT = CATALOGUE.get("gpt-image-2")
QUALITIES = ("low", "medium", "high", "xhigh", "max")

#: Size: buckets 16, 24, 36, 48, 64, 96, then the legacy tiers small, standard, large.
TABLE: dict[tuple[int, int], tuple[tuple[int, ...], tuple[int, ...]]] = {
    (1024, 640): ((107, 239, 526, 956, 1_700, 3_824), (287, 1_105, 4_377)),
    (1024, 1024): ((196, 439, 988, 1_756, 3_122, 7_024), (208, 805, 3_171)),
    (1536, 864): ((120, 280, 599, 1_078, 1_917, 4_312), (386, 1_544, 6_122)),
    (1536, 1024): ((158, 343, 772, 1_372, 2_459, 5_488), (358, 1_401, 5_546)),
    (1024, 1536): ((158, 343, 772, 1_372, 2_459, 5_488), (365, 1_415, 5_574)),
    (1920, 1088): ((148, 344, 737, 1_325, 2_356, 5_300), (475, 1_865, 7_459)),
    (2048, 1152): ((157, 367, 785, 1_413, 2_511, 5_650), (506, 2_023, 8_022)),
    (2560, 1440): ((205, 478, 1_024, 1_843, 3_276, 7_370), (660, 2_639, 10_463)),
    (2048, 2048): ((397, 892, 2_007, 3_568, 6_343, 14_272), (422, 1_636, 6_443)),
    (3840, 1280): ((139, 332, 747, 1_328, 2_324, 5_311), (1_356, 5_367, 21_355)),
    (3840, 2160): ((371, 865, 1_853, 3_336, 5_930, 13_342), (1_195, 4_777, 18_942)),
    (2880, 2880): ((659, 1_483, 3_336, 5_930, 10_542, 23_719), (701, 2_718, 10_707)),
}
FIXED = {
    (1024, 1024): (272, 1_056, 4_160),
    (1024, 1536): (408, 1_584, 6_240),
    (1536, 1024): (400, 1_568, 6_208),
}


@pytest.mark.parametrize("size", TABLE)
def test_both_counts_agree_with_the_tables_to_the_token(size: tuple[int, int]) -> None:
    buckets, tiers = TABLE[size]
    assert tuple(count_bucket_tokens(q, *size) for q in (16, 24, 36, 48, 64, 96)) == buckets
    assert tuple(count_legacy_tokens(s, *size) for s in (16, 32, 64)) == tiers


@pytest.mark.parametrize("name", ["gpt-image-1", "gpt-image-1.5", "gpt-image-1-mini"])
@pytest.mark.parametrize("size", FIXED)
def test_the_first_models_count_the_bare_grid(name: str, size: tuple[int, int]) -> None:
    assert tuple(count_grid_tokens(s, *size) for s in (16, 32, 64)) == FIXED[size]
    model = CATALOGUE.get(name)
    counted = [estimate_tokens(model, quality, *size) for quality in ("low", "medium", "high")]
    assert tuple(count.legacy for count in counted) == FIXED[size]
    assert {count.bucket for count in counted} == {None}


def test_an_estimate_is_by_the_bucket_and_the_legacy_count_is_only_shown() -> None:
    high = estimate(GPT, "high", 3840, 1280, n=1, prompt_characters=0)
    assert (high.tokens.legacy, high.tokens.bucket) == (21_355, 5_311)
    assert high.usd == pytest.approx(5_311 * 30 / 1e6)
    low = estimate(GPT, "low", 1536, 1024, n=2, prompt_characters=100)
    assert low.usd == pytest.approx((2 * 158 * 30 + 200 * 5) / 1e6)
    assert "158 output tokens" in low.basis
    assert "358" not in low.basis


#: Counted by Azure for 1024x1024 in September 2026.
MEASURED = {
    "gpt-image-2": {"low": 196, "high": 7_024},
    "gpt-image-2.5-flare": {
        "low": 196, "medium": 439, "high": 1_756, "xhigh": 3_122, "max": 7_024
    },
}  # fmt: skip


@pytest.mark.parametrize("name", MEASURED)
def test_the_count_of_an_estimate_is_the_one_that_azure_bills(name: str) -> None:
    model = CATALOGUE.get(name)
    counted = {
        quality: estimate_tokens(model, quality, 1024, 1024).billed for quality in MEASURED[name]
    }
    assert counted == MEASURED[name]


@given(models(), st.data(), st.integers(1, 10))
def test_a_price_never_falls_as_the_quality_rises(
    model: Model, data: st.DataObject, n: int
) -> None:
    width, height = data.draw(valid_sizes(model))
    usd = [
        estimate(model, level.name, width, height, n=n, prompt_characters=9).usd or 0.0
        for level in model.qualities
    ]
    assert usd == sorted(usd)
    assert [level.name for level in model.qualities] == [*QUALITIES[: len(usd)]]


def test_a_prompt_is_paid_for_by_each_call() -> None:
    flash = CATALOGUE.get("MAI-Image-2.5-Flash")
    three = estimate(flash, None, 1024, 1024, n=3, prompt_characters=100)
    assert three.usd == pytest.approx((3 * 1024 * 19.5 + 3 * 200 * 1.75) / 1e6)
    assert (three.tokens.legacy, three.tokens.bucket) == (None, None)


def test_flux_is_priced_by_started_megapixel() -> None:
    pro = CATALOGUE.get("FLUX.2-pro")
    one = estimate(pro, None, 1024, 1024, n=1, prompt_characters=9)
    assert one.usd == pytest.approx(0.03)
    two = estimate(pro, None, 1040, 1024, n=2, prompt_characters=9)
    assert two.usd == pytest.approx(2 * (0.03 + 0.015))


def test_an_unknown_price_is_none_and_not_zero() -> None:
    unpriced = CATALOGUE.get("MAI-Image-2.6-Flash")
    guess = estimate(unpriced, None, 1024, 1024, n=1, prompt_characters=9)
    assert guess.usd is None
    assert "unknown, not zero" in guess.basis
    assert compute_cost(unpriced, Usage(output_tokens=1024)) is None
    assert compute_cost(CATALOGUE.get("FLUX.2-pro"), Usage(output_tokens=1024)) is None


def test_output_without_details_is_all_picture() -> None:
    usage = Usage.read(
        {
            "input_tokens": 9,
            "output_tokens": 208,
            "total_tokens": 217,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 9},
        }
    )
    assert usage is not None
    assert usage.output_image_tokens is None
    assert compute_cost(GPT, usage) == pytest.approx((9 * 5 + 208 * 30) / 1e6)


def test_text_in_the_output_is_billed_at_its_own_rate() -> None:
    usage = Usage.read(
        {
            "input_tokens": 1037,
            "output_tokens": 6543,
            "total_tokens": 7580,
            "input_tokens_details": {"image_tokens": 1024, "text_tokens": 13},
            "output_tokens_details": {"image_tokens": 6208, "text_tokens": 335},
        }
    )
    assert usage is not None
    expected = (13 * 5 + 1024 * 8 + 6208 * 32 + 335 * 10) / 1e6
    assert compute_cost(CATALOGUE.get("gpt-image-1.5"), usage) == pytest.approx(expected)


def test_text_in_the_output_without_a_rate_is_billed_as_picture() -> None:
    own = GPT.prices
    assert own is not None
    model = GPT.model_copy(update={"prices": own.model_copy(update={"text_out": None})})
    usage = Usage(output_tokens=100, output_image_tokens=60, output_text_tokens=40)
    assert compute_cost(model, usage) == pytest.approx(100 * 30 / 1e6)


@pytest.mark.parametrize(
    ("details", "drawn"),
    [({"text_tokens": 8}, 92), ({"image_tokens": 92}, 92), ({}, 100), ({"image_tokens": "9"}, 100)],
)
def test_half_of_the_details_gives_the_other_half(details: dict[str, int], drawn: int) -> None:
    usage = Usage.read({"output_tokens": 100, "output_tokens_details": {**details}})
    assert usage is not None
    assert compute_cost(GPT, usage) == pytest.approx((drawn * 30 + (100 - drawn) * 10) / 1e6)


@pytest.mark.parametrize("wrap", [lambda counts: {"usage": counts}, lambda counts: counts])
def test_the_counts_of_mai_are_read_wherever_they_are(
    wrap: Callable[[dict[str, int]], dict[str, Any]],
) -> None:
    counts = {"num_input_text_tokens": 9, "num_input_image_tokens": 1024, "num_output_tokens": 2304}
    usage = Usage.read({"data": [{}], **wrap(counts)})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (1033, 2304, 3337)
    expected = (9 * 5 + 1024 * 8 + 2304 * 38) / 1e6
    assert compute_cost(CATALOGUE.get("MAI-Image-2.6"), usage) == pytest.approx(expected)


def test_a_usage_without_an_output_count_is_read_by_its_total() -> None:
    only = Usage.read({"usage": {"num_output_tokens": 1024}})
    assert only is not None
    assert (only.output_tokens, only.input_text_tokens) == (1024, None)
    derived = Usage.read({"input_tokens": 10, "total_tokens": 218})
    assert derived is not None
    assert derived.output_tokens == 208


@pytest.mark.parametrize(
    "given_usage", [[], "x", {}, {"output_tokens": True}, {"output_tokens": -1}]
)
def test_a_usage_that_counts_nothing_is_zero_and_a_missing_one_is_none(given_usage: Any) -> None:  # noqa: ANN401 (any JSON)
    assert Usage.read({"usage": given_usage}) == Usage()
    replies: list[Any] = [None, [], "x", {}, {"usage": None}, {"output_tokens": -1}]
    assert {Usage.read(reply) for reply in replies} == {None}


def test_the_input_is_estimated_apart_where_it_has_a_price_of_its_own() -> None:
    sizes: Any = {"n": 4, "prompt_characters": 100, "input_pixels": (1024 * 1024,)}
    whole = estimate(GPT, "low", 1024, 1024, **sizes)
    inputs = (200 * 5 + 1_536 * 8) / 1e6
    assert whole.input_usd == pytest.approx(inputs)
    assert whole.usd == pytest.approx(inputs + 4 * 196 * 30 / 1e6)
    assert estimate(read_builtin().get("FLUX.2-pro"), None, 1024, 1024, **sizes).input_usd is None


def test_each_preview_adds_100_output_tokens_and_each_picture_is_a_call() -> None:
    plain = estimate(GPT, "low", 1024, 1024, n=3, prompt_characters=100)
    shown = estimate(GPT, "low", 1024, 1024, n=3, prompt_characters=100, previews=2)
    assert plain.usd == pytest.approx((3 * 196 * 30 + 200 * 5) / 1e6)
    assert shown.usd == pytest.approx((3 * (196 + 200) * 30 + 3 * 200 * 5) / 1e6)
    assert shown.tokens == plain.tokens
    assert "and 200 for 2 previews of it at $30.0 a million" in shown.basis


@given(
    st.sampled_from(MODELS),
    st.sampled_from(["low", "medium", "high", "xhigh", "max", None]),
    st.tuples(st.integers(48, 144), st.integers(48, 144)),
    st.integers(1, 10),
    st.integers(0, 32_000),
)
def test_no_estimate_is_negative_and_tokens_are_positive(
    model: Model, quality: str | None, size: tuple[int, int], n: int, characters: int
) -> None:
    width, height = size[0] * 16, size[1] * 16
    guess = estimate(model, quality, width, height, n=n, prompt_characters=characters)
    assert guess.usd is None or guess.usd > 0
    assert guess.tokens.legacy is None or guess.tokens.legacy > 0
    assert guess.tokens.bucket is None or guess.tokens.bucket > 0


_COUNTS = st.sampled_from([None, -5, 0, 1, 208, 10_000, "9", True])
_DETAILS = st.none() | st.fixed_dictionaries(
    {}, optional={"text_tokens": _COUNTS, "image_tokens": _COUNTS}
)


@given(
    st.sampled_from(MODELS),
    st.fixed_dictionaries(
        {},
        optional={
            "input_tokens": _COUNTS,
            "output_tokens": _COUNTS,
            "total_tokens": _COUNTS,
            "num_input_text_tokens": _COUNTS,
            "num_input_image_tokens": _COUNTS,
            "num_output_tokens": _COUNTS,
            "input_tokens_details": _DETAILS,
            "output_tokens_details": _DETAILS,
        },
    ),
)
def test_no_usage_costs_less_than_nothing(model: Model, reply: dict[str, None]) -> None:
    usage = Usage.read({"usage": {**reply}})
    billed = None if usage is None else compute_cost(model, usage)
    assert billed is None or billed >= 0
