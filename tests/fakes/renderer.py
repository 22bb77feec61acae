"""Who makes pictures from stored originals, in memory: no picture is ever drawn."""

import hashlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.errors import CannotRender
from shared.pictures.measuring import PictureFacts
from shared.pictures.provenance import Provenance
from shared.pictures.renditions import RenditionSpec, SheetCell
from shared.ports import StoredPicture
from shared.stores.pictures import Pictures
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakeRenderer:
    """Stores a line about each wish, as large as it is asked to be."""

    pictures: Pictures
    steps: Steps = field(default_factory=Steps)
    #: What cannot be opened.
    broken: set[str] = field(default_factory=set)
    #: Originals that were opened.
    opened: list[str] = field(default_factory=list)
    sheets: list[tuple[SheetCell, ...]] = field(default_factory=list)
    #: What each picture says of its originals, by its blob.
    provenances: dict[str, Provenance] = field(default_factory=dict)
    #: What happens while an original is being rendered, in order.
    meanwhile: deque[Callable[[], Awaitable[None]]] = field(default_factory=deque)

    async def render(
        self,
        source: str,
        wishes: Sequence[RenditionSpec],
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> tuple[StoredPicture, ...]:
        await self.steps.take("renderer.render")
        if source in self.broken:
            raise CannotRender(f"{source!r}: it can't be opened")
        self.opened.append(source)
        if self.meanwhile:
            await self.meanwhile.popleft()()
        found = await self.pictures.find(source)
        assert found, source
        original = found.facts
        made = []
        for wish in wishes:
            width, height = wish.size or (original.width, original.height)
            if wish.edge:
                shrink = min(1, wish.edge / max(width, height))
                width, height = round(width * shrink), round(height * shrink)
            facts = (f"image/{wish.encoding}", width, height)
            made.append(await self._store(wish.blob, facts, metadata))
            self.provenances[wish.blob] = provenance
        return tuple(made)

    async def sheet(
        self,
        cells: Sequence[SheetCell],
        blob: str,
        provenance: Provenance,
        *,
        metadata: Mapping[str, str],
    ) -> StoredPicture:
        await self.steps.take("renderer.sheet")
        self.sheets.append(tuple(cells))
        self.provenances[blob] = provenance
        return await self._store(blob, ("image/jpeg", 800, 600), metadata)

    async def _store(
        self, blob: str, facts: tuple[str, int, int], metadata: Mapping[str, str]
    ) -> StoredPicture:
        writer = self.pictures.create(blob)
        try:
            await writer.write(blob.encode())
            content_type, width, height = facts
            measured = PictureFacts(
                content_type=content_type,
                width=width,
                height=height,
                bytes=len(blob),
                sha256=hashlib.sha256(blob.encode()).hexdigest(),
            )
            return await writer.commit(measured, metadata)
        finally:
            await writer.abandon()
