"""Pictures made from stored originals, off the event loop, one at a time in a process.

An original comes out of storage into a temporary file, piece by piece; what is decoded of it is
bounded by `drawing.MAX_PIXELS`, and there is one such at a time.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import IO, TYPE_CHECKING, Final

from ..errors import CannotRender
from ..pictures.measuring import PictureFacts
from ..pictures.provenance import Provenance
from ..pictures.renditions import RenditionSpec, SheetCell
from ..ports import StoredPicture
from ..stores.pictures import Pictures

if TYPE_CHECKING:
    from PIL import Image

#: What is read of an original at once, bytes.
PIECE_BYTES: Final = 1 << 20


class PillowRenderer:
    """`Renderer` with Pillow, from and into the container of pictures."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="renderer")

    async def render(
        self,
        source: str,
        wishes: Sequence[RenditionSpec],
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> tuple[StoredPicture, ...]:
        """Make every wish from the original and store it; what is there already stays."""
        from .pillow import make  # noqa: PLC0415 (Pillow is loaded when it is needed)

        xmp = provenance.to_xmp()
        async with self._original(source) as original:
            made = await self._off_the_loop(lambda: make(original, wishes, xmp), source)
        return tuple(
            [
                await self._store(wish.blob, data, facts, metadata)
                for wish, (data, facts) in zip(wishes, made, strict=True)
            ]
        )

    async def sheet(
        self,
        cells: Sequence[SheetCell],
        blob: str,
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> StoredPicture:
        """Put pictures side by side, each with its label under it."""
        from .pillow import cell_edge, lay_out, shrunk  # noqa: PLC0415 (as above)

        edge, xmp = cell_edge(len(cells)), provenance.to_xmp()
        small: list[tuple[Image.Image, str]] = []
        for cell in cells:
            async with self._original(cell.blob) as original:

                def shrink(original: IO[bytes] = original) -> "Image.Image":
                    return shrunk(original, edge)

                small.append((await self._off_the_loop(shrink, cell.blob), cell.label))
        data, facts = await self._off_the_loop(lambda: lay_out(small, xmp), blob)
        return await self._store(blob, data, facts, metadata)

    async def _off_the_loop[T](self, work: Callable[[], T], source: str) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except CannotRender as error:
            raise CannotRender(f"{source!r}: {error}") from error

    @asynccontextmanager
    async def _original(self, blob: str) -> AsyncIterator[IO[bytes]]:
        loop = asyncio.get_running_loop()
        with tempfile.TemporaryFile() as file:
            start, total = 0, 1
            while start < total:
                part = await self._pictures.read(blob, start=start, length=PIECE_BYTES)
                if part is None or not part.data:
                    raise CannotRender(f"{blob!r}: it is not there any more")
                await loop.run_in_executor(self._thread, file.write, part.data)
                start, total = start + len(part.data), part.total
            file.seek(0)
            yield file

    async def _store(
        self, blob: str, data: bytes, facts: PictureFacts, metadata: Mapping[str, str]
    ) -> StoredPicture:
        writer = self._pictures.create(blob)
        try:
            await writer.write(data)
            return await writer.commit(facts, metadata)
        finally:
            await writer.abandon()
