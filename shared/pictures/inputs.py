"""The pictures an edit works on: told by their first bytes, and refused before a cent is spent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import Fault
from .measuring import JPEG_SIGNATURE as JPEG
from .measuring import JpegScanner

#: Bytes of a picture that are looked at; the size of a JPEG stands behind its metadata.
HEAD_BYTES: Final = 1 << 18
#: Azure OpenAI API reference, 2026-05-14: inputs below 50 MB, PNG or JPG; the mask a PNG below
#: 4 MB, of the dimensions of the first input, its transparent pixels marking what to edit.
MAX_INPUT_BYTES: Final = 50 << 20
MAX_MASK_BYTES: Final = 4 << 20
#: No limit is published. What is larger is no picture to edit but one to choke on.
MAX_INPUT_PIXELS: Final = 1 << 26

_PNG: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR"
#: Colour types with an alpha channel: grey and RGB; https://www.w3.org/TR/png-3/#11IHDR.
_WITH_ALPHA: Final = frozenset({4, 6})


@dataclass(frozen=True, slots=True)
class InputHead:
    """The first bytes of a blob, and what storage says of it."""

    #: ETag.
    version: str
    #: Of the whole blob, bytes.
    length: int
    head: bytes


class InputPicture(BaseModel):
    """A picture to edit, or its mask, as it was when the job was taken."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    blob: str
    #: ETag: what is sent later is this very version, or nothing.
    version: str
    role: Literal["input", "mask"] = "input"
    content_type: Literal["image/png", "image/jpeg"]
    width: int = Field(gt=0)
    height: int = Field(gt=0)
    bytes: int = Field(gt=0)
    alpha: bool = False


def locate_input(name: str, *, inputs: str, images: str) -> tuple[str, str] | None:
    """Return the container and the blob that a job means by the name of a picture.

    A name is one in the container `inputs`, unless it begins with a slash, as no blob's here does:
    then it is a picture that was made here, `/images/fox-7d2c/default/0.png`, its container first.
    None where that is any other: nothing else is read for a caller.
    """
    if not name.startswith("/"):
        return inputs, name
    container, _, blob = name[1:].partition("/")
    return (container, blob) if container == images and blob else None


def read_inputs(
    inputs: Sequence[str], mask: str | None, heads: Mapping[str, InputHead | None]
) -> tuple[tuple[InputPicture, ...], tuple[Fault, ...]]:
    """Return the pictures of a job, inputs first, and every fault of them."""
    named = [(f"inputs[{place}]", name) for place, name in enumerate(inputs)]
    pictures, faults = [], []
    for field, name in [*named, *([("mask", mask)] if mask else [])]:
        try:
            picture = _picture(name, heads[name], role="mask" if field == "mask" else "input")
        except ValueError as error:
            faults.append(Fault(field, f"{name!r} {error}"))
        else:
            pictures.append(picture)
    first = next((each for each in pictures if each.blob == inputs[0]), None) if inputs else None
    for each in pictures:
        if each.role == "mask":
            faults += [Fault("mask", f"{each.blob!r} {said}") for said in _unfit(each, first)]
    return tuple(pictures), tuple(faults)


def _picture(name: str, head: InputHead | None, *, role: Literal["input", "mask"]) -> InputPicture:
    if head is None:
        where = "; after a slash only pictures made here are found" if name[0] == "/" else ""
        raise ValueError(f"is not there{where}")
    limit = MAX_MASK_BYTES if role == "mask" else MAX_INPUT_BYTES
    if head.length >= limit:
        raise ValueError(f"has {head.length:,} bytes; it must have less than {limit:,}")
    content_type, width, height, alpha = _measured(head.head)
    if not (width and height):
        raise ValueError(f"says no size within its first {HEAD_BYTES:,} bytes; strip its metadata")
    if width * height > MAX_INPUT_PIXELS:
        pixels = width * height
        raise ValueError(f"has {pixels:,} pixels; {MAX_INPUT_PIXELS:,} are the most")
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


def _measured(head: bytes) -> tuple[Literal["image/png", "image/jpeg"], int, int, bool]:
    if head.startswith(_PNG):
        width, height = int.from_bytes(head[16:20]), int.from_bytes(head[20:24])
        return "image/png", width, height, head[25:26] != b"" and head[25] in _WITH_ALPHA
    if head.startswith(JPEG):
        walk = JpegScanner()
        walk.feed(head)
        return "image/jpeg", *walk.size, False
    raise ValueError(f"is no PNG and no JPEG: it begins with {head[:12]!r}")


def _unfit(mask: InputPicture, first: InputPicture | None) -> Iterator[str]:
    if mask.content_type != "image/png":
        yield "is no PNG, which a mask must be"
    elif not mask.alpha:
        yield "has no alpha channel; its transparent pixels mark what to edit"
    if first and (mask.width, mask.height) != (first.width, first.height):
        yield (
            f"is {mask.width}x{mask.height} and the first input {first.width}x{first.height}; "
            "they must be the same"
        )
