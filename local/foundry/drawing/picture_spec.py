"""What to draw, and the caption at the foot of each picture."""

import hashlib
from dataclasses import dataclass

from PIL import ImageDraw

from local.foundry.drawing.text import draw_line, width_of

WHITE = (255, 255, 255)
SOFT = (226, 232, 244)


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """What to draw: picture `number` of `count`; `noise` in bits (0-8)."""

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
        """The bytes from which colours and shapes are chosen."""
        return hashlib.sha256(f"{self.number}:{self.prompt}".encode()).digest()


def draw_caption(draw: ImageDraw.ImageDraw, spec: PictureSpec, margin: int) -> float:
    """Draw size, quality and model at the foot; return the top of the caption in pixels."""
    width, height = draw.im.size
    size = max(12, min(width, height) // 44)
    text = spec.caption
    if spec.count > 1:
        text += f"  ·  {spec.number} of {spec.count}"
    while size > 8 and width_of(text, size, 500) > width - 2 * margin:  # noqa: PLR2004  # pixels
        size -= 1
    baseline = height - margin
    x = width - margin - width_of(text, size, 500)
    draw_line(draw, x, baseline, text, size=size, ink=SOFT, weight=500)
    return float(baseline - size * 1.6)
