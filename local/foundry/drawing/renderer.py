"""Pictures off the event loop: drawn and encoded in threads, or taken from the shelf."""

import asyncio
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from PIL import Image

from local.foundry.drawing.picture import blur, paint
from local.foundry.drawing.picture_spec import PictureSpec

type Format = Literal["png", "jpeg"]

_HUFFMAN_ONLY = 2  # zlib's Z_HUFFMAN_ONLY: grain has nothing to find again


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """One encoded picture, and its unfinished versions."""

    data: bytes
    sha256: str
    partials: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What a call wants drawn, and how it is to be encoded (`compression` 0-100, jpeg)."""

    sketch: PictureSpec
    format: Format
    compression: int = 100
    partials: int = 0


class Renderer:
    """A few threads that draw. With `cache` each size and format is drawn once."""

    def __init__(self, workers: int = 2) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="studio")
        self._shelf: dict[tuple[int, int, str, bool, int, int], RenderedPicture] = {}

    async def draw(
        self, orders: Sequence[RenderRequest], *, cache: bool = False
    ) -> tuple[RenderedPicture, ...]:
        """Draw all pictures of one call."""
        loop = asyncio.get_running_loop()
        return tuple(
            [await loop.run_in_executor(self._threads, self._one, each, cache) for each in orders]
        )

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _one(self, order: RenderRequest, cache: bool) -> RenderedPicture:  # noqa: FBT001  # run_in_executor has no keywords
        sketch = order.sketch
        place = (
            *(sketch.width, sketch.height, order.format, sketch.transparent),
            *(sketch.noise, order.partials),
        )
        if cache and place in self._shelf:
            return self._shelf[place]
        drawn = _drawn(order)
        if cache:
            self._shelf[place] = drawn
        return drawn


def _drawn(order: RenderRequest) -> RenderedPicture:
    picture = paint(order.sketch)
    data = encode(picture, order)
    unfinished = (blur(picture, step) for step in range(order.partials))
    return RenderedPicture(
        data, hashlib.sha256(data).hexdigest(), tuple(encode(each, order) for each in unfinished)
    )


def encode(picture: Image.Image, order: RenderRequest) -> bytes:
    """PNG, quickly; or JPEG, whose quality is `compression` (the common reading of C-8)."""
    buffer = io.BytesIO()
    if order.format == "jpeg":
        quality = max(1, min(95, order.compression))
        picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    elif order.sketch.noise:
        picture.save(buffer, "PNG", compress_level=1, compress_type=_HUFFMAN_ONLY)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
