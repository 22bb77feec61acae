"""The pixels a model makes for a size as it was written."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from .catalogue import Model
from .fitting import clamped, for_aspect, nearest
from .sizing import (
    CLASS_PIXELS,
    Aspect,
    Auto,
    ClassName,
    Exact,
    FixedSizes,
    Named,
    Size,
    broken_rules,
)

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
class Shaped:
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


def shape(model: Model, size: Size) -> Shaped:
    """Find the pixels of a size on a model; a size it makes is never touched."""
    if isinstance(size, Exact):
        broken = broken_rules(model.sizes, size.width, size.height)
        width, height = nearest(model.sizes, size.width, size.height)
        how = "the nearest it makes" if broken else "as asked"
        asked = (size.width * size.height, size.width / size.height)
        return Shaped(width, height, how, broken, _distance((width, height), *asked))
    if isinstance(size, Named):
        return _of_class(model, size.name, size.aspect or _OWN_SHAPES[size.name])
    aspect = size if isinstance(size, Aspect) else None if isinstance(size, Auto) else size.aspect
    if aspect is None:
        return Shaped(*model.usual_sizes[0], f"the default size of {model.name}")
    ratio = Fraction(aspect.w, aspect.h)
    usual = [(w, h) for w, h in model.usual_sizes if Fraction(w, h) == ratio]
    if usual and aspect in _USUAL_SHAPES:
        return Shaped(*usual[0], f"the usual size for {aspect}")
    return _of_shape(model, aspect, CLASS_PIXELS["1k"])


def _of_class(model: Model, name: ClassName, aspect: Aspect) -> Shaped:
    least, most = _BELOW[name] + 1, CLASS_PIXELS[name]
    shaped = _of_shape(model, aspect, most)
    pixels = shaped.width * shaped.height
    if least <= pixels <= most:
        return shaped
    rule = f"{name} is {least:,} to {most:,} pixels and its size of the shape has {pixels:,}"
    distance = _distance((shaped.width, shaped.height), most, aspect.w / aspect.h)
    return replace(shaped, broken=(*shaped.broken, rule), distance=distance)


def _of_shape(model: Model, aspect: Aspect, budget: int) -> Shaped:
    width, height = for_aspect(model.sizes, aspect.w, aspect.h, budget)
    ratio, broken = Fraction(aspect.w, aspect.h), []
    if isinstance(model.sizes, FixedSizes):
        if Fraction(width, height) != ratio:
            known = ", ".join(f"{w}x{h}" for w, h in model.sizes.sizes)
            broken.append(f"it makes no {aspect}, only {known}")
    elif clamped(model.sizes, ratio) != ratio:
        limit = float(model.sizes.ratio_limit)
        broken.append(f"{aspect} is more stretched than {limit:.4g}:1, the most it has room for")
    exactly = "exactly" if Fraction(width, height) == ratio else "as near as its grid comes to"
    how = f"its largest of {exactly} {aspect} within {budget:,} pixels"
    pixels = width * height
    distance = _distance((width, height), pixels, aspect.w / aspect.h) if broken else 0.0
    return Shaped(width, height, how, tuple(broken), distance)


def _distance(made: tuple[int, int], pixels: float, ratio: float) -> float:
    width, height = made
    return abs(math.log(width * height / pixels)) + abs(math.log(width / height / ratio))
