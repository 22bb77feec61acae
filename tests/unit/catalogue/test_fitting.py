"""The size that a model makes, where it does not make the one that was asked for."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalogue.fitting import clamp_ratio, find_nearest_size, find_size_for_aspect, fit_size
from shared.catalogue.models import Model, read_builtin
from shared.catalogue.sizes import (
    CLASS_PIXELS,
    ClassName,
    Exact,
    FixedSizes,
    FreeSizes,
    find_broken_rules,
    parse_size,
)
from tests.builders.strategies import EDGES, free_rules, models, sizes

GPT = read_builtin().get("gpt-image-2").sizes
MAI = read_builtin().get("MAI-Image-2.5").sizes
CLASSIC = read_builtin().get("gpt-image-1.5").sizes


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
    # Only where the limits leave no room for the shape is the budget passed, by the smallest.
    smallest = find_size_for_aspect(rules, w, h, 1)
    assert width * height <= CLASS_PIXELS[name] or (width, height) == smallest


@given(models(), sizes())
def test_every_size_comes_to_one_that_the_model_makes(model: Model, text: str) -> None:
    fitted = fit_size(model, parse_size(text))
    assert find_broken_rules(model.sizes, fitted.width, fitted.height) == ()
    assert fitted.distance >= 0
    assert fitted.broken or fitted.distance == pytest.approx(0)


@given(models(), sizes())
def test_a_size_that_was_fitted_fits_as_it_is(model: Model, text: str) -> None:
    fitted = fit_size(model, parse_size(text))
    again = fit_size(model, Exact(fitted.width, fitted.height))
    assert (again.text, again.broken, again.distance) == (fitted.text, (), 0)


@pytest.mark.parametrize("text", ["auto", "small", "large"])
def test_a_size_without_a_shape_is_the_default_of_the_model(text: str) -> None:
    model = read_builtin().get("gpt-image-2")
    fitted = fit_size(model, parse_size(text))
    assert (fitted.width, fitted.height) == model.usual_sizes[0]
    assert fitted.broken == ()


def test_a_size_further_away_has_the_greater_distance() -> None:
    model = read_builtin().get("gpt-image-2")
    near, far = (fit_size(model, Exact(edge, edge)) for edge in (3_000, 8_000))
    assert near.text == far.text
    assert 0 < near.distance < far.distance
