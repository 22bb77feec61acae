"""Define what a job can request to be made from its stored originals."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from .fields import ExactSize, RequestModel, check_distinct

type Kind = Literal["exact", "rendition", "thumbnail", "contact_sheet"]
MAX_RENDITIONS: Final = 8
#: Longest edge of a finished picture, in pixels.
MAX_FINISHED_EDGE: Final = 8_192
#: Most pixels of a finished picture (7680x4320 is below): decoded, it stays below 150 MB.
MAX_FINISHED_PIXELS: Final = 1 << 25
#: Most finished pictures of one job: its record and its sidecar list each of them.
MAX_RENDITIONS_PER_JOB: Final = 500


class Rendition(RequestModel):
    """Another encoding of the picture, made from the stored original."""

    format: Literal["webp", "jpeg", "avif"]
    quality: int = Field(default=80, ge=1, le=100, description="Of the encoder, not of the model.")


class Finish(RequestModel):
    """The renditions to make from the stored originals after the last call."""

    size: ExactSize | None = Field(
        default=None, description="Exact pixels; the original's when left out."
    )
    how: Literal["crop", "resize"] = Field(
        default="crop",
        description="How another aspect is reached: by cropping, or by stretching.",
    )
    renditions: Annotated[
        tuple[Rendition, ...], Strict(strict=False), AfterValidator(check_distinct)
    ] = Field(default=(), max_length=MAX_RENDITIONS)
    thumbnail: int | None = Field(
        default=None, ge=16, le=1024, description="Longest edge in pixels."
    )

    contact_sheet: bool = Field(
        default=False, description="One picture of the job with all results on it, labelled."
    )

    @model_validator(mode="after")
    def _check_options(self) -> "Finish":
        if not (self.size or self.renditions or self.thumbnail or self.contact_sheet):
            raise ValueError(
                "is empty; set size, renditions, thumbnail or contact_sheet, or leave finish out"
            )
        width, height = map(int, (self.size or "1x1").split("x"))
        if max(width, height) > MAX_FINISHED_EDGE or width * height > MAX_FINISHED_PIXELS:
            raise ValueError(
                f"size {self.size!r} is too big; an edge has at most {MAX_FINISHED_EDGE} pixels, "
                f"the whole picture at most {MAX_FINISHED_PIXELS:,}"
            )
        return self
