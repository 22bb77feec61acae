"""Token counts and prices of a call: output tokens in both modes, input tokens, dollars.

Mode 2 (tokens along the long edge) is the calculator OpenAI publishes, and what Azure counted in
September 2026; mode 1 (along the short edge) gives the nine numbers measured there in April.
"""

from dataclasses import dataclass
from math import ceil, floor
from typing import Literal

from local.foundry.state.models import Model

type Mode = Literal[1, 2]

PATCH = 32
MAX_PATCHES = 1_536
PARTIAL_TOKENS = 100  # each partial image is billed with 100 output tokens (OpenAI's guide)
MAI_TOKENS = 1_024  # of 1024x1024 pixels


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of all pictures of one call."""

    text: int
    images: int
    output: int

    @property
    def total(self) -> int:
        """Input and output tokens together."""
        return self.text + self.images + self.output


def output_tokens(model: Model, quality: str, width: int, height: int, mode: Mode) -> int:
    """Return the output tokens of one picture."""
    if model.family == "mai":
        return ceil(MAI_TOKENS * width * height / 1_048_576)
    if model.family == "flux":
        return 0
    level = model.qualities[quality]
    if not model.counts_area:
        return _grid(level.tier, width, height)
    if mode == 1:
        return _scaled(_grid(level.tier, width, height), width, height)
    long, short = max(width, height), min(width, height)
    return _scaled(level.bucket * round(level.bucket * short / long), width, height)


def _grid(tier: int, width: int, height: int) -> int:
    long = round(tier * max(width, height) / min(width, height))
    columns, rows = (long, tier) if width >= height else (tier, long)
    return rows * (columns + 1)


def _scaled(tokens: int, width: int, height: int) -> int:
    return -(-tokens * (2_000_000 + width * height) // 4_000_000)


def text_tokens(prompt: str) -> int:
    """Return the input tokens of a prompt: four bytes each, at least seven (lowest measured)."""
    return max(7, ceil(len(prompt.encode()) / 4))


def image_tokens(width: int, height: int) -> int:
    """Return the input tokens of a picture: 32-pixel patches, at most 1,536 (fitted by others)."""
    grow = max(1.0, min(2.0, 1024 / max(width, height)))
    w, h = width * grow, height * grow
    if ceil(w / PATCH) * ceil(h / PATCH) > MAX_PATCHES:
        shrink = (MAX_PATCHES * PATCH * PATCH / (w * h)) ** 0.5
        columns, rows = w * shrink / PATCH, h * shrink / PATCH
        shrink *= min(floor(columns) / columns, floor(rows) / rows)
        w, h = round(w * shrink, 3), round(h * shrink, 3)
    return ceil(w / PATCH) * ceil(h / PATCH)


def dollars(model: Model, usage: Usage, *, pixels: int) -> float:
    """Return the cost in USD; `pixels` of all pictures, for models billed by area."""
    prices = model.prices
    tokens = (
        usage.text * prices.text_in
        + usage.images * prices.image_in
        + usage.output * prices.image_out
    )
    premium = 1 if model.name == "FLUX.2-pro" else 0  # one megapixel more for the first output
    area = prices.megapixel * (pixels / 1_000_000 + premium)
    return float(round(tokens / 1_000_000 + area, 6))
