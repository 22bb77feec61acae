"""Requests of MAI and FLUX, which share nothing with OpenAI's but the prompt."""

import base64
import binascii
import math
import re

from pydantic import JsonValue

from local.foundry.api import members as check
from local.foundry.api import problems
from local.foundry.api.asks import Ask, Operation
from local.foundry.api.forms import Form, Upload, open_upload
from local.foundry.api.members import Members
from local.foundry.drawing.studio import Format
from local.foundry.state.models import Model
from local.foundry.state.sizes import flux_size, mai_size

_MAI = {"model", "prompt", "width", "height", "n"}
_MAI_NEW = {"auto_aspect_ratio", "web_grounding"}  # since 2.6
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
) -> Ask:
    """Check a request of MAI: one picture, whatever `n` says; edits take no size and no mask."""
    known = _MAI | (_MAI_NEW if model.name.startswith("MAI-Image-2.6") else set())
    if operation == "edits":
        known -= {"width", "height"}
    for name in members:
        if name not in known:
            raise problems.mai_parameter(name)
    prompt = check.prompt(members, model.prompt_limit)
    images = tuple(form.images) if form else ()
    if operation == "edits":
        if form and form.mask is not None:
            raise problems.mai_parameter("mask")
        if len(images) != 1:
            raise problems.mai_value(f"'image' must be exactly one image, not {len(images)}.")
        width, height = _like(images[0])
    else:
        width, height = mai_size(_side(members, "width"), _side(members, "height"))
    return Ask(operation, model, prompt, width, height, inputs=images)


def read_flux(members: Members, *, model: Model) -> Ask:
    """Check a request of FLUX; reference pictures make it an edit."""
    for name in members:
        if name not in _FLUX and not _INPUT.fullmatch(name):
            raise problems.unknown_parameter(name)
    prompt = check.prompt(members, model.prompt_limit)
    width, height = flux_size(_side(members, "width"), _side(members, "height"))
    n = check.integer(members, "num_images", least=1, most=4) or 1
    jpeg = check.choice(members, "output_format", ("jpeg", "png"), "jpeg") == "jpeg"
    inputs = tuple(
        _decoded(name, value)
        for name, value in members.items()
        if _INPUT.fullmatch(name) and value is not None
    )
    if len(inputs) > model.max_inputs:
        message = f"At most {model.max_inputs} input images are supported, not {len(inputs)}."
        raise problems.invalid(message, "input_image", "invalid_value")
    operation: Operation = "edits" if inputs else "generations"
    chosen: Format = "jpeg" if jpeg else "png"
    return Ask(
        operation, model, prompt, width, height, n=n, format=chosen, compression=90, inputs=inputs
    )


def _side(members: Members, name: str) -> int:
    return check.integer(members, name, least=1, most=_HUGE) or 1024


def _like(upload: Upload) -> tuple[int, int]:
    """The aspect of the input on the grid, within one megapixel."""
    factor = min(1.0, math.sqrt(1_048_576 / (upload.width * upload.height)))
    return (
        max(768, int(upload.width * factor) // 16 * 16),
        max(768, int(upload.height * factor) // 16 * 16),
    )


def _decoded(name: str, value: JsonValue) -> Upload:
    if not isinstance(value, str):
        raise check.wrong_type(name, "a string", value)
    try:
        data = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        message = f"Invalid '{name}': not valid base64."
        raise problems.invalid(message, name, "invalid_value") from error
    return open_upload(name, data)
