"""The nearest size that a model makes, when it does not make the one asked for.

The pixels a model makes for a size as it was written.
"""

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

#: A size of exactly the aspect is preferred while it has this share of the pixels to be had.
EXACT_SHARE = Fraction(6, 10)


def find_nearest_size(rules: FreeSizes | FixedSizes, width: int, height: int) -> tuple[int, int]:
    """Find the valid size to make instead: the same one when it is valid, else of its aspect.

    Too large: the largest that fits. Too small: the smallest that reaches. Only off the grid: the
    nearest on it, ties upwards. A shape that is stretched too far is clamped, its long edge kept.
    """
    if not find_broken_rules(rules, width, height):
        return width, height
    if isinstance(rules, FixedSizes):
        return _nearest_fixed(rules, Fraction(width, height), width * height)
    ratio = clamp_ratio(rules, Fraction(width, height))
    wide, high = (
        (Fraction(width), width / ratio) if width >= height else (height * ratio, Fraction(height))
    )
    longest = rules.max_edge or rules.max_pixels
    if wide * high > rules.max_pixels or max(wide, high) > longest:
        return _largest(rules, ratio, rules.max_pixels)
    if wide * high < rules.min_pixels or min(wide, high) < rules.min_edge:
        return _smallest(rules, ratio)
    around = [(w, h) for w in _around(wide, rules.grid) for h in _around(high, rules.grid)]
    on_grid = [size for size in around if not find_broken_rules(rules, *size)]
    if not on_grid:
        return _largest(rules, ratio, int(wide * high))
    return min(on_grid, key=lambda s: (abs(s[0] - wide) + abs(s[1] - high), -s[0] * s[1]))


def find_size_for_aspect(
    rules: FreeSizes | FixedSizes, w: int, h: int, budget_pixels: int
) -> tuple[int, int]:
    """Find the largest valid size of the aspect that has at most so many pixels.

    Exactly of the aspect while that uses 60 % of the budget, else the nearest on the
    grid. When nothing fits the budget, it is the smallest (free) or nearest (fixed) size there is.
    """
    if isinstance(rules, FixedSizes):
        return _nearest_fixed(rules, Fraction(w, h), budget_pixels)
    return _largest(rules, clamp_ratio(rules, Fraction(w, h)), min(budget_pixels, rules.max_pixels))


def clamp_ratio(rules: FreeSizes, ratio: Fraction) -> Fraction:
    """Bring a shape (width to height) within the most stretched one that the rules allow."""
    return max(1 / rules.ratio_limit, min(ratio, rules.ratio_limit))


def _largest(rules: FreeSizes, ratio: Fraction, budget: int) -> tuple[int, int]:
    fitting = [(w, h) for w, h in _shaped(rules, ratio) if w * h <= budget]
    if not fitting:
        return _smallest(rules, ratio)
    exact = [size for size in fitting if _has_shape(size, ratio)]
    best = max(exact, key=_area, default=None)
    if best is not None and _area(best) >= EXACT_SHARE * budget:
        return best
    return max(fitting, key=_area)


def _smallest(rules: FreeSizes, ratio: Fraction) -> tuple[int, int]:
    # Limits so narrow that they hold nothing of the shape hold a square: `FreeSizes` sees to it.
    shaped = list(_shaped(rules, ratio)) or list(_shaped(rules, Fraction(1)))
    exact = [size for size in shaped if _has_shape(size, ratio)]
    least, best = min(shaped, key=_area), min(exact, key=_area, default=None)
    if best is not None and EXACT_SHARE * _area(best) <= _area(least):
        return best
    return least


def _shaped(rules: FreeSizes, ratio: Fraction) -> Iterator[tuple[int, int]]:
    """Yield the valid sizes of about a shape, one for each long edge, from small to large."""
    stretch = max(ratio, 1 / ratio)
    longest = min(rules.max_edge or rules.max_pixels, rules.max_pixels // rules.min_edge)
    if not rules.max_edge:  # no edge is longer than that of the most stretched shape, plus a step
        longest = min(longest, math.isqrt(int(rules.max_pixels * stretch)) + rules.grid)
    parts = stretch.numerator
    for long in range(rules.grid, longest + 1, rules.grid):
        # In integers: `ideal / parts` is the short edge that has exactly the shape.
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


def _around(edge: Fraction, grid: int) -> tuple[int, ...]:
    below = int(edge // grid) * grid
    return (below,) if below == edge else tuple(e for e in (below, below + grid) if e)


def _nearest_fixed(rules: FixedSizes, ratio: Fraction, pixels: int) -> tuple[int, int]:
    def distance(size: tuple[int, int]) -> tuple[float, int]:
        stretch = Fraction(*size) / ratio
        return round(abs(math.log(stretch)), 9), abs(_area(size) - pixels)

    return min(rules.sizes, key=distance)


def _has_shape(size: tuple[int, int], ratio: Fraction) -> bool:
    return size[0] * ratio.denominator == size[1] * ratio.numerator


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


#: Shapes that have a usual size of their own, so a bare aspect gives that size.
_USUAL_SHAPES = (Aspect(1, 1), Aspect(3, 2), Aspect(2, 3))
_BELOW: dict[ClassName, int] = {
    "1k": 0,
    "2k": CLASS_PIXELS["1k"],
    "4k": CLASS_PIXELS["2k"],
}
_OWN_SHAPES: dict[ClassName, Aspect] = {
    "1k": Aspect(1, 1),
    "2k": Aspect(1, 1),
    "4k": Aspect(16, 9),
}


@dataclass(frozen=True, slots=True)
class FittedSize:
    """A size the model makes, and what keeps it from being the one asked for."""

    width: int
    height: int
    #: How it came about, as the end of a sentence.
    how: str
    #: The rules that the size asked for breaks; empty when it is made as asked.
    broken: tuple[str, ...] = ()
    #: How far it is from the one asked for: the logarithms of what area and shape differ by.
    distance: float = 0.0

    @property
    def text(self) -> str:
        """The size as it is written."""
        return f"{self.width}x{self.height}"


def fit_size(model: Model, size: Size) -> FittedSize:
    """Find the pixels of a size on a model; a size it makes is never touched."""
    if isinstance(size, Exact):
        broken = find_broken_rules(model.sizes, size.width, size.height)
        width, height = find_nearest_size(model.sizes, size.width, size.height)
        how = "the nearest it makes" if broken else "as asked"
        asked = (size.width * size.height, size.width / size.height)
        return FittedSize(width, height, how, broken, _distance((width, height), *asked))
    if isinstance(size, SizeClass):
        return _of_class(model, size.name, size.aspect or _OWN_SHAPES[size.name])
    aspect = size if isinstance(size, Aspect) else None if isinstance(size, Auto) else size.aspect
    if aspect is None:
        return FittedSize(*model.usual_sizes[0], f"the default size of {model.name}")
    ratio = Fraction(aspect.w, aspect.h)
    usual = [(w, h) for w, h in model.usual_sizes if Fraction(w, h) == ratio]
    if usual and aspect in _USUAL_SHAPES:
        return FittedSize(*usual[0], f"the usual size for {aspect}")
    return _of_shape(model, aspect, CLASS_PIXELS["1k"])


def _of_class(model: Model, name: ClassName, aspect: Aspect) -> FittedSize:
    least, most = _BELOW[name] + 1, CLASS_PIXELS[name]
    shaped = _of_shape(model, aspect, most)
    pixels = shaped.width * shaped.height
    if least <= pixels <= most:
        return shaped
    rule = f"{name} is {least:,} to {most:,} pixels and its size of the shape has {pixels:,}"
    distance = _distance((shaped.width, shaped.height), most, aspect.w / aspect.h)
    return replace(shaped, broken=(*shaped.broken, rule), distance=distance)


def _of_shape(model: Model, aspect: Aspect, budget: int) -> FittedSize:
    width, height = find_size_for_aspect(model.sizes, aspect.w, aspect.h, budget)
    ratio, broken = Fraction(aspect.w, aspect.h), []
    if isinstance(model.sizes, FixedSizes):
        if Fraction(width, height) != ratio:
            known = ", ".join(f"{w}x{h}" for w, h in model.sizes.sizes)
            broken.append(f"it makes no {aspect}, only {known}")
    elif clamp_ratio(model.sizes, ratio) != ratio:
        limit = float(model.sizes.ratio_limit)
        broken.append(f"{aspect} is more stretched than {limit:.4g}:1, the most it has room for")
    exactly = "exactly" if Fraction(width, height) == ratio else "as near as its grid comes to"
    how = f"its largest of {exactly} {aspect} within {budget:,} pixels"
    pixels = width * height
    distance = _distance((width, height), pixels, aspect.w / aspect.h) if broken else 0.0
    return FittedSize(width, height, how, tuple(broken), distance)


def _distance(made: tuple[int, int], pixels: float, ratio: float) -> float:
    width, height = made
    return abs(math.log(width * height / pixels)) + abs(math.log(width / height / ratio))
