"""Multipart bodies: the fields, the pictures to edit and the mask, validated."""

import io
from dataclasses import dataclass, field

from aiohttp import BodyPartReader, web
from PIL import Image, UnidentifiedImageError

from local.foundry.api import problems

MAX_INPUT_BYTES = 50 * 1024 * 1024
MAX_MASK_BYTES = 4 * 1024 * 1024
_KINDS = {"PNG": "image/png", "JPEG": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Upload:
    """A picture in a request."""

    field: str
    data: bytes
    content_type: str
    width: int
    height: int
    has_alpha: bool


@dataclass(slots=True)
class Form:
    """The content of a multipart body."""

    fields: dict[str, str] = field(default_factory=dict)
    images: list[Upload] = field(default_factory=list)
    mask: Upload | None = None


async def read_form(request: web.Request) -> Form:
    """Read a multipart body and open its pictures; reject an invalid one."""
    if request.content_type != "multipart/form-data":
        raise problems.wrong_media_type(request.content_type, "multipart/form-data")
    form = Form()
    try:
        reader = await request.multipart()
    except (ValueError, AssertionError) as error:
        raise problems.invalid(f"Invalid multipart body: {error}", None, None) from error
    async for part in reader:
        if isinstance(part, BodyPartReader) and part.name is not None:
            await _take(part, form)
    return form


async def _take(part: BodyPartReader, form: Form) -> None:
    name = part.name or ""
    if name in {"image", "image[]"}:
        form.images.append(open_upload(name, await _bytes(part, "image", MAX_INPUT_BYTES)))
    elif name == "mask":
        form.mask = open_upload(name, await _bytes(part, "mask", MAX_MASK_BYTES))
    else:
        form.fields[name] = await part.text()


async def _bytes(part: BodyPartReader, name: str, limit: int) -> bytes:
    """Return the file of a part; reject it as soon as it exceeds `limit` bytes."""
    data = bytearray()
    while chunk := await part.read_chunk(1 << 18):
        data += chunk
        if len(data) >= limit:
            message = f"Invalid '{name}': file too large. It must be less than {limit >> 20}MB."
            raise problems.invalid(message, name, "file_too_large")
    return bytes(data)


def open_upload(name: str, data: bytes) -> Upload:
    """Open a picture of a request; reject it unless it is a complete PNG or JPEG."""
    shown = name.removesuffix("[]")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            kind, (width, height), mode = picture.format, picture.size, picture.mode
            picture.load()
    except (UnidentifiedImageError, OSError) as error:
        message = "Invalid image file or mode for image 1, please check your image file."
        raise problems.invalid(message, shown, "invalid_image_file") from error
    if kind not in _KINDS:
        message = (
            f"Invalid file '{shown}': unsupported mimetype ('image/{(kind or '').lower()}'). "
            "Supported file formats are 'image/jpeg' and 'image/png'."
        )
        raise problems.invalid(message, shown, "unsupported_file_mimetype")
    return Upload(shown, data, _KINDS[kind], width, height, "A" in mode)


def check_mask(mask: Upload, first: Upload) -> None:
    """Check that a mask is a PNG with an alpha channel and the size of the first picture."""
    if mask.content_type != "image/png":
        message = "Invalid mask image format - mask must be a PNG file."
        raise problems.invalid(message, "mask", "invalid_mask_image_format")
    if (mask.width, mask.height) != (first.width, first.height):
        message = (
            "Invalid mask image format - mask size does not match image size: "
            f"{mask.width}x{mask.height} and {first.width}x{first.height}."
        )
        raise problems.invalid(message, "mask", "invalid_mask_image_format")
    if not mask.has_alpha:
        message = "Invalid mask image format - mask image missing alpha channel."
        raise problems.invalid(message, "mask", "invalid_mask_image_format")
