"""Check the pictures of an edit by their first bytes, before any call is paid."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, Field

from ..errors import Fault
from .measuring import JPEG_SIGNATURE as JPEG
from .measuring import JpegScanner, read_webp_size

#: Bytes of a picture that are read; the size of a JPEG comes after its metadata.
HEAD_BYTES: Final = 1 << 18
#: Azure OpenAI API reference, 2026-05-14: inputs below 50 MB, PNG or JPG; the mask a PNG below
#: 4 MB, of the dimensions of the first input, its transparent pixels marking what to edit.
MAX_INPUT_BYTES: Final = 50 << 20
MAX_MASK_BYTES: Final = 4 << 20
#: No limit is published; this one protects memory.
MAX_INPUT_PIXELS: Final = 1 << 26

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG: Final = _PNG_SIGNATURE + b"\x00\x00\x00\x0dIHDR"
#: Up to and with the colour type; what a chunk has besides its data: length, name, checksum.
_PNG_HEADER, _PNG_CHUNK = 26, 12
_WEBP_HEADER: Final = 30
#: Colour types with an alpha channel: grey and RGB; https://www.w3.org/TR/png-3/#11IHDR.
_WITH_ALPHA: Final = frozenset({4, 6})


type _Type = Literal["image/png", "image/jpeg", "image/webp"]


@dataclass(frozen=True, slots=True)
class InputHead:
    """The first bytes of a blob, with its version and length."""

    #: ETag.
    version: str
    #: Of the whole blob, bytes.
    length: int
    head: bytes


class InputPicture(BaseModel, frozen=True, extra="allow"):
    """A picture to edit, or its mask, as it was when the job was accepted."""

    blob: str
    #: ETag: a call sends exactly this version, or fails.
    version: str
    role: Literal["input", "mask"] = "input"
    content_type: _Type
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    bytes: int = Field(gt=0)
    alpha: bool = False


def locate_input(name: str, *, inputs: str, images: str) -> tuple[str, str] | None:
    """Return the container and the blob of an input picture; None if the name is not allowed.

    A name is a blob in the container `inputs`. A name with a leading slash is a picture made by the
    app, with its container: `/images/fox-7d2c/default/0.png`. No other container can be read.
    """
    if not name.startswith("/"):
        return inputs, name
    container, _, blob = name[1:].partition("/")
    return (container, blob) if container == images and blob else None


def input_pixels(pictures: Iterable[InputPicture]) -> list[int]:
    """Return the size of each picture to edit, pixels; a mask counts for nothing."""
    return [each.width * each.height for each in pictures if each.role == "input"]


def input_types(pictures: Iterable[InputPicture]) -> list[str]:
    """Return the content type of each picture to edit; a mask counts for nothing."""
    return [each.content_type for each in pictures if each.role == "input"]


def read_inputs(
    inputs: Sequence[str], mask: str | None, heads: Mapping[str, InputHead | None]
) -> tuple[tuple[InputPicture, ...], tuple[Fault, ...]]:
    """Return the pictures of a job, inputs first, and all their faults.

    `heads` has those that are to be read: what a URL leads to is not known before it is copied.
    """
    named = [(f"inputs[{place}]", name) for place, name in enumerate(inputs)]
    pictures, faults = [], []
    for field, name in [*named, *([("mask", mask)] if mask else [])]:
        if name not in heads:
            continue
        try:
            picture = _read_picture(name, heads[name], role="mask" if field == "mask" else "input")
        except ValueError as error:
            faults.append(Fault(field, f"{name!r} {error}"))
        else:
            pictures.append(picture)
    first = next((each for each in pictures if each.blob == inputs[0]), None) if inputs else None
    for each in pictures:
        if each.role == "mask":
            problems = _find_mask_problems(each, first)
            faults += [Fault("mask", f"{each.blob!r} {problem}") for problem in problems]
    return tuple(pictures), tuple(faults)


def _read_picture(
    name: str, head: InputHead | None, *, role: Literal["input", "mask"]
) -> InputPicture:
    if head is None:
        where = "; a name with a leading slash must be a picture made by this app"
        raise ValueError(f"does not exist{where if name[0] == '/' else ''}")
    limit = MAX_MASK_BYTES if role == "mask" else MAX_INPUT_BYTES
    if head.length >= limit:
        raise ValueError(f"has {head.length:,} bytes; it must have less than {limit:,}")
    content_type, width, height, alpha = _measure(head)
    if width * height > MAX_INPUT_PIXELS:
        pixels = width * height
        raise ValueError(f"has {pixels:,} pixels; at most {MAX_INPUT_PIXELS:,} are allowed")
    return InputPicture(
        blob=name,
        version=head.version,
        role=role,
        content_type=content_type,
        width=width,
        height=height,
        bytes=head.length,
        alpha=alpha,
    )


def _measure(head: InputHead) -> tuple[_Type, int, int, bool]:
    start = head.head
    if start.startswith(_PNG[: len(start)]) and start:
        if len(start) < _PNG_HEADER:
            raise ValueError(f"is cut off: it has {head.length:,} bytes")
        width, height = int.from_bytes(start[16:20]), int.from_bytes(start[20:24])
        if not (width and height):
            raise ValueError(f"is not a valid PNG: its header says {width}x{height} pixels")
        return "image/png", width, height, start[25] in _WITH_ALPHA or _has_transparency(start)
    if start.startswith(JPEG):
        walk = JpegScanner()
        walk.feed(start)
        if all(walk.size):
            return "image/jpeg", *walk.size, False
        if len(start) < head.length:
            raise ValueError(
                f"has no size within its first {len(start):,} bytes; strip its metadata"
            )
        raise ValueError("is cut off, or not a valid JPEG: it has no size")
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        width, height = read_webp_size(start[:_WEBP_HEADER])
        if not (width and height):
            raise ValueError("is cut off, or not a valid WebP: it has no size")
        return "image/webp", width, height, False
    raise ValueError(f"is not a PNG, JPEG or WebP: it starts with {start[:12]!r}")


def _has_transparency(png: bytes) -> bool:
    """Return whether a PNG of a palette, or without an alpha channel, says what is transparent."""
    at = len(_PNG_SIGNATURE)
    while (name := png[at + 4 : at + 8]) and name != b"IDAT":
        if name == b"tRNS":
            return True
        at += _PNG_CHUNK + int.from_bytes(png[at : at + 4])
    return False


def _find_mask_problems(mask: InputPicture, first: InputPicture | None) -> Iterator[str]:
    if mask.content_type != "image/png":
        yield "is not a PNG; a mask must be a PNG"
    elif not mask.alpha:
        yield "has no transparency; transparent pixels mark what to edit"
    if first and (mask.width, mask.height) != (first.width, first.height):
        yield (
            f"is {mask.width}x{mask.height} and the first input is {first.width}x{first.height}; "
            "both must have the same size"
        )
