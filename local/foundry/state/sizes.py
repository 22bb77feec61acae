"""The size rules of each family, and the error replies for other sizes."""

import re

from local.foundry.api import problems
from local.foundry.state.models import Model

GRID = 16
MAX_EDGE = 3840
MAX_RATIO = 3
MIN_PIXELS = 655_360
MAX_PIXELS = 8_294_400
FIXED = ("1024x1024", "1024x1536", "1536x1024")
MAI_MIN_EDGE = 768
FLUX_MIN_EDGE = 256
FLUX_MAX_PIXELS = 4_194_304

_WIDTH_X_HEIGHT = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})")


def read_size(model: Model, text: str, *, resize: bool = False) -> tuple[int, int]:
    """Return width and height in pixels, or raise the error of the service.

    `resize`: shrink a size above the pixel budget, as one article says the service does; otherwise
    reject it, as every published observation says.
    """
    if model.sizes == "fixed" and text not in FIXED:
        supported = ", ".join(f"'{each}'" for each in FIXED)
        message = f"Invalid value: '{text}'. Supported values are: {supported}, and 'auto'."
        raise problems.invalid(message, "size", "invalid_value")
    found = _WIDTH_X_HEIGHT.fullmatch(text)
    if found is None:
        raise problems.invalid_size(
            f"Invalid size '{text}'. Expected WIDTHxHEIGHT, for example '1824x1024'."
        )
    width, height = int(found[1]), int(found[2])
    if resize and _too_large(width, height):
        return _shrunk(width, height)
    broken = broken_rule(width, height) if model.sizes == "free" else None
    if broken:
        raise problems.invalid_size(f"Invalid size '{text}'. {broken}")
    return width, height


def broken_rule(width: int, height: int) -> str | None:
    """Return the first rule that a size breaks, in the words of the service."""
    if width % GRID or height % GRID:
        return "Width and height must both be divisible by 16."
    if max(width, height) > MAX_EDGE:
        return "The longest edge must be less than or equal to 3840."
    if max(width, height) > MAX_RATIO * min(width, height):  # the text is assumed
        return "The longest edge must not be more than 3 times the shortest edge."
    if width * height > MAX_PIXELS:
        return "Requested resolution exceeds the current pixel budget."
    if width * height < MIN_PIXELS:
        return "Requested resolution is below the current minimum pixel budget."
    return None


def mai_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """Validate a MAI size: edges of at least 768 on a grid of 16, up to the area of the model."""
    for name, value in (("width", width), ("height", height)):
        if value < MAI_MIN_EDGE:
            raise problems.mai_value(f"'{name}' must be at least 768 pixels.")
        if value % GRID:
            raise problems.mai_value(f"'{name}' must be a multiple of 16.")
    if width * height > max_pixels:
        raise problems.mai_value(f"'width' * 'height' must not exceed {max_pixels} pixels.")
    return width, height


def flux_size(width: int, height: int) -> tuple[int, int]:
    """Return a FLUX size: rounded down to the grid of 16, from 256 pixels to 4 megapixels."""
    width, height = width // GRID * GRID, height // GRID * GRID
    if min(width, height) < FLUX_MIN_EDGE:
        raise problems.invalid("'width' and 'height' must be at least 256.", "width", "422")
    if width * height > FLUX_MAX_PIXELS:
        raise problems.invalid("The image must not exceed 4 megapixels.", "width", "422")
    return width, height


def _too_large(width: int, height: int) -> bool:
    return width * height > MAX_PIXELS or max(width, height) > MAX_EDGE


def _shrunk(width: int, height: int) -> tuple[int, int]:
    factor = min((MAX_PIXELS / (width * height)) ** 0.5, MAX_EDGE / max(width, height))
    short = int(width * factor) // GRID * GRID, int(height * factor) // GRID * GRID
    if broken_rule(*short):
        raise problems.invalid_size(f"Invalid size '{width}x{height}'. {broken_rule(*short)}")
    return short
