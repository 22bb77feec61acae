"""Pictures into blobs: staged block by block while they arrive, committed once and on condition.

The first commit of a name wins and stays. Two attempts at one name cannot mix: each names its
blocks after itself. What an attempt staged and did not commit is never visible; the service
discards it when another attempt commits, or after a week.
"""

import asyncio
import uuid
from collections.abc import Mapping
from typing import Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, ContentSettings
from azure.storage.blob.aio import BlobClient, ContainerClient

from ..errors import StoreUnavailable
from ..pictures import PictureFacts
from ..ports import PicturePart, StoredPicture
from .blocks import Block, BlockBody, BlockPool, BlockSizes
from .picture_metadata import read, written
from .picture_parts import read_part
from .storage_accounts import error_code, storage_errors

_JSON: Final = ContentSettings(content_type="application/json")
#: What the service says when another commit has discarded our blocks.
_BLOCKS_GONE: Final = "InvalidBlockList"


class BlobPictures:
    """`Pictures` in a blob container."""

    def __init__(self, container: ContainerClient, sizes: BlockSizes | None = None) -> None:
        self._container = container
        self._sizes = sizes or BlockSizes()
        self.pool: Final = BlockPool(self._sizes.block_bytes, self._sizes.pool)

    def create(self, name: str) -> "BlobPictureWriter":
        """Open a writer for the blob `name`."""
        blob = self._container.get_blob_client(name)
        return BlobPictureWriter(blob, self.pool, self._sizes.in_flight)

    async def find(self, name: str) -> StoredPicture | None:
        """Return the committed picture of this name, or None."""
        return await _found(self._container.get_blob_client(name))

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        """Return at most `length` bytes of the picture from `start` on, or None if it is none."""
        return await read_part(self._container.get_blob_client(name), start, length)

    async def put_sidecar(self, name: str, body: bytes) -> None:
        """Write a small JSON blob once; if it is there already, leave it."""
        with storage_errors(f"writing {name!r}"):
            try:
                await self._container.upload_blob(
                    name, body, overwrite=False, content_settings=_JSON
                )
            except ResourceExistsError:
                return


class BlobPictureWriter:
    """`PictureWriter` of one blob."""

    def __init__(self, blob: BlobClient, pool: BlockPool, in_flight: int) -> None:
        self._blob = blob
        self._name = str(blob.blob_name)
        self._pool = pool
        self._slots = asyncio.Semaphore(in_flight)
        self._block: Block | None = None
        #: All block ids of a blob must be of one length; base64 of 38 bytes stays below their 64.
        self._attempt = uuid.uuid4().hex
        self._staging: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None

    async def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes; blocks are staged while more arrive.

        Raises `StoreUnavailable` once an earlier block could not be staged.
        """
        rest = memoryview(data)
        while rest:
            if self._block and self._block.full:
                await self._stage(self._block)
            if not self._block:
                self._block = await self._pool.take()
            rest = self._block.take(rest)

    async def commit(self, facts: PictureFacts, metadata: Mapping[str, str]) -> StoredPicture:
        """Make the picture visible, once and whole; what is there already stays."""
        labels = written(facts, metadata)
        content = ContentSettings(content_type=facts.content_type)
        ours = StoredPicture(self._name, _url(self._blob), facts)
        try:
            if not self._staging:
                if await self._put_whole(content, labels):
                    return ours
                if found := await _found(self._blob):
                    return found
                # What is "there" are blocks that another attempt staged and did not commit.
            if await self._commit_blocks(content, labels):
                return ours
        finally:
            await self.abandon()
        if found := await _found(self._blob):
            return found
        raise StoreUnavailable(f"the blocks of {self._name!r} were discarded, by nobody's commit")

    async def abandon(self) -> None:
        """Forget what was staged; safe at any time, and after `commit`.

        Every buffer is back in the pool when it returns, and soon after it is cancelled.
        """
        block, self._block = self._block, None
        if block:
            self._pool.give_back(block, reusable=True)
        under_way = [task for task in self._staging if not task.done()]
        for task in under_way:
            task.cancel()
        if under_way:
            await asyncio.wait(under_way)
        if self._staging:
            await asyncio.sleep(0)  # what is done settles in the loop's next turn

    async def _stage(self, block: Block) -> None:
        """Send a block on its way, as soon as there is a slot for it."""
        await self._slots.acquire()
        if self._failure:
            self._slots.release()
            raise self._failure
        body = BlockBody(block)
        self._block = None
        task = asyncio.create_task(self._send(body, self._block_id(len(self._staging))))
        self._staging.append(task)

        def settle(task: asyncio.Task[None]) -> None:
            # As a callback: a task that is cancelled before its first step never reaches a
            # `finally` of its own.
            error = None if task.cancelled() else task.exception()
            self._failure = self._failure or error
            sent_once = body.sendings == 1 and not task.cancelled() and not error
            self._pool.give_back(block, reusable=sent_once or body.sendings == 0)
            self._slots.release()

        task.add_done_callback(settle)

    async def _send(self, body: BlockBody, block_id: str) -> None:
        with storage_errors(f"staging a block of {self._name!r}"):
            # The SDK sends whatever it can iterate over, anew for each try; its types know only
            # bytes and files.
            await self._blob.stage_block(block_id, body, length=len(body))  # type: ignore[arg-type] # see above

    async def _commit_blocks(self, content: ContentSettings, labels: dict[str, str]) -> bool:
        if self._block:
            await self._stage(self._block)
        for task in self._staging:
            await task
        with storage_errors(f"committing {self._name!r}"):
            try:
                await self._blob.commit_block_list(
                    [BlobBlock(self._block_id(number)) for number in range(len(self._staging))],
                    content_settings=content,
                    metadata=labels,
                    match_condition=MatchConditions.IfMissing,
                )
            except (ResourceExistsError, ResourceModifiedError):
                return False
            except HttpResponseError as error:
                if error_code(error) == _BLOCKS_GONE:
                    return False
                raise
        return True

    async def _put_whole(self, content: ContentSettings, labels: dict[str, str]) -> bool:
        body = bytes(self._block.bytes) if self._block else b""
        with storage_errors(f"writing {self._name!r}"):
            try:
                await self._blob.upload_blob(
                    body, overwrite=False, content_settings=content, metadata=labels
                )
            except ResourceExistsError:
                return False
        return True

    def _block_id(self, number: int) -> str:
        return f"{self._attempt}{number:06d}"


async def _found(blob: BlobClient) -> StoredPicture | None:
    name = str(blob.blob_name)
    with storage_errors(f"looking for {name!r}"):
        try:
            properties = await blob.get_blob_properties()
        except ResourceNotFoundError:
            return None
    content_type = properties.content_settings.content_type
    return StoredPicture(name, _url(blob), read(name, content_type, properties.metadata))


def _url(blob: BlobClient) -> str:
    """Return the blob's URL without the SAS that a connection string may have brought."""
    return str(blob.url).partition("?")[0]
