import pytest

from local.foundry.replies.tokens import Usage, dollars, image_tokens, output_tokens
from local.foundry.state.models import MODELS

MEASURED = {
    (1024, 1024): (208, 805, 3171),
    (1024, 1536): (365, 1415, 5574),
    (1536, 1024): (358, 1401, 5546),
    (3840, 2160): (1195, 4777, 18942),
    (3840, 1280): (1356, 5367, 21355),
}
CALCULATED = {
    (1024, 640): (107, 239, 956, 1700, 3824),
    (1024, 1024): (196, 439, 1756, 3122, 7024),
    (1024, 1536): (158, 343, 1372, 2459, 5488),
    (2560, 1440): (205, 478, 1843, 3276, 7370),
    (2880, 2880): (659, 1483, 5930, 10542, 23719),
}
FIXED = {
    (1024, 1024): (272, 1056, 4160),
    (1024, 1536): (408, 1584, 6240),
    (1536, 1024): (400, 1568, 6208),
}
LEVELS = ("low", "medium", "high")


@pytest.mark.parametrize(("size", "counts"), MEASURED.items())
def test_mode_one_gives_what_was_measured_on_azure(
    size: tuple[int, int], counts: tuple[int, ...]
) -> None:
    two = MODELS["gpt-image-2"]
    assert tuple(output_tokens(two, level, *size, 1) for level in LEVELS) == counts


@pytest.mark.parametrize(("size", "counts"), CALCULATED.items())
def test_mode_two_is_the_published_calculator(
    size: tuple[int, int], counts: tuple[int, ...]
) -> None:
    flare = MODELS["gpt-image-2.5-flare"]
    levels = ("low", "medium", "high", "xhigh", "max")
    assert tuple(output_tokens(flare, level, *size, 2) for level in levels) == counts
    two = MODELS["gpt-image-2"]
    assert output_tokens(two, "high", *size, 2) == counts[-1]


@pytest.mark.parametrize(("size", "counts"), FIXED.items())
def test_the_first_series_has_a_fixed_table(size: tuple[int, int], counts: tuple[int, ...]) -> None:
    one = MODELS["gpt-image-1"]
    assert tuple(output_tokens(one, level, *size, 2) for level in LEVELS) == counts


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [(1024, 1024, 1024), (1536, 1024, 1536), (341, 512, 704), (1179, 2556, 1482)],
)
def test_input_pictures_count_their_patches(width: int, height: int, tokens: int) -> None:
    assert image_tokens(width, height) == tokens


def test_the_price_follows_tokens_or_area() -> None:
    assert dollars(MODELS["gpt-image-2"], Usage(9, 0, 7024), pixels=0) == pytest.approx(0.210765)
    assert dollars(MODELS["FLUX.2-pro"], Usage(9, 0, 0), pixels=1_000_000) == pytest.approx(0.03)
    assert output_tokens(MODELS["FLUX.2-pro"], "", 1024, 1024, 1) == 0
