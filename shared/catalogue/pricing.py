"""What pictures cost: tokens and dollars estimated before a call, billed from its usage after."""

import math
from collections.abc import Sequence
from fractions import Fraction

from pydantic import BaseModel, ConfigDict, JsonValue

from .models import Model, QualityLevel

#: Upper bound of prompt tokens: English has about one token to four characters; Chinese, Japanese
#: or Hindi text about one to one; two cover all but strings of emoji.
TOKENS_PER_CHARACTER = 2
#: MAI counts 1,024 tokens for 1024x1024 (https://github.com/pollinations/pollinations/pull/14469).
PIXELS_PER_TOKEN = 1024
#: FLUX bills by started megapixel of 1024x1024.
MEGAPIXEL = 1_048_576
#: The most that an input picture was seen to count, and an upper bound by the only known fit
#: (https://github.com/david-share/Multimodal-Models: 1,024 for 1024x1024).
TOKENS_PER_INPUT = 1_536
_MILLION = 1_000_000


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenEstimate(_Data):
    """Output tokens of one picture under both ways of counting; None where there is none."""

    legacy: int | None = None
    bucket: int | None = None


class Estimate(_Data):
    """What a job is expected to cost at most."""

    tokens: TokenEstimate
    #: All pictures and prompts, by the higher count; None where no price is known.
    usd: float | None
    basis: str


class Usage(_Data):
    """The usage a reply reports, in tokens; a part that was not reported is None."""

    input_tokens: int = 0
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    output_tokens: int = 0
    output_image_tokens: int | None = None
    output_text_tokens: int | None = None
    total_tokens: int = 0

    @classmethod
    def read(cls, envelope_usage: JsonValue) -> "Usage | None":
        """Read the `usage` of a reply as far as it makes sense; None when it counts no output."""
        if not isinstance(envelope_usage, dict):
            return None
        given = envelope_usage
        ins, outs = given.get("input_tokens_details"), given.get("output_tokens_details")
        entered = _count(given, "input_tokens")
        made, total = _count(given, "output_tokens"), _count(given, "total_tokens")
        if made is None:  # an earlier spelling of MAI
            made = _count(given, "num_output_tokens")
        if made is None and total is not None and entered is not None:
            made = max(0, total - entered)
        if made is None:
            return None
        return cls(
            input_tokens=entered or 0,
            input_text_tokens=_count(ins, "text_tokens"),
            input_image_tokens=_count(ins, "image_tokens"),
            output_tokens=made,
            output_image_tokens=_count(outs, "image_tokens"),
            output_text_tokens=_count(outs, "text_tokens"),
            total_tokens=(entered or 0) + made if total is None else total,
        )


def count_bucket_tokens(q: int, w: int, h: int) -> int:
    """Count the output of one picture with `q` tokens along its long edge.

    OpenAI's published calculator, as eight public code bases reproduce it (2026-04 to 2026-10).
    """
    # Fractions, since a float's rounding could turn a half the other way.
    short = round(q * Fraction(min(w, h), max(w, h)))
    return _scaled(q * short, w, h)


def count_legacy_tokens(s: int, w: int, h: int) -> int:
    """Count the output of one picture with `s` tokens along its short edge, on gpt-image-2.

    Exact for the nine cells measured on Azure on 2026-04-22
    (https://github.com/david-share/Multimodal-Models).
    """
    return _scaled(count_grid_tokens(s, w, h), w, h)


def count_grid_tokens(s: int, w: int, h: int) -> int:
    """Count the output of one picture on the gpt-image-1 models: the bare grid, a row end a row.

    https://github.com/BerriAI/litellm/pull/11540 has the table it reproduces.
    """
    long = round(s * Fraction(max(w, h), min(w, h)))
    columns, rows = (long, s) if w >= h else (s, long)
    return rows * (columns + 1)


def _scaled(tokens: int, w: int, h: int) -> int:
    return -(-tokens * (2_000_000 + w * h) // 4_000_000)


def estimate_tokens(model: Model, quality: str | None, w: int, h: int) -> TokenEstimate:
    """Count the output of one picture under both modes, as far as the model knows them."""
    level = model.quality(quality)
    if level is None or model.tokens not in {"scaled", "grid"}:
        return TokenEstimate()
    return TokenEstimate(legacy=_legacy(model, level, w, h), bucket=_bucket(model, level, w, h))


def _legacy(model: Model, level: QualityLevel, w: int, h: int) -> int | None:
    if level.grid is None:
        return None
    count = count_legacy_tokens if model.tokens == "scaled" else count_grid_tokens
    return count(level.grid, w, h)


def _bucket(model: Model, level: QualityLevel, w: int, h: int) -> int | None:
    if level.bucket is None or model.tokens != "scaled":
        return None
    return count_bucket_tokens(level.bucket, w, h)


def estimate(
    model: Model,
    quality: str | None,
    w: int,
    h: int,
    *,
    n: int,
    prompt_characters: int,
    input_pixels: Sequence[int] = (),
) -> Estimate:
    """Estimate the most that `n` pictures cost: the higher count, the longest reading of a prompt.

    `input_pixels` are those of each picture to edit. A model without prices gives None: its cost is
    not known, which is not the same as nothing.
    """
    tokens = estimate_tokens(model, quality, w, h)
    calls = math.ceil(n / model.max_n_per_call)
    prices = model.prices
    if prices is None:
        basis = f"no price of {model.name} is known, so the cost is unknown, not zero"
        return Estimate(tokens=tokens, usd=None, basis=basis)
    if model.tokens == "megapixels":
        megapixels = math.ceil(w * h / MEGAPIXEL)
        usd = n * megapixels * (prices.megapixel_out or 0.0) + calls * prices.first_output
        basis = (
            f"{megapixels} megapixel a picture at ${prices.megapixel_out} each"
            f" and ${prices.first_output} a call"
        )
        if input_pixels:
            entering = sum(math.ceil(pixels / MEGAPIXEL) for pixels in input_pixels)
            usd += calls * entering * prices.megapixel_in
            basis += f", {entering} megapixel of inputs a call at ${prices.megapixel_in} each"
        return Estimate(tokens=tokens, usd=round(usd, 6), basis=basis)
    counts = [count for count in (tokens.legacy, tokens.bucket) if count is not None]
    made = max(counts, default=math.ceil(w * h / PIXELS_PER_TOKEN))
    entered = calls * TOKENS_PER_CHARACTER * prompt_characters
    seen = calls * TOKENS_PER_INPUT * len(input_pixels)
    usd = (
        n * made * (prices.image_out or 0.0) + entered * prices.text_in + seen * prices.image_in
    ) / _MILLION
    modes = ""
    if tokens.legacy is not None and tokens.bucket is not None:
        modes = f"the higher of {tokens.legacy:,} (legacy) and {tokens.bucket:,} (bucket): "
    basis = (
        f"{modes}{made:,} output tokens a picture at ${prices.image_out} a million"
        f" and at most {entered:,} prompt tokens at ${prices.text_in}"
    )
    if input_pixels:
        basis += f", {seen:,} tokens of inputs at ${prices.image_in}"
    return Estimate(tokens=tokens, usd=round(usd, 6), basis=basis)


def compute_cost(model: Model, usage: Usage) -> float | None:
    """Bill a usage in USD; None where the model has no price for tokens.

    Without details all output is image tokens and all input is text, as the endpoint bills it.
    """
    prices = model.prices
    if prices is None or prices.image_out is None:
        return None
    seen = _part(usage.input_image_tokens, usage.input_text_tokens, usage.input_tokens, first=False)
    read = _part(usage.input_text_tokens, seen, usage.input_tokens, first=True)
    drawn = _part(
        usage.output_image_tokens, usage.output_text_tokens, usage.output_tokens, first=True
    )
    written = _part(usage.output_text_tokens, drawn, usage.output_tokens, first=True)
    written_rate = prices.image_out if prices.text_out is None else prices.text_out
    usd = (
        read * prices.text_in
        + seen * prices.image_in
        + drawn * prices.image_out
        + written * written_rate
    )
    return round(usd / _MILLION, 9)


def _part(own: int | None, other: int | None, whole: int, *, first: bool) -> int:
    """Take one of two parts of a count; what neither names belongs to the `first` one."""
    if own is not None:
        return own
    if other is None and not first:
        return 0
    return max(0, whole - (other or 0))


def _count(holder: JsonValue, name: str) -> int | None:
    value = holder.get(name) if isinstance(holder, dict) else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
