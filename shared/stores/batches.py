"""Records and pages of batches beside the job records, result manifests beside the pictures.

The model of a record is imported with the first one: most instances never see a batch.
"""

import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from ..errors import AlreadyExists
from ..ports import Blobs, BlockBlobs
from ..records.index_entry import Cursor, newest_first, read_cursor
from .documents import Documents

if TYPE_CHECKING:
    from ..batches.record import BatchRecord
    from ..ports import Versioned

#: Names the batches, newest first.
NEWEST: Final = "newest-batches/"
_BATCH: Final = "batch_id"
_LINES: Final = "application/x-ndjson"
#: Of a result manifest, staged at a time, bytes.
_BLOCK_BYTES: Final = 1 << 20


class BatchRecords:
    """Batches in the container of the job records, under `batches/`: no job has such an id."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs

    @property
    def _records(self) -> "Documents[BatchRecord]":
        from ..batches.record import BatchRecord  # noqa: PLC0415 (see the module)

        return Documents(self.blobs, BatchRecord)

    async def create(self, record: "BatchRecord") -> str:
        """Write a new record and return its version; `AlreadyExists` if the batch has one.

        Before it an empty blob is written, by whose name `newest` lists the batch.
        """
        name = newest_first(record.created_at, record.batch_id)
        await self.blobs.put(f"{NEWEST}{name}", b"", metadata={_BATCH: record.batch_id})
        return await self._records.write(_name(record.batch_id), record)

    async def read(self, batch_id: str) -> "Versioned[BatchRecord] | None":
        """Return the record; None when it does not exist."""
        return await self._records.read(_name(batch_id))

    async def newest(self, *, limit: int, after: str | None = None) -> tuple[list[str], str | None]:
        """Return the ids of batches, newest first, and the cursor of the next page, if any.

        A process that stopped may have left the id of a batch without a record. Raises
        `UnreadableCursor` where no page returned `after`.
        """
        mark = next(iter(read_cursor(after).marks), None) if after else None
        page = await self.blobs.list(NEWEST, limit=limit, after=mark)
        ids = list(dict.fromkeys(blob.metadata[_BATCH] for blob in page.blobs.values()))
        following = Cursor(place=ids[-1], marks=(page.next,)) if ids and page.next else None
        return ids, following.to_text() if following else None

    async def replace(self, record: "BatchRecord", version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        return await self._records.write(_name(record.batch_id), record, version)

    async def put_page(self, batch_id: str, name: str, body: bytes) -> bytes:
        """Write a page once; return the stored one."""
        try:
            await self.blobs.put(_page(batch_id, name), body, if_absent=True)
        except AlreadyExists:
            return await self.read_page(batch_id, name) or body
        return body

    async def read_page(self, batch_id: str, name: str) -> bytes | None:
        """Return a page; None when it does not exist."""
        found = await self.blobs.read(_page(batch_id, name))
        return found.body if found else None


async def publish_results(blobs: BlockBlobs, name: str, pages: AsyncIterator[bytes]) -> str:
    """Write a result manifest, once and whole; return its URL. An existing one stays."""
    attempt, blocks = uuid.uuid4().hex, list[str]()
    async for body in _in_blocks(pages):
        blocks.append(f"{attempt}{len(blocks):06d}")
        await blobs.stage(name, blocks[-1], body)
    with contextlib.suppress(AlreadyExists):
        await blobs.commit(name, blocks, content_type=_LINES, metadata={})
    return blobs.url(name)


async def _in_blocks(pages: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    waiting = bytearray()
    async for page in pages:
        waiting += page
        while len(waiting) >= _BLOCK_BYTES:
            yield bytes(waiting[:_BLOCK_BYTES])
            del waiting[:_BLOCK_BYTES]
    if waiting:
        yield bytes(waiting)


def _name(batch_id: str) -> str:
    return _page(batch_id, "batch.json")


def _page(batch_id: str, name: str) -> str:
    return f"batches/{batch_id}/{name}"
