"""Pictures into blobs: staged block by block while they arrive, committed once and on condition.

The first commit of a name wins and stays. Two attempts at one name cannot mix: each names its
blocks after itself. What an attempt staged and did not commit is never visible; the service
discards it when another attempt commits, or after a week.

Parts of stored pictures: some bytes at a time, so that serving one never holds it whole.

A picture's facts and labels as blob metadata, and back.

What a picture can be found by in storage: blob index tags, sent with the commit that makes it.

At most ten a blob, of few characters: what does not fit is in the metadata and in the record, and
is left out here. https://learn.microsoft.com/azure/storage/blobs/storage-manage-find-blobs
"""

import asyncio
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote, unquote

from ..adapters.storage.blobs import IF_NEW, Blobs
from ..adapters.storage.rest import StorageRefusal
from ..errors import StoreUnavailable
from ..pictures.measuring import PictureFacts
from ..ports import PicturePart, StoredPicture
from .picture_blocks import Block, BlockBody, BlockPool, BlockSizes


async def read_part(blobs: Blobs, name: str, start: int, length: int) -> PicturePart | None:
    """Return at most `length` bytes from `start` on, none past the end; None if it is no blob."""
    found = await blobs.read(name, doing=f"reading {name!r}", start=start, most=length)
    if found is None:
        return None
    return PicturePart(
        data=found.body,
        start=start,
        total=found.size,
        content_type=found.content_type or "application/octet-stream",
        version=found.version,
    )


#: What the metadata of a blob may come to, bytes of names and values: 8 KiB, less some room.
MAX_METADATA_BYTES: Final = 8_000

#: Values travel as HTTP headers: printable ASCII but `%`, which marks what is encoded, and the
#: space, which is lost at either end.
_SAFE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]")


def written(facts: PictureFacts, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a picture: its facts, and as many of the labels as fit.

    Values are percent-encoded where a header cannot hold them, names are made identifiers, empty
    values are left out: a paid picture is not lost for the sake of a label.
    """
    metadata = {
        "sha256": facts.sha256,
        "width": str(facts.width),
        "height": str(facts.height),
        "bytes": str(facts.bytes),
    }
    left = MAX_METADATA_BYTES - _size(metadata)
    for label, text in labels.items():
        name, value = _identifier(label), quote(text, safe=_SAFE)
        left -= len(name) + len(value)
        if left < 0:
            break
        if value:
            metadata.setdefault(name, value)
    return metadata


def read(name: str, content_type: str | None, metadata: Mapping[str, str]) -> PictureFacts:
    """Return the facts of a stored picture."""
    try:
        return PictureFacts(
            content_type=content_type or "application/octet-stream",
            width=int(metadata["width"]),
            height=int(metadata["height"]),
            bytes=int(metadata["bytes"]),
            sha256=metadata["sha256"],
        )
    except (KeyError, ValueError) as error:
        raise StoreUnavailable(
            f"the blob {name!r} was not stored by this app: its metadata lacks {error}; "
            f"move it out of the way"
        ) from error


def _identifier(label: str) -> str:
    name = _NOT_IN_A_NAME.sub("_", label)
    return name if name[:1].isalpha() or name.startswith("_") else f"_{name}"


def _size(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


MAX_TAGS: Final = 10
#: Labels of ours that become tags, before the caller's own.
_OURS: Final = ("job_id", "model", "locale")
_OWN: Final = "tag_"
_NAME: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{1,128}")
_VALUE: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{0,256}")


def index_tags(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a picture that is stored with these labels; ours win over equal names."""
    tags: dict[str, str] = {}
    for name, value in _wanted(labels):
        if len(tags) < MAX_TAGS and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            tags.setdefault(name, value)
    return tags


def header_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the header that writes the tags along with a blob; none where there are none."""
    pairs = (f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in tags.items())
    said = "&".join(pairs)
    return {"x-ms-tags": said} if said else {}


def _wanted(labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _OURS:
        if value := labels.get(name):
            yield name, value
    for name, value in labels.items():
        if name.startswith(_OWN):
            yield name.removeprefix(_OWN), unquote(value)


#: What the service says when another commit has discarded our blocks.
_BLOCKS_GONE: Final = "InvalidBlockList"
#: The statuses of a condition that does not hold.
_THERE_ALREADY: Final = frozenset({409, 412})


class BlobPictures:
    """`Pictures` in a blob container."""

    def __init__(self, blobs: Blobs, sizes: BlockSizes | None = None) -> None:
        self._blobs = blobs
        self._sizes = sizes or BlockSizes()
        self.pool: Final = BlockPool(self._sizes.block_bytes, self._sizes.pool)

    def create(self, name: str) -> "BlobPictureWriter":
        """Open a writer for the blob `name`."""
        return BlobPictureWriter(self._blobs, name, self.pool, self._sizes.in_flight)

    async def find(self, name: str) -> StoredPicture | None:
        """Return the committed picture of this name, or None."""
        return await _found(self._blobs, name)

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        """Return at most `length` bytes of the picture from `start` on, or None if it is none."""
        return await read_part(self._blobs, name, start, length)

    async def remove(self, name: str) -> None:
        """Delete a picture that nobody was told of, if it is there."""
        try:
            await self._blobs.delete(name, doing=f"deleting {name!r}")
        except StorageRefusal as refusal:
            if refusal.code != "BlobNotFound":
                raise

    async def put_sidecar(self, name: str, body: bytes) -> None:
        """Write a small JSON blob once; if it is there already, leave it."""
        try:
            await self._blobs.put(name, body, doing=f"writing {name!r}", condition=IF_NEW)
        except StorageRefusal as refusal:
            if refusal.status not in _THERE_ALREADY:
                raise


class BlobPictureWriter:
    """`PictureWriter` of one blob."""

    def __init__(self, blobs: Blobs, name: str, pool: BlockPool, in_flight: int) -> None:
        self._blobs = blobs
        self._name = name
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
        ours = StoredPicture(self._name, self._blobs.address(self._name), facts)
        labels, tags = written(facts, metadata), header_of(index_tags(metadata))
        try:
            try:
                found = await self._committed(ours, labels, tags)
            except StorageRefusal as refusal:
                if not tags or not _is_of_tags(refusal):
                    raise
                # A picture that is paid for is not lost for want of the right to label it.
                labels = {**labels, "index_tags": f"refused, {refusal.status} {refusal.code}"}
                found = await self._committed(ours, labels, {})
        finally:
            await self.abandon()
        if found:
            return found
        if found := await _found(self._blobs, self._name):
            return found
        raise StoreUnavailable(f"the blocks of {self._name!r} were discarded, by nobody's commit")

    async def _committed(
        self, ours: StoredPicture, labels: dict[str, str], tags: dict[str, str]
    ) -> StoredPicture | None:
        """Return our picture, or the one that is there; None if neither is."""
        content_type = ours.facts.content_type
        if not self._staging:
            if await self._put_whole(content_type, labels, tags):
                return ours
            if found := await _found(self._blobs, self._name):
                return found
            # What is "there" are blocks that another attempt staged and did not commit.
        if await self._commit_blocks(content_type, labels, tags):
            return ours
        return None

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

    async def _send(self, body: BlockBody, block: str) -> None:
        doing = f"staging a block of {self._name!r}"
        await self._blobs.stage(self._name, block, body, doing=doing)

    async def _commit_blocks(
        self, content_type: str, labels: dict[str, str], tags: dict[str, str]
    ) -> bool:
        if self._block:
            await self._stage(self._block)
        for task in self._staging:
            await task
        try:
            await self._blobs.commit(
                self._name,
                [self._block_id(number) for number in range(len(self._staging))],
                doing=f"committing {self._name!r}",
                content_type=content_type,
                metadata=labels,
                condition={**IF_NEW, **tags},
            )
        except StorageRefusal as refusal:
            if _is_there(refusal) or refusal.code == _BLOCKS_GONE:
                return False
            raise
        return True

    async def _put_whole(
        self, content_type: str, labels: dict[str, str], tags: dict[str, str]
    ) -> bool:
        try:
            await self._blobs.put(
                self._name,
                bytes(self._block.bytes) if self._block else b"",
                doing=f"writing {self._name!r}",
                content_type=content_type,
                metadata=labels,
                condition={**IF_NEW, **tags},
            )
        except StorageRefusal as refusal:
            if _is_there(refusal):
                return False
            raise
        return True

    def _block_id(self, number: int) -> str:
        return f"{self._attempt}{number:06d}"


def _is_there(refusal: StorageRefusal) -> bool:
    """Tell whether a write was refused because something is there already."""
    return refusal.status in _THERE_ALREADY and "Tags" not in refusal.code


def _is_of_tags(refusal: StorageRefusal) -> bool:
    """Tell whether it may be the tags that are refused: no right to them, or no such feature."""
    return refusal.status in {400, 403} or "Tags" in refusal.code


async def _found(blobs: Blobs, name: str) -> StoredPicture | None:
    blob = await blobs.find(name, doing=f"looking for {name!r}")
    if blob is None:
        return None
    facts = read(name, blob.content_type, blob.metadata)
    return StoredPicture(name, blobs.address(name), facts)
