"""The renderer: draws and encodes pictures in threads, or takes them from its cache."""

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

_HUFFMAN_ONLY = 2  # zlib's Z_HUFFMAN_ONLY: noise has no repetitions


@dataclass(frozen=True, slots=True)
class RenderedPicture:
    """One encoded picture, and its partial versions."""

    data: bytes
    sha256: str
    partials: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What to draw, and how to encode it (`compression` 0-100, for JPEG)."""

    spec: PictureSpec
    format: Format
    compression: int = 100
    partials: int = 0


class Renderer:
    """A few threads that draw; with `cache` each size and format is drawn once."""

    def __init__(self, workers: int = 2) -> None:
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="renderer")
        self._cache: dict[tuple[int, int, str, bool, int, int], RenderedPicture] = {}

    async def draw(
        self, requests: Sequence[RenderRequest], *, cache: bool = False
    ) -> tuple[RenderedPicture, ...]:
        """Draw all pictures of one call."""
        loop = asyncio.get_running_loop()
        return tuple(
            [await loop.run_in_executor(self._threads, self._one, each, cache) for each in requests]
        )

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _one(self, request: RenderRequest, cache: bool) -> RenderedPicture:  # noqa: FBT001  # run_in_executor has no keywords
        spec = request.spec
        key = (
            *(spec.width, spec.height, request.format, spec.transparent),
            *(spec.noise, request.partials),
        )
        if cache and key in self._cache:
            return self._cache[key]
        drawn = _render(request)
        if cache:
            self._cache[key] = drawn
        return drawn


def _render(request: RenderRequest) -> RenderedPicture:
    picture = paint(request.spec)
    data = encode(picture, request)
    partials = (blur(picture, step) for step in range(request.partials))
    return RenderedPicture(
        data, hashlib.sha256(data).hexdigest(), tuple(encode(each, request) for each in partials)
    )


def encode(picture: Image.Image, request: RenderRequest) -> bytes:
    """Encode as PNG, fast; or as JPEG with quality `compression` (the common reading of C-8)."""
    buffer = io.BytesIO()
    if request.format == "jpeg":
        quality = max(1, min(95, request.compression))
        picture.convert("RGB").save(buffer, "JPEG", quality=quality)
    elif request.spec.noise:
        picture.save(buffer, "PNG", compress_level=1, compress_type=_HUFFMAN_ONLY)
    else:
        picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
