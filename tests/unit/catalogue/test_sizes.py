import pytest
from hypothesis import given
from pydantic import ValidationError

from shared.catalogue.models import read_builtin
from shared.catalogue.sizes import (
    Aspect,
    Auto,
    Exact,
    FreeSizes,
    Size,
    SizeClass,
    Tier,
    find_broken_rules,
    parse_size,
)
from tests.builders.strategies import sizes

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
