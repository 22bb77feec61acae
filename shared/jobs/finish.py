"""What a job may ask to be made from its stored originals."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, Strict, model_validator

from .fields import ExactSize, RequestModel, check_distinct

type Kind = Literal["exact", "rendition", "thumbnail", "contact_sheet"]
MAX_RENDITIONS: Final = 8
#: Longest edge, in pixels, of what is made from the stored original.
MAX_FINISHED_EDGE: Final = 8_192
#: And its pixels, 7680x4320 among them: what is decoded stays below 150 MB.
MAX_FINISHED_PIXELS: Final = 1 << 25
#: Pictures that one job may have made of its originals: its record and its sidecar tell of each.
MAX_RENDERED: Final = 500


class Rendition(RequestModel):
    """Another encoding of the picture, made from the stored original."""

    format: Literal["webp", "jpeg", "avif"]
    quality: int = Field(default=80, ge=1, le=100, description="Of the encoder, not of the model.")


class Finish(RequestModel):
    """What is made from the stored original, in a step of its own."""

    size: ExactSize | None = Field(
        default=None, description="Exact pixels; the original's when left out."
    )
    how: Literal["crop", "resize"] = Field(
        default="crop",
        description="How another aspect is reached: by cutting edges, or by squeezing.",
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
