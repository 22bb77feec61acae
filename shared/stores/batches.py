"""Batches as blobs: records and pages beside the job records, result manifests beside pictures.

What a record is made of is imported with the first one: most instances never see a batch.
"""

import uuid
from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING, Final

from ..adapters.storage.blobs import IF_NEW, Blobs
from ..adapters.storage.rest import StorageRefusal
from .documents import VersionedBlobs

if TYPE_CHECKING:
    from ..batches.record import BatchRecord
    from ..ports import Versioned

_LINES: Final = "application/x-ndjson"
#: Of a result manifest, staged at a time.
_BLOCK_BYTES: Final = 1 << 20
#: The statuses of a condition that does not hold.
_THERE_ALREADY: Final = frozenset({409, 412})


class BlobBatches:
    """`Batches` in two blob containers; in the first under `batches/`, where no job's id can be."""

    def __init__(self, jobs: Blobs, images: Blobs) -> None:
        self._jobs: Final = jobs
        self._images: Final = images

    @cached_property
    def _records(self) -> "VersionedBlobs[BatchRecord]":
        from ..batches.record import BatchRecord  # noqa: PLC0415 (see the module)

        return VersionedBlobs(self._jobs, BatchRecord)

    async def create(self, record: "BatchRecord") -> str:
        """Write a new record and return its version; `AlreadyExists` if the batch has one."""
        name, what = _name(record.batch_id), _what(record.batch_id)
        return await self._records.create(name, record, what=what)

    async def read(self, batch_id: str) -> "Versioned[BatchRecord] | None":
        """Return the record, or None when there is none."""
        return await self._records.read(_name(batch_id), what=_what(batch_id))

    async def replace(self, record: "BatchRecord", version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        name, what = _name(record.batch_id), _what(record.batch_id)
        return await self._records.replace(name, record, version, what=what)

    async def put_page(self, batch_id: str, name: str, body: bytes) -> bytes:
        """Write a page once; return what stands there, whoever wrote it."""
        blobs, doing = self._jobs, f"writing the page {name!r} of batch {batch_id}"
        try:
            await blobs.put(_page(batch_id, name), body, doing=doing, condition=IF_NEW)
        except StorageRefusal as refusal:
            if refusal.status not in _THERE_ALREADY:
                raise
            return await self.read_page(batch_id, name) or body
        return body

    async def read_page(self, batch_id: str, name: str) -> bytes | None:
        """Return a page, None when there is none."""
        blobs, doing = self._jobs, f"reading the page {name!r} of batch {batch_id}"
        found = await blobs.read(_page(batch_id, name), doing=doing)
        return found.body if found else None

    async def publish(self, name: str, pages: AsyncIterator[bytes]) -> str:
        """Write a result manifest, once and whole; return its URL.

        One that is there stays: whoever was told of it must find it unchanged.
        """
        blobs, attempt, doing = self._images, uuid.uuid4().hex, f"writing {name!r}"
        blocks: list[str] = []
        async for body in _in_blocks(pages):
            blocks.append(f"{attempt}{len(blocks):06d}")
            await blobs.stage(name, blocks[-1], body, doing=doing)
        try:
            await blobs.commit(
                name, blocks, doing=doing, content_type=_LINES, metadata={}, condition=IF_NEW
            )
        except StorageRefusal as refusal:
            if refusal.status not in _THERE_ALREADY:
                raise
        return blobs.address(name)


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


def _what(batch_id: str) -> str:
    return f"record of batch {batch_id}"
