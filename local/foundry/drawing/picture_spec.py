"""What to draw, and the line of small type at the foot that tells what was asked for."""

import hashlib
from dataclasses import dataclass

from PIL import ImageDraw

from local.foundry.drawing.text import draw_line, width_of

WHITE = (255, 255, 255)
SOFT = (226, 232, 244)


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """What to draw. `number` of `count` when a call makes several; `noise` is in bits (0-8)."""

    prompt: str
    width: int
    height: int
    caption: str
    number: int = 1
    count: int = 1
    transparent: bool = False
    noise: int = 0
    reference: bytes | None = None

    @property
    def digest(self) -> bytes:
        """What the colours follow from."""
        return hashlib.sha256(f"{self.number}:{self.prompt}".encode()).digest()


def draw_caption(draw: ImageDraw.ImageDraw, sketch: PictureSpec, margin: int) -> float:
    """Size, quality and model at the foot; returns where the caption begins, in pixels."""
    width, height = draw.im.size
    size = max(12, min(width, height) // 44)
    text = sketch.caption
    if sketch.count > 1:
        text += f"  ·  {sketch.number} of {sketch.count}"
    while size > 8 and width_of(text, size, 500) > width - 2 * margin:  # noqa: PLR2004  # pixels
        size -= 1
    baseline = height - margin
    x = width - margin - width_of(text, size, 500)
    draw_line(draw, x, baseline, text, size=size, ink=SOFT, weight=500)
    return float(baseline - size * 1.6)
