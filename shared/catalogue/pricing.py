"""Estimate what pictures cost before a call, and compute the cost from the usage after it."""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from pydantic import ConfigDict, JsonValue

from .models import Model
from .sizes import Row

#: Upper bound of prompt tokens: English has about one token for four characters; Chinese, Japanese
#: or Hindi about one for one; two are enough for everything but strings of emoji.
TOKENS_PER_CHARACTER = 2
#: MAI counts 1,024 tokens for 1024x1024 (https://github.com/pollinations/pollinations/pull/14469).
PIXELS_PER_TOKEN = 1024
#: FLUX bills by started megapixel of 1024x1024.
MEGAPIXEL = 1_048_576
#: Highest count seen for an input picture, and an upper bound by the only known formula
#: (https://github.com/david-share/Multimodal-Models: 1,024 for 1024x1024).
TOKENS_PER_INPUT = 1_536
#: Output tokens that each partial image adds
#: (https://developers.openai.com/api/docs/guides/image-generation).
TOKENS_PER_PREVIEW = 100
#: A larger count of tokens is read as this; it is absurd, and a float may not hold the true one.
MAX_COUNT = 10**15
_MILLION = 1_000_000


#: Of what a record keeps: what a later version adds survives; answers and events promise no more.
_STORED: Final = ConfigDict(extra="allow", json_schema_extra={"additionalProperties": False})


class TokenEstimate(Row):
    """Output tokens of one picture by both formulas; None: the model does not have it."""

    model_config = _STORED

    legacy: int | None = None
    bucket: int | None = None

    @property
    def billed(self) -> int | None:
        """The count that is billed: by the bucket formula wherever the model has it.

        Azure counted so for gpt-image-2 and 2.5 in September 2026
        (https://github.com/david-share/Multimodal-Models).
        """
        return self.legacy if self.bucket is None else self.bucket


class Estimate(Row):
    """What a job is expected to cost at most."""

    tokens: TokenEstimate
    #: For all pictures and prompts; None where no price is known.
    usd: float | None
    #: The part of it that prompts and pictures to edit cost; None: not priced apart.
    input_usd: float | None = None
    basis: str


class Usage(Row):
    """The usage in a reply, in tokens; None for a count that was not reported."""

    model_config = _STORED

    input_tokens: int = 0
    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    output_tokens: int = 0
    output_image_tokens: int | None = None
    output_text_tokens: int | None = None
    total_tokens: int = 0

    @classmethod
    def read(cls, reply: JsonValue) -> "Usage | None":
        """Return the valid counts in `usage` of a reply; None if the reply has no usage.

        MAI spells them `num_...`, and earlier had them at the top level of the reply
        (https://github.com/promptfoo/promptfoo/pull/9595). A required count that is not valid is
        zero, which no cost of a picture agrees with.
        """
        if not isinstance(reply, dict):
            return None
        given = reply.get("usage")
        usage = given if given and isinstance(given, dict) else reply
        ins, outs = usage.get("input_tokens_details"), usage.get("output_tokens_details")
        text, image = _read_count(ins, "text_tokens"), _read_count(ins, "image_tokens")
        if text is None and image is None:
            text = _read_count(usage, "num_input_text_tokens")
            image = _read_count(usage, "num_input_image_tokens")
        entered, total = _read_count(usage, "input_tokens"), _read_count(usage, "total_tokens")
        if entered is None and (text is not None or image is not None):
            entered = (text or 0) + (image or 0)
        made = _read_count(usage, "output_tokens", "num_output_tokens")
        if made is None and total is not None and entered is not None:
            made = max(0, total - entered)
        if made is None and given is None:
            return None
        made = made or 0
        return cls(
            input_tokens=entered or 0,
            input_text_tokens=text,
            input_image_tokens=image,
            output_tokens=made,
            output_image_tokens=_read_count(outs, "image_tokens"),
            output_text_tokens=_read_count(outs, "text_tokens"),
            total_tokens=(entered or 0) + made if total is None else total,
        )


def count_bucket_tokens(q: int, w: int, h: int) -> int:
    """Return the output tokens of one picture with `q` tokens along its long edge.

    OpenAI's published calculator, as eight public code bases reproduce it (2026-04 to 2026-10).
    """
    # Fractions: a float could round a half in the wrong direction.
    short = round(q * Fraction(min(w, h), max(w, h)))
    return _scale_to_area(q * short, w, h)


def count_legacy_tokens(s: int, w: int, h: int) -> int:
    """Return the output tokens of one picture with `s` tokens along its short edge, on gpt-image-2.

    Exact for the nine cells measured on Azure on 2026-04-22
    (https://github.com/david-share/Multimodal-Models).
    """
    return _scale_to_area(count_grid_tokens(s, w, h), w, h)


def count_grid_tokens(s: int, w: int, h: int) -> int:
    """Return the output tokens of one picture on gpt-image-1 models: the grid and one for each row.

    It reproduces the table in https://github.com/BerriAI/litellm/pull/11540.
    """
    long = round(s * Fraction(max(w, h), min(w, h)))
    columns, rows = (long, s) if w >= h else (s, long)
    return rows * (columns + 1)


def _scale_to_area(tokens: int, w: int, h: int) -> int:
    return -(-tokens * (2_000_000 + w * h) // 4_000_000)


def estimate_tokens(model: Model, quality: str | None, w: int, h: int) -> TokenEstimate:
    """Return the output tokens of one picture in each way of counting that the model has."""
    level = model.quality(quality)
    if level is None or model.tokens not in {"bucket", "grid"}:
        return TokenEstimate()
    if model.tokens == "grid":
        return TokenEstimate(legacy=level.grid and count_grid_tokens(level.grid, w, h))
    return TokenEstimate(
        legacy=level.grid and count_legacy_tokens(level.grid, w, h),
        bucket=level.bucket and count_bucket_tokens(level.bucket, w, h),
    )


def estimate(
    model: Model,
    quality: str | None,
    w: int,
    h: int,
    *,
    n: int,
    prompt_characters: int,
    input_pixels: Sequence[int] = (),
    previews: int = 0,
) -> Estimate:
    """Return the highest cost of `n` pictures: by the count that is billed and the longest prompt.

    `input_pixels` has one number for each picture to edit; `previews` come of each picture. The
    cost of a model without prices is None: not known, not zero.
    """
    tokens = estimate_tokens(model, quality, w, h)
    calls = math.ceil(n / model.most_per_call(previews=previews))
    prices = model.prices
    if prices is None:
        basis = f"the price of {model.name} is not known, so the cost is unknown, not zero"
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
    made = math.ceil(w * h / PIXELS_PER_TOKEN) if tokens.billed is None else tokens.billed
    entered = calls * TOKENS_PER_CHARACTER * prompt_characters
    seen = calls * TOKENS_PER_INPUT * len(input_pixels)
    input_usd = (entered * prices.text_in + seen * prices.image_in) / _MILLION
    extra = TOKENS_PER_PREVIEW * previews
    usd = n * (made + extra) * (prices.image_out or 0.0) / _MILLION + input_usd
    of_previews = f" and {extra} for {previews} previews of it" if previews else ""
    basis = (
        f"{made:,} output tokens a picture{of_previews} at ${prices.image_out} a million"
        f" and at most {entered:,} prompt tokens at ${prices.text_in}"
    )
    if input_pixels:
        basis += f", {seen:,} tokens of inputs at ${prices.image_in}"
    return Estimate(tokens=tokens, usd=round(usd, 6), input_usd=input_usd or None, basis=basis)


def compute_cost(model: Model, usage: Usage) -> float | None:
    """Return the cost of a usage, USD; None where the model has no price for tokens.

    Without details, all output counts as image tokens and all input as text, as the endpoint bills.
    """
    prices = model.prices
    if prices is None or prices.image_out is None:
        return None
    text_in, image_in = _split(
        usage.input_tokens, usage.input_text_tokens, usage.input_image_tokens
    )
    image_out, text_out = _split(
        usage.output_tokens, usage.output_image_tokens, usage.output_text_tokens
    )
    usd = (
        text_in * prices.text_in
        + image_in * prices.image_in
        + image_out * prices.image_out
        + text_out * (prices.image_out if prices.text_out is None else prices.text_out)
    )
    return round(usd / _MILLION, 9)


def _split(whole: int, main: int | None, rest: int | None) -> tuple[int, int]:
    """Return both parts of a count; tokens that neither part names belong to `main`."""
    if main is None:
        main = max(0, whole - (rest or 0))
    return main, max(0, whole - main) if rest is None else rest


def _read_count(holder: JsonValue, *names: str) -> int | None:
    """Return the first of these members that is a count, at most `MAX_COUNT`."""
    values = [holder.get(name) for name in names] if isinstance(holder, dict) else []
    counts = (each for each in values if isinstance(each, int) and not isinstance(each, bool))
    return next((min(count, MAX_COUNT) for count in counts if count >= 0), None)
