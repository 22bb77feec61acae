from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.catalogue.fitting import clamp_ratio, find_nearest_size, find_size_for_aspect
from shared.catalogue.models import read_builtin
from shared.catalogue.sizes import (
    CLASS_PIXELS,
    Aspect,
    Auto,
    ClassName,
    Exact,
    FixedSizes,
    FreeSizes,
    Size,
    SizeClass,
    Tier,
    find_broken_rules,
    parse_size,
)
from tests.builders.strategies import EDGES, free_rules, sizes

GPT = read_builtin().get("gpt-image-2").sizes
MAI = read_builtin().get("MAI-Image-2.5").sizes
CLASSIC = read_builtin().get("gpt-image-1.5").sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1536x1024", Exact(1536, 1024)),
        (" 1536 X 1024 ", Exact(1536, 1024)),
        ("1536×1024", Exact(1536, 1024)),  # noqa: RUF001 - people type it
        ("16:9", Aspect(16, 9)),
        ("32 : 18", Aspect(16, 9)),
        ("2.39:1", Aspect(239, 100)),
        ("Large", Tier("large")),
        ("large 3:2", Tier("large", Aspect(3, 2))),
        ("3:2  LARGE", Tier("large", Aspect(3, 2))),
        ("4K", SizeClass("4k")),
        ("4k 16:9", SizeClass("4k", Aspect(16, 9))),
        ("16:9 4k", SizeClass("4k", Aspect(16, 9))),
        ("AUTO", Auto()),
    ],
)
def test_a_size_reads_as_it_is_written(text: str, size: Size) -> None:
    assert parse_size(text) == size


@given(sizes())
def test_a_size_reads_back_from_its_own_text(text: str) -> None:
    size = parse_size(text)
    assert parse_size(str(size)) == size


@pytest.mark.parametrize(
    "text", ["", "big", "1024", "0x1024", "16:0", "4k 4k", "4k large", "16:9 4:3", "1e3x2", "-1x5"]
)
def test_no_size_is_refused_with_its_text_and_the_grammar(text: str) -> None:
    with pytest.raises(ValueError, match=r"WIDTHxHEIGHT") as caught:
        parse_size(text)
    assert repr(text) in str(caught.value)


def test_a_long_text_is_cut_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="…"):
        parse_size("x" * 5000)


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ((512, 512), (816, 816)),
        ((7680, 4320), (3840, 2160)),
        ((4096, 4096), (2880, 2880)),
        ((4096, 3072), (3264, 2448)),
        ((1920, 1080), (1920, 1088)),
        ((1080, 1920), (1088, 1920)),
        ((800, 800), (816, 816)),
        ((832, 832), (832, 832)),
        ((2880, 3840), (2448, 3264)),
        ((6000, 1000), (3840, 1280)),
        ((1600, 400), (1600, 544)),
        ((1600, 534), (1600, 544)),
        ((2888, 2872), (2880, 2880)),
        ((2880, 2868), (2880, 2864)),
        ((1, 9999), (1280, 3840)),
    ],
)
def test_the_nearest_size_of_gpt_image_2(asked: tuple[int, int], made: tuple[int, int]) -> None:
    assert find_nearest_size(GPT, *asked) == made


@pytest.mark.parametrize(
    ("asked", "made"),
    [((1536, 1024), (1248, 832)), ((512, 512), (768, 768)), ((2000, 1000), (1360, 768))],
)
def test_the_nearest_size_of_mai(asked: tuple[int, int], made: tuple[int, int]) -> None:
    assert find_nearest_size(MAI, *asked) == made


@pytest.mark.parametrize(
    ("asked", "made"),
    [
        ((1920, 1080), (1536, 1024)),
        ((1080, 1920), (1024, 1536)),
        ((900, 1000), (1024, 1024)),
        ((4096, 4096), (1024, 1024)),
    ],
)
def test_fixed_sizes_are_chosen_by_shape(asked: tuple[int, int], made: tuple[int, int]) -> None:
    assert find_nearest_size(CLASSIC, *asked) == made


def test_fixed_sizes_of_one_shape_are_chosen_by_area() -> None:
    rules = FixedSizes(sizes=((512, 512), (1024, 1024)))
    assert find_nearest_size(rules, 600, 600) == (512, 512)
    assert find_size_for_aspect(rules, 1, 1, 4_000_000) == (1024, 1024)


@pytest.mark.parametrize(
    ("name", "aspect", "made"),
    [
        ("1k", (16, 9), (1280, 720)),
        ("2k", (16, 9), (2560, 1440)),
        ("4k", (16, 9), (3840, 2160)),
        ("1k", (1, 1), (1024, 1024)),
        ("2k", (1, 1), (2048, 2048)),
        ("4k", (1, 1), (2880, 2880)),
        ("1k", (239, 100), (1584, 656)),
        ("4k", (3, 1), (3840, 1280)),
        ("4k", (9, 16), (2160, 3840)),
    ],
)
def test_a_class_is_the_largest_size_in_its_budget(
    name: ClassName, aspect: tuple[int, int], made: tuple[int, int]
) -> None:
    assert find_size_for_aspect(GPT, *aspect, CLASS_PIXELS[name]) == made


def test_a_budget_below_the_least_gives_the_smallest_size() -> None:
    assert find_size_for_aspect(GPT, 1, 1, 1000) == (816, 816)


def test_limits_too_narrow_for_a_shape_give_a_square() -> None:
    rules = FreeSizes(grid=16, min_pixels=65_536, max_pixels=66_000)
    assert find_nearest_size(rules, 200, 329) == (256, 256)


def test_every_broken_rule_is_told() -> None:
    broken = " | ".join(find_broken_rules(GPT, 8001, 100))
    for part in ("multiples of 16", "above 3840", "above 3:1"):
        assert part in broken
    assert "below 655,360" in find_broken_rules(GPT, 512, 512)[0]
    assert "above 8,294,400" in find_broken_rules(GPT, 3840, 3840)[0]
    assert "below 768" in find_broken_rules(MAI, 640, 1280)[0]
    assert "not one of its sizes" in find_broken_rules(CLASSIC, 512, 512)[0]


def test_limits_that_admit_no_square_are_refused() -> None:
    with pytest.raises(ValidationError, match="allow no square"):
        FreeSizes(grid=16, max_edge=256, min_pixels=655_360, max_pixels=655_360)


@given(free_rules(), EDGES, EDGES)
def test_whatever_is_asked_the_nearest_size_is_valid_and_of_its_shape(
    rules: FreeSizes, width: int, height: int
) -> None:
    made = find_nearest_size(rules, width, height)
    assert find_broken_rules(rules, *made) == ()
    ratio = clamp_ratio(rules, Fraction(width, height))
    # Some size of exactly the shape lies within a grid step of both edges.
    least = max((made[0] - rules.grid) / ratio, Fraction(made[1] - rules.grid))
    most = min((made[0] + rules.grid) / ratio, Fraction(made[1] + rules.grid))
    assert least <= most


@given(free_rules(), EDGES, EDGES)
def test_a_valid_size_is_never_touched(rules: FreeSizes, width: int, height: int) -> None:
    made = find_nearest_size(rules, width, height)
    assert find_nearest_size(rules, *made) == made


@given(free_rules(), st.integers(1, 50), st.integers(1, 50), st.sampled_from([*CLASS_PIXELS]))
def test_a_class_of_any_shape_is_valid(rules: FreeSizes, w: int, h: int, name: ClassName) -> None:
    width, height = find_size_for_aspect(rules, w, h, CLASS_PIXELS[name])
    assert find_broken_rules(rules, width, height) == ()
    # Only where the least edge leaves no room for the shape is the budget passed.
    assert width * height <= CLASS_PIXELS[name] or min(width, height) == rules.min_edge
