"""Requests of the three families, validated in the order and the words of the service."""

import base64
import binascii
import math
import re
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from local.foundry.api import problems
from local.foundry.api import validation as validate
from local.foundry.api.forms import Form, Upload, check_mask, open_upload
from local.foundry.api.validation import Members
from local.foundry.drawing.renderer import Format
from local.foundry.state.models import Model
from local.foundry.state.settings import Settings
from local.foundry.state.sizes import flux_size, mai_size, read_size

type Operation = Literal["generations", "edits"]

MAX_N = 10
MAX_PARTIALS = 3
_COMMON = {
    "prompt",
    "n",
    "size",
    "quality",
    "output_format",
    "output_compression",
    "background",
    "moderation",
    "user",
    "stream",
    "partial_images",
    "model",
}
_EDIT_ONLY = {"input_fidelity"}
_LEVELS = ("low", "medium", "high", "xhigh", "max", "auto")


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A validated request with every default filled in. Pixels; MAI and FLUX have no quality."""

    operation: Operation
    model: Model
    prompt: str
    width: int
    height: int
    n: int = 1
    auto_size: bool = False
    quality: str | None = None
    format: Format = "png"
    compression: int = 100
    background: str = "opaque"
    stream: bool = False
    partial_images: int = 0
    inputs: tuple[Upload, ...] = ()

    @property
    def size(self) -> str:
        """The size as the API writes it."""
        return f"{self.width}x{self.height}"


def read_openai(
    members: Members,
    *,
    model: Model,
    operation: Operation,
    settings: Settings,
    form: Form | None = None,
) -> ImageRequest:
    """Validate an OpenAI request in the order of the service; raise its error reply."""
    validate.refuse_unknown(members, _COMMON | (_EDIT_ONLY if operation == "edits" else set()))
    images = tuple(form.images) if form else ()
    if operation == "edits":
        _check_edit(members, model, images, form.mask if form else None)
    prompt = validate.prompt(members, model.prompt_limit)
    n = validate.integer(members, "n", least=1, most=MAX_N) or 1
    size = validate.text(members, "size") or "auto"
    width, height = (
        _auto_size(settings)
        if size == "auto"
        else read_size(model, size, resize=settings.oversize == "resize")
    )
    chosen, compression, background = _encoding(members)
    stream = validate.boolean(members, "stream")
    partials = validate.integer(members, "partial_images", least=0, most=MAX_PARTIALS) or 0
    if stream and n > 1:
        raise problems.invalid("Streaming is only supported with n=1.", "n", "invalid_value")
    validate.choice(members, "moderation", ("auto", "low"), "auto")
    validate.text(members, "user")
    return ImageRequest(
        operation=operation,
        model=model,
        prompt=prompt,
        width=width,
        height=height,
        n=n,
        auto_size=size == "auto",
        quality=_quality(members, model, settings),
        format=chosen,
        compression=compression,
        background=background,
        stream=stream,
        partial_images=partials,
        inputs=images,
    )


def _auto_size(settings: Settings) -> tuple[int, int]:
    """Return the size of `auto`; it may break the rules (Microsoft's note of July 2026)."""
    width, _, height = settings.auto_size.partition("x")
    return int(width), int(height)


def _quality(members: Members, model: Model, settings: Settings) -> str:
    asked = validate.choice(members, "quality", _LEVELS, model.default_quality)
    if asked == "auto" and model.auto_quality:
        return settings.auto_quality or model.auto_quality
    if asked not in model.qualities:
        message = f"The model '{model.name}' does not support quality '{asked}'"
        raise problems.invalid(message, "quality", "invalid_value")
    return asked


def _encoding(members: Members) -> tuple[Format, int, str]:
    jpeg = validate.choice(members, "output_format", ("png", "jpeg"), "png") == "jpeg"
    compression = validate.integer(members, "output_compression", least=0, most=100)
    if not jpeg and compression not in {None, 100}:  # the text is assumed
        message = "Compression less than 100 is not supported for PNG output format."
        raise problems.invalid(message, "output_compression", "invalid_value")
    levels = ("transparent", "opaque", "auto")
    background = validate.choice(members, "background", levels, "auto")
    if jpeg and background == "transparent":  # the text is assumed
        message = "Transparent background is not supported for JPEG output format."
        raise problems.invalid(message, "background", "invalid_value")
    # The reply echoes the decision for `auto`: a drawn picture is opaque.
    return (
        "jpeg" if jpeg else "png",
        100 if compression is None else compression,
        "opaque" if background == "auto" else background,
    )


def _check_edit(
    members: Members, model: Model, images: tuple[Upload, ...], mask: Upload | None
) -> None:
    if members.get("input_fidelity") is not None and model.name == "gpt-image-1-mini":
        raise problems.unknown_parameter("input_fidelity")
    validate.choice(members, "input_fidelity", ("low", "high"), "low")
    if not images:
        raise problems.missing("image")
    if len(images) > model.max_inputs:
        message = (
            f"Invalid 'image': array too long. Expected an array with maximum length "
            f"{model.max_inputs}, but got an array with length {len(images)} instead."
        )
        raise problems.invalid(message, "image", "array_above_max_length")
    if mask is not None:
        check_mask(mask, images[0])


_MAI = {"model", "prompt", "width", "height", "n"}
_FLUX = {
    "model",
    "prompt",
    "width",
    "height",
    "output_format",
    "num_images",
    "seed",
    "safety_tolerance",
    "guidance",
    "steps",
    "aspect_ratio",
    "prompt_unsampling",
}
_INPUT = re.compile(r"input_image(_[2-9]|_10)?")
_HUGE = 1 << 31


def read_mai(
    members: Members,
    *,
    model: Model,
    operation: Operation,
    form: Form | None = None,
) -> ImageRequest:
    """Validate a MAI request: it makes one picture for any `n`; edits have no size and no mask."""
    known = _MAI | model.extras
    if operation == "edits":
        known -= {"width", "height"}
    for name in members:
        if name not in known:
            raise problems.mai_parameter(name)
    prompt = validate.prompt(members, model.prompt_limit)
    images = tuple(form.images) if form else ()
    if operation == "edits":
        if form and form.mask is not None:
            raise problems.mai_parameter("mask")
        if not 1 <= len(images) <= model.max_inputs:
            most = "exactly one image" if model.max_inputs == 1 else f"1 to {model.max_inputs}"
            raise problems.mai_value(f"'image' must be {most}, not {len(images)}.")
        width, height = _same_aspect(images[0], model.max_pixels)
    else:
        sides = (_side(members, "width"), _side(members, "height"))
        width, height = mai_size(*sides, model.max_pixels)
    for name in ("auto_aspect_ratio", "web_grounding"):
        validate.boolean(members, name)
    background = validate.choice(members, "background", ("transparent", "opaque"), "opaque")
    return ImageRequest(
        operation, model, prompt, width, height, background=background, inputs=images
    )


def read_flux(members: Members, *, model: Model) -> ImageRequest:
    """Validate a FLUX request; with reference pictures it is an edit."""
    for name in members:
        if name not in _FLUX and not _INPUT.fullmatch(name):
            raise problems.unknown_parameter(name)
    prompt = validate.prompt(members, model.prompt_limit)
    width, height = flux_size(_side(members, "width"), _side(members, "height"))
    n = validate.integer(members, "num_images", least=1, most=4) or 1
    validate.integer(members, "seed", least=0, most=2 * _HUGE - 1)
    validate.integer(members, "safety_tolerance", least=0, most=6)
    validate.integer(members, "steps", least=1, most=50)
    jpeg = validate.choice(members, "output_format", ("jpeg", "png"), "jpeg") == "jpeg"
    inputs = tuple(
        _decode(name, value)
        for name, value in members.items()
        if _INPUT.fullmatch(name) and value is not None
    )
    if len(inputs) > model.max_inputs:
        message = f"At most {model.max_inputs} input images are supported, not {len(inputs)}."
        raise problems.invalid(message, "input_image", "invalid_value")
    operation: Operation = "edits" if inputs else "generations"
    chosen: Format = "jpeg" if jpeg else "png"
    return ImageRequest(
        operation, model, prompt, width, height, n=n, format=chosen, compression=90, inputs=inputs
    )


def _side(members: Members, name: str) -> int:
    return validate.integer(members, name, least=1, most=_HUGE) or 1024


def _same_aspect(upload: Upload, max_pixels: int) -> tuple[int, int]:
    """Return a size with the aspect of the input, on the grid, within the area of the model."""
    factor = min(1.0, math.sqrt(max_pixels / (upload.width * upload.height)))
    return (
        max(768, int(upload.width * factor) // 16 * 16),
        max(768, int(upload.height * factor) // 16 * 16),
    )


def _decode(name: str, value: JsonValue) -> Upload:
    if not isinstance(value, str):
        raise validate.wrong_type(name, "a string", value)
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        message = f"Invalid '{name}': not valid base64."
        raise problems.invalid(message, name, "invalid_value") from error
    return open_upload(name, data)
