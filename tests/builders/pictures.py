"""Small pictures to edit."""

import io

from PIL import Image


def drawn(
    kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (60, 40), **options: object
) -> bytes:
    """A picture of one colour, as a file; `options` are Pillow's."""
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **options)
    return buffer.getvalue()
