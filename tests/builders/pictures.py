"""Small pictures to edit."""

import io

from PIL import Image


def drawn(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> bytes:
    """A picture of one colour, as a file."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind)
    return buffer.getvalue()
