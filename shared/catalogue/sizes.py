"""Parse sizes as callers write them, and check which sizes a model makes."""

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Row(BaseModel):
    """A group of facts about a model or a price: frozen, unknown fields are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


type TierName = Literal["small", "standard", "large"]
type ClassName = Literal["1k", "2k", "4k"]

#: Pixel budgets of the named classes: 1024x1024, 2048x2048, and UHD, 3840x2160.
CLASS_PIXELS: dict[ClassName, int] = {"1k": 1_048_576, "2k": 4_194_304, "4k": 8_294_400}

SIZE_GRAMMAR = (
    "WIDTHxHEIGHT (1536x1024), an aspect (16:9), small, standard or large (large 3:2), "
    "1k, 2k or 4k (4k 16:9), or auto"
)
_EDGES = re.compile(r"([0-9]{1,5}) ?x ?([0-9]{1,5})")
_ASPECT = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,4})?) ?: ?([0-9]{1,5}(?:\.[0-9]{1,4})?)")
_TIERS: dict[str, TierName] = {"small": "small", "standard": "standard", "large": "large"}
_CLASSES: dict[str, ClassName] = {"1k": "1k", "2k": "2k", "4k": "4k"}


@dataclass(frozen=True, slots=True)
class Exact:
    """A size in pixels."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True)
class Aspect:
    """A ratio without a size, in lowest terms: 2.39:1 is 239:100."""

    w: int
    h: int

    def __str__(self) -> str:
        return f"{self.w}:{self.h}"


@dataclass(frozen=True, slots=True)
class Tier:
    """A legacy size tier with an optional aspect: it decides the quality, not the pixels."""

    name: TierName
    aspect: Aspect | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.aspect}" if self.aspect else self.name


@dataclass(frozen=True, slots=True)
class SizeClass:
    """A class of sizes by its pixel budget, with an optional aspect."""

    name: ClassName
    aspect: Aspect | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.aspect}" if self.aspect else self.name


@dataclass(frozen=True, slots=True)
class Auto:
    """The default size of the model."""

    def __str__(self) -> str:
        return "auto"


type Size = Exact | Aspect | Tier | SizeClass | Auto


def parse_size(text: str) -> Size:
    """Parse a size as a caller writes it; case and spaces do not matter. Raises `ValueError`."""
    plain = " ".join(text.lower().replace("×", "x").split())  # noqa: RUF001 - people type it
    if plain == "auto":
        return Auto()
    if edges := _EDGES.fullmatch(plain):
        width, height = int(edges[1]), int(edges[2])
        if not (width and height):
            raise ValueError(f"{_quote(text)} has an edge of 0 pixels; a size is {SIZE_GRAMMAR}")
        return Exact(width, height)
    first, _, rest = plain.partition(" ")
    if ":" in first and rest in _TIERS | _CLASSES:
        first, rest = rest, first
    if first in _TIERS:
        return Tier(_TIERS[first], _parse_aspect(rest, text) if rest else None)
    if first in _CLASSES:
        return SizeClass(_CLASSES[first], _parse_aspect(rest, text) if rest else None)
    return _parse_aspect(plain, text)


def _parse_aspect(plain: str, text: str) -> Aspect:
    sides = _ASPECT.fullmatch(plain)
    if sides is None:
        raise ValueError(f"{_quote(text)} is not a valid size; a size is {SIZE_GRAMMAR}")
    w, h = Fraction(sides[1]), Fraction(sides[2])
    if not (w and h):
        raise ValueError(f"{_quote(text)} has a side of 0; a size is {SIZE_GRAMMAR}")
    return Aspect((w / h).numerator, (w / h).denominator)


def _quote(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}…")  # noqa: PLR2004 - a line of a log


class FreeSizes(Row):
    """Any size on a grid within limits, all in pixels; None: no limit."""

    kind: Literal["free"] = "free"
    grid: int = Field(ge=1, le=256)
    min_edge: int = Field(default=1, ge=1)
    max_edge: int | None = Field(default=None, ge=1)
    min_pixels: int = Field(default=1, ge=1)
    max_pixels: int = Field(ge=1, le=268_435_456)
    #: Long edge to short edge.
    max_ratio: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _check_limits(self) -> Self:
        least = max(self.min_edge, math.isqrt(self.min_pixels - 1) + 1)
        square = -(-least // self.grid) * self.grid
        if broken := find_broken_rules(self, square, square):
            raise ValueError(f"these limits allow no square: for the smallest, {broken[0]}")
        return self

    @property
    def ratio_limit(self) -> Fraction:
        """The highest ratio that all limits together allow."""
        room = Fraction(self.max_pixels, self.min_edge)
        longest = min(room, Fraction(self.max_edge)) if self.max_edge else room
        limit = longest / self.min_edge
        return min(limit, Fraction(self.max_ratio)) if self.max_ratio else limit


class FixedSizes(Row):
    """Only these sizes, as (width, height)."""

    kind: Literal["fixed"] = "fixed"
    sizes: tuple[tuple[int, int], ...] = Field(min_length=1)


type SizeRules = Annotated[FreeSizes | FixedSizes, Field(discriminator="kind")]


def find_broken_rules(rules: FreeSizes | FixedSizes, width: int, height: int) -> tuple[str, ...]:
    """Return every rule that the size breaks; empty if the model makes the size."""
    if isinstance(rules, FixedSizes):
        if (width, height) in rules.sizes:
            return ()
        known = ", ".join(f"{w}x{h}" for w, h in rules.sizes)
        return (f"{width}x{height} is not one of its sizes ({known})",)
    long, short, pixels, broken = max(width, height), min(width, height), width * height, []
    if width % rules.grid or height % rules.grid:
        broken.append(f"both edges of {width}x{height} must be multiples of {rules.grid}")
    if rules.max_edge is not None and long > rules.max_edge:
        broken.append(f"the long edge, {long}, is above {rules.max_edge}")
    if short < rules.min_edge:
        broken.append(f"the short edge, {short}, is below {rules.min_edge}")
    if rules.max_ratio is not None and long > rules.max_ratio * short:
        broken.append(f"the ratio of {width}x{height} is above {rules.max_ratio}:1")
    if pixels > rules.max_pixels:
        broken.append(f"its {pixels:,} pixels are above {rules.max_pixels:,}")
    if pixels < rules.min_pixels:
        broken.append(f"its {pixels:,} pixels are below {rules.min_pixels:,}")
    return tuple(broken)
