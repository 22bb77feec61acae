"""List what a finish makes from each stored original, with the blob names.

A name contains all options, so the same rendition made twice is one blob. Originals are never
changed: their signatures (C2PA) stay valid. Renditions do not bear them; see `provenance`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from ..jobs.job import Finish, Kind
from ..vocabulary import extension_of, job_folder

type Encoding = Literal["png", "jpeg", "webp", "avif"]

#: Encoder quality where the job sets none.
DEFAULT_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class RenditionSpec:
    """One picture to be made from an original."""

    kind: Kind
    blob: str
    encoding: Encoding
    quality: int = DEFAULT_QUALITY
    #: Exact pixels, reached by cropping or by stretching; None: those of the original.
    size: tuple[int, int] | None = None
    squeeze: bool = False
    #: Longest edge, pixels; None: as `size` says.
    edge: int | None = None


@dataclass(frozen=True, slots=True)
class SheetCell:
    """A picture on a contact sheet, and the label below it."""

    blob: str
    label: str


def list_renditions(
    finish: Finish, blob: str, encoding: Literal["png", "jpeg"]
) -> tuple[RenditionSpec, ...]:
    """Return the renditions of one original, stored as `blob`."""
    stem, size, specs = blob.rpartition(".")[0], None, []
    if finish.size:
        width, height = map(int, finish.size.split("x"))
        stem, size = f"{stem}.{finish.size}", (width, height)
    spec = partial(RenditionSpec, size=size, squeeze=finish.how == "resize")
    if size:
        specs.append(spec("exact", f"{stem}.{extension_of(encoding)}", encoding))
    for each in finish.renditions:
        name = f"{stem}.q{each.quality}.{extension_of(each.format)}"
        specs.append(spec("rendition", name, each.format, each.quality))
    if finish.thumbnail:
        name = f"{stem}.t{finish.thumbnail}.webp"
        specs.append(spec("thumbnail", name, "webp", edge=finish.thumbnail))
    return tuple(specs)


def sheet_name(job_id: str, run: int) -> str:
    """Return the blob name of a contact sheet; that of a later run has more pictures."""
    return f"{job_folder(job_id, run)}/contact-sheet.jpg"
