"""What a job wants made of its stored originals: each wish with its own blob name, and who does it.

Names say all of a wish, so a wish that is made twice is one blob. The originals are never touched:
what providers sign into them (C2PA) stays valid there, and is not carried over.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal, Protocol

from pydantic import AfterValidator, Field, Strict, model_validator

from .fields import Asked, ExactSize, distinct
from .pictures import PictureFacts

type Kind = Literal["exact", "rendition", "thumbnail", "contact_sheet"]
type Encoding = Literal["png", "jpeg", "webp", "avif"]

MAX_RENDITIONS: Final = 8
#: Longest edge, in pixels, of what is made from the stored original.
MAX_FINISHED_EDGE: Final = 8_192
#: And its pixels, 7680x4320 among them: what is decoded stays below 150 MB.
MAX_FINISHED_PIXELS: Final = 1 << 25
#: Pictures that one job may have made of its originals: its record and its sidecar tell of each.
MAX_RENDERED: Final = 500
#: Quality of encodings that a job says nothing about.
USUAL_QUALITY: Final = 85
_EXTENSIONS: Final[Mapping[Encoding, str]] = {
    "png": "png",
    "jpeg": "jpg",
    "webp": "webp",
    "avif": "avif",
}


class Rendition(Asked):
    """Another encoding of the picture, made from the stored original."""

    format: Literal["webp", "jpeg", "avif"]
    quality: int = Field(default=80, ge=1, le=100, description="Of the encoder, not of the model.")


class Finish(Asked):
    """What is made from the stored original, in a step of its own."""

    size: ExactSize | None = Field(
        default=None, description="Exact pixels; the original's when left out."
    )
    how: Literal["crop", "resize"] = Field(
        default="crop",
        description="How another aspect is reached: by cutting edges, or by squeezing.",
    )
    renditions: Annotated[tuple[Rendition, ...], Strict(strict=False), AfterValidator(distinct)] = (
        Field(default=(), max_length=MAX_RENDITIONS)
    )
    thumbnail: int | None = Field(
        default=None, ge=16, le=1024, description="Longest edge in pixels."
    )

    contact_sheet: bool = Field(
        default=False, description="One picture of the job with all results on it, labelled."
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> "Finish":
        if not (self.size or self.renditions or self.thumbnail or self.contact_sheet):
            raise ValueError(
                "is empty; ask for a size, renditions, a thumbnail or a contact_sheet, "
                "or leave it out"
            )
        width, height = map(int, (self.size or "1x1").split("x"))
        if max(width, height) > MAX_FINISHED_EDGE or width * height > MAX_FINISHED_PIXELS:
            raise ValueError(
                f"size {self.size!r} is too big; no edge may pass {MAX_FINISHED_EDGE} pixels, "
                f"nor the whole {MAX_FINISHED_PIXELS:,}"
            )
        return self


@dataclass(frozen=True, slots=True)
class Wish:
    """One picture to be made from an original."""

    kind: Kind
    blob: str
    encoding: Encoding
    quality: int = USUAL_QUALITY
    #: Exact pixels, reached by cutting edges or by squeezing; None: the original's.
    size: tuple[int, int] | None = None
    squeeze: bool = False
    #: Longest edge, pixels; None: as `size` says.
    edge: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """A picture on a contact sheet, and what stands under it."""

    blob: str
    label: str


class Renderer(Protocol):
    """Who makes pictures from stored originals, and stores them: the first one of a name stays."""

    async def render(
        self, source: str, wishes: Sequence[Wish], *, metadata: Mapping[str, str]
    ) -> tuple[PictureFacts, ...]:
        """Make every wish from the original; `CannotRender` if it is none that can be opened."""
        ...

    async def sheet(
        self, cells: Sequence[Cell], blob: str, *, metadata: Mapping[str, str]
    ) -> PictureFacts:
        """Put pictures side by side, each with its label under it."""
        ...


def wishes_of(finish: Finish, blob: str, encoding: Literal["png", "jpeg"]) -> tuple[Wish, ...]:
    """Return what is to be made of one original, stored as `blob`."""
    return tuple(_wishes(finish, blob.rpartition(".")[0], encoding))


def _wishes(finish: Finish, stem: str, encoding: Literal["png", "jpeg"]) -> Iterator[Wish]:
    size, squeeze, mark = None, finish.how == "resize", ""
    if finish.size:
        width, height = map(int, finish.size.split("x"))
        size, mark = (width, height), f".{finish.size}"
        blob = f"{stem}{mark}.{_EXTENSIONS[encoding]}"
        yield Wish("exact", blob, encoding, size=size, squeeze=squeeze)
    for wanted in finish.renditions:
        blob = f"{stem}{mark}.q{wanted.quality}.{_EXTENSIONS[wanted.format]}"
        yield Wish("rendition", blob, wanted.format, wanted.quality, size=size, squeeze=squeeze)
    if finish.thumbnail:
        blob = f"{stem}{mark}.t{finish.thumbnail}.webp"
        yield Wish("thumbnail", blob, "webp", size=size, squeeze=squeeze, edge=finish.thumbnail)


def sheet_name(job_id: str, generation: int) -> str:
    """Return the blob name of a job's contact sheet; a replay has pictures that it lacks."""
    place = job_id if generation == 1 else f"{job_id}/generation-{generation}"
    return f"{place}/contact-sheet.jpg"
