"""Find the pixels that a model makes for a requested size."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from .models import Model
from .sizes import (
    CLASS_PIXELS,
    Aspect,
    Auto,
    ClassName,
    Exact,
    FixedSizes,
    FreeSizes,
    Size,
    SizeClass,
    find_broken_rules,
)

#: A size of exactly the aspect is preferred while it has this share of the possible pixels.
EXACT_SHARE = Fraction(6, 10)


def find_nearest_size(rules: FreeSizes | FixedSizes, width: int, height: int) -> tuple[int, int]:
    """Return the valid size nearest to a size; a valid size is returned unchanged.

    The aspect is kept. Too large: the largest size that fits. Too small: the smallest valid size.
    Off the grid: the nearest size on the grid, the larger one of two. A ratio beyond the limit is
    clamped and the long edge kept.
    """
    if not find_broken_rules(rules, width, height):
        return width, height
    if isinstance(rules, FixedSizes):
        return _find_nearest_fixed(rules, Fraction(width, height), width * height)
    ratio = clamp_ratio(rules, Fraction(width, height))
    wide, high = (
        (Fraction(width), width / ratio) if width >= height else (height * ratio, Fraction(height))
    )
    longest = rules.max_edge or rules.max_pixels
    if wide * high > rules.max_pixels or max(wide, high) > longest:
        return _find_largest(rules, ratio, rules.max_pixels)
    if wide * high < rules.min_pixels or min(wide, high) < rules.min_edge:
        return _find_smallest(rules, ratio)
    around = [
        (w, h) for w in _round_to_grid(wide, rules.grid) for h in _round_to_grid(high, rules.grid)
    ]
    on_grid = [size for size in around if not find_broken_rules(rules, *size)]
    if not on_grid:
        return _find_largest(rules, ratio, int(wide * high))
    return min(on_grid, key=lambda s: (abs(s[0] - wide) + abs(s[1] - high), -s[0] * s[1]))


def find_size_for_aspect(
    rules: FreeSizes | FixedSizes, w: int, h: int, budget_pixels: int
) -> tuple[int, int]:
    """Return the largest valid size of an aspect with at most `budget_pixels`.

    The size has exactly the aspect if it uses 60 % of the budget; else it is the nearest on the
    grid. If no size fits the budget, return the smallest (free) or nearest (fixed) size.
    """
    if isinstance(rules, FixedSizes):
        return _find_nearest_fixed(rules, Fraction(w, h), budget_pixels)
    budget = min(budget_pixels, rules.max_pixels)
    return _find_largest(rules, clamp_ratio(rules, Fraction(w, h)), budget)


def clamp_ratio(rules: FreeSizes, ratio: Fraction) -> Fraction:
    """Return the ratio (width to height) limited to the highest that the rules allow."""
    return max(1 / rules.ratio_limit, min(ratio, rules.ratio_limit))


def _find_largest(rules: FreeSizes, ratio: Fraction, budget: int) -> tuple[int, int]:
    fitting = [(w, h) for w, h in _list_sizes(rules, ratio) if w * h <= budget]
    if not fitting:
        return _find_smallest(rules, ratio)
    exact = [size for size in fitting if _has_ratio(size, ratio)]
    best = max(exact or fitting, key=_area)
    return best if _area(best) >= EXACT_SHARE * budget else max(fitting, key=_area)


def _find_smallest(rules: FreeSizes, ratio: Fraction) -> tuple[int, int]:
    # If the limits allow no size of this ratio, they allow a square: `FreeSizes` checks that.
    sizes = list(_list_sizes(rules, ratio)) or list(_list_sizes(rules, Fraction(1)))
    exact = [size for size in sizes if _has_ratio(size, ratio)]
    least, best = min(sizes, key=_area), min(exact or sizes, key=_area)
    return best if EXACT_SHARE * _area(best) <= _area(least) else least


def _list_sizes(rules: FreeSizes, ratio: Fraction) -> Iterator[tuple[int, int]]:
    """Yield the valid sizes near a ratio, one for each long edge, from small to large."""
    stretch = max(ratio, 1 / ratio)
    longest = min(rules.max_edge or rules.max_pixels, rules.max_pixels // rules.min_edge)
    if not rules.max_edge:  # no edge is longer than at the highest ratio, plus one grid step
        longest = min(longest, math.isqrt(int(rules.max_pixels * stretch)) + rules.grid)
    parts = stretch.numerator
    for long in range(rules.grid, longest + 1, rules.grid):
        # In integers: `ideal / parts` is the short edge that has exactly the ratio.
        ideal = long * stretch.denominator
        below = ideal // (parts * rules.grid) * rules.grid
        around = (below,) if below * parts == ideal else (below, below + rules.grid)
        shorts = sorted(
            filter(None, around), key=lambda short: (abs(short * parts - ideal), -short)
        )
        for short in shorts:
            size = (long, short) if ratio >= 1 else (short, long)
            if not find_broken_rules(rules, *size):
                yield size
                break


def _round_to_grid(edge: Fraction, grid: int) -> tuple[int, ...]:
    below = int(edge // grid) * grid
    return (below,) if below == edge else tuple(e for e in (below, below + grid) if e)


def _find_nearest_fixed(rules: FixedSizes, ratio: Fraction, pixels: int) -> tuple[int, int]:
    def distance(size: tuple[int, int]) -> tuple[float, int]:
        stretch = Fraction(*size) / ratio
        return round(abs(math.log(stretch)), 9), abs(_area(size) - pixels)

    return min(rules.sizes, key=distance)


def _has_ratio(size: tuple[int, int], ratio: Fraction) -> bool:
    return size[0] * ratio.denominator == size[1] * ratio.numerator


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


#: An aspect without a class gives the usual size of the model for these aspects.
_USUAL_ASPECTS = (Aspect(1, 1), Aspect(3, 2), Aspect(2, 3))


@dataclass(frozen=True, slots=True)
class FittedSize:
    """A size that the model makes, and how it differs from the requested size."""

    width: int
    height: int
    #: How it was chosen, as the end of a sentence.
    explanation: str
    #: The rules that the requested size breaks; empty if it is made as requested.
    broken: tuple[str, ...] = ()
    #: Distance from the requested size: the sum of the logarithms of the area and ratio quotients.
    distance: float = 0.0

    @property
    def text(self) -> str:
        """The size as text, like `1536x1024`."""
        return f"{self.width}x{self.height}"


def fit_size(model: Model, size: Size) -> FittedSize:
    """Return the pixels of a size on a model; a size that the model makes is never changed."""
    if isinstance(size, Exact):
        broken = find_broken_rules(model.sizes, size.width, size.height)
        made = find_nearest_size(model.sizes, size.width, size.height)
        explanation = "the nearest valid size" if broken else "as requested"
        distance = _measure_distance(made, size.width * size.height, size.width / size.height)
        return FittedSize(*made, explanation, broken, distance)
    if isinstance(size, SizeClass):
        usual = Aspect(16, 9) if size.name == "4k" else Aspect(1, 1)
        return _fit_class(model, size.name, size.aspect or usual)
    aspect = size if isinstance(size, Aspect) else None if isinstance(size, Auto) else size.aspect
    if aspect is None:
        return FittedSize(*model.usual_sizes[0], f"the default size of {model.name}")
    ratio = Fraction(aspect.w, aspect.h)
    if aspect in _USUAL_ASPECTS:
        for width, height in model.usual_sizes:
            if Fraction(width, height) == ratio:
                return FittedSize(width, height, f"the usual size for {aspect}")
    return _fit_aspect(model, aspect, CLASS_PIXELS["1k"])


def _fit_class(model: Model, name: ClassName, aspect: Aspect) -> FittedSize:
    most = CLASS_PIXELS[name]
    least = 1 + max((pixels for pixels in CLASS_PIXELS.values() if pixels < most), default=0)
    fitted = _fit_aspect(model, aspect, most)
    pixels = fitted.width * fitted.height
    if least <= pixels <= most:
        return fitted
    rule = f"{name} is {least:,} to {most:,} pixels and its size of this aspect has {pixels:,}"
    distance = _measure_distance((fitted.width, fitted.height), most, aspect.w / aspect.h)
    return replace(fitted, broken=(*fitted.broken, rule), distance=distance)


def _fit_aspect(model: Model, aspect: Aspect, budget: int) -> FittedSize:
    width, height = find_size_for_aspect(model.sizes, aspect.w, aspect.h, budget)
    ratio, broken = Fraction(aspect.w, aspect.h), []
    if isinstance(model.sizes, FixedSizes):
        if Fraction(width, height) != ratio:
            known = ", ".join(f"{w}x{h}" for w, h in model.sizes.sizes)
            broken.append(f"{aspect} is not available, only {known}")
    elif clamp_ratio(model.sizes, ratio) != ratio:
        limit = float(model.sizes.ratio_limit)
        broken.append(f"the ratio {aspect} is above {limit:.4g}:1, the highest it can make")
    exactly = "exactly" if Fraction(width, height) == ratio else "about"
    explanation = f"the largest of {exactly} {aspect} within {budget:,} pixels"
    pixels = width * height
    distance = _measure_distance((width, height), pixels, aspect.w / aspect.h) if broken else 0.0
    return FittedSize(width, height, explanation, tuple(broken), distance)


def _measure_distance(made: tuple[int, int], pixels: float, ratio: float) -> float:
    width, height = made
    return abs(math.log(width * height / pixels)) + abs(math.log(width / height / ratio))
