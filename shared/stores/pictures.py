"""Pictures: staged block by block while they arrive, committed once and on condition.

The first commit of a name wins and stays. Two attempts at one name cannot mix: each names its
blocks after itself. What an attempt staged and did not commit is never visible; the service
discards it when another attempt commits, or after a week.
"""

import asyncio
import contextlib
import re
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

from pydantic import ValidationError

from ..errors import AlreadyExists, NameTaken, StoreUnavailable, TagsRefused
from ..jobs.validation import plain_faults
from ..pictures.measuring import PictureFacts
from ..ports import BlockBlobs, StoredPicture
from .documents import list_all

#: What a body hands over at once, bytes. aiohttp encrypts what it is given in one go: larger
#: pieces cost memory and stall the event loop, smaller ones cost CPU.
SLICE_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class BlockSizes:
    """How pictures are cut; measured for one and for 64 pictures at once.

    Larger blocks save requests and cost memory; more of them in flight gains nothing on a fast
    network.
    """

    #: Size of a block, bytes.
    block_bytes: int = 1 << 20
    #: Blocks of one picture being sent at once.
    in_flight: int = 2
    #: Blocks of all pictures of the process, being filled or sent.
    pool: int = 16


class Block:
    """A buffer, filled from the front."""

    __slots__ = ("_memory", "used")

    def __init__(self, size: int) -> None:
        self._memory = memoryview(bytearray(size))
        self.used = 0

    @property
    def full(self) -> bool:
        """Whether nothing more fits."""
        return self.used == len(self._memory)

    @property
    def bytes(self) -> memoryview:
        """What it holds; no copy."""
        return self._memory[: self.used]

    def take(self, data: memoryview) -> memoryview:
        """Copy in what fits and return the rest."""
        fits = min(len(data), len(self._memory) - self.used)
        self._memory[self.used : self.used + fits] = data[:fits]
        self.used += fits
        return data[fits:]


class BlockPool:
    """The buffers of the process, made as they are needed and used again.

    All writers of a process share one pool, so that what pictures take of memory is bounded however
    many arrive at once: docs/benchmarks.md has figures. A writer that finds the pool empty waits,
    and its reply waits with it (TCP tells the endpoint to slow down). A block is either being
    filled or being sent, and sending needs no other block: there is no deadlock.
    """

    def __init__(self, size: int, count: int) -> None:
        self._size = size
        self._free: list[Block] = []
        self._left = asyncio.Semaphore(count)
        #: Blocks that writers hold.
        self.out = 0

    async def take(self) -> Block:
        """Return an empty block, when there is one."""
        await self._left.acquire()
        self.out += 1
        block = self._free.pop() if self._free else Block(self._size)
        block.used = 0
        return block

    def give_back(self, block: Block, *, reusable: bool) -> None:
        """Take a block back.

        One whose sending was cut short or repeated is not used again: the connection it was cut on
        may still hold, unsent, views into its memory, and would send the next picture's bytes
        under this one's name.
        """
        if reusable:
            self._free.append(block)
        self.out -= 1
        self._left.release()


class BlockBody:
    """A block as a request body: in slices, and from the start again when the SDK repeats it."""

    def __init__(self, block: Block) -> None:
        self._bytes = block.bytes
        #: How often it was, or began to be, sent.
        self.sendings = 0

    def __len__(self) -> int:
        return len(self._bytes)

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        self.sendings += 1
        for start in range(0, len(self._bytes), SLICE_BYTES):
            if start:  # the kernel takes a whole block at once: let others have their turn
                await asyncio.sleep(0)
            yield self._bytes[start : start + SLICE_BYTES]


@dataclass(frozen=True, slots=True)
class PicturePart:
    """Some bytes of a stored picture; empty where `start` is past its end."""

    data: bytes
    start: int
    #: Of the whole picture, bytes.
    total: int
    content_type: str
    version: str


class Pictures:
    """The container of finished pictures."""

    def __init__(
        self, blobs: BlockBlobs, sizes: BlockSizes | None = None, pool: BlockPool | None = None
    ) -> None:
        self.blobs = blobs
        self.sizes = sizes or BlockSizes()
        self.pool = pool or BlockPool(self.sizes.block_bytes, self.sizes.pool)
        #: Storage has refused a picture, and has not answered since; operators know.
        self.blocked = False

    def create(self, name: str) -> "PictureWriter":
        """Open a writer for the blob `name`; nothing is visible before its `commit`."""
        return PictureWriter(self.blobs, name, self.pool, self.sizes.in_flight)

    def create_preview(self, name: str) -> "PictureWriter":
        """Open a writer whose commit replaces the preview `name` (`vocabulary.preview_name`)."""
        return PictureWriter(self.blobs, name, self.pool, self.sizes.in_flight, is_preview=True)

    async def has_preview(self, name: str, labels: Mapping[str, str]) -> bool:
        """Tell whether a preview is there and has these labels: job, fingerprint, attempt."""
        blob = await self.blobs.find(name)
        return blob is not None and all(
            unquote(blob.metadata.get(key, "")) == value for key, value in labels.items()
        )

    async def find(
        self, name: str, labels: Mapping[str, str] | None = None
    ) -> StoredPicture | None:
        """Return the committed picture of this name, or None.

        Raises `NameTaken` if it is no picture of the app, or not of the job of these labels.
        """
        found = await _find(self.blobs, name, labels or {})
        self.blocked = False
        return found

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        """Return at most `length` bytes of the picture from `start` on, or None if it is gone."""
        found = await self.blobs.read(name, start=start, length=length)
        if found is None:
            return None
        content_type = found.content_type or "application/octet-stream"
        return PicturePart(found.body, start, found.size, content_type, found.version)

    async def remove(self, name: str) -> None:
        """Delete a picture, or another blob beside it, if it is there."""
        await self.blobs.delete(name)

    async def names(self, job_id: str) -> list[str]:
        """Return the names of all that is stored for a job: pictures and what is made of them."""
        return [name async for name, _ in list_all(self.blobs, f"{job_id}/")]

    async def put_sidecar(self, name: str, body: bytes) -> None:
        """Write a small JSON blob once; an existing one stays."""
        with contextlib.suppress(AlreadyExists):
            await self.blobs.put(name, body, if_absent=True)


class PictureWriter:
    """One picture on its way into storage."""

    def __init__(
        self,
        blobs: BlockBlobs,
        name: str,
        pool: BlockPool,
        in_flight: int,
        *,
        is_preview: bool = False,
    ) -> None:
        self._blobs = blobs
        self._name = name
        self._is_preview = is_preview
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

    async def commit(self, facts: PictureFacts, labels: Mapping[str, str]) -> StoredPicture:
        """Make the picture visible, once and whole, with labels as metadata and index tags.

        A picture of this name that is there already stays and is returned: it was paid for too,
        and events may have named it. Raises `NameTaken` if it is not of the job of the labels.

        A preview replaces the one before, and has no tags: no search takes it for a picture.
        """
        metadata = picture_metadata(facts, labels)
        tags = {} if self._is_preview else index_tags(labels)
        try:
            try:
                await self._commit(facts.content_type, metadata, tags)
            except TagsRefused as refusal:
                # A paid picture is not lost for want of the right to tag it.
                metadata = {**metadata, "index_tags": f"refused, {refusal}"}
                await self._commit(facts.content_type, metadata, {})
        except AlreadyExists:
            if found := await _find(self._blobs, self._name, labels):
                return found
            raise StoreUnavailable(f"the blocks of {self._name!r} were discarded") from None
        finally:
            await self.abandon()
        return StoredPicture(self._name, self._blobs.url(self._name), facts, metadata)

    async def _commit(
        self, content_type: str, metadata: dict[str, str], tags: dict[str, str]
    ) -> None:
        if not self._staging:
            try:
                await self._blobs.put(
                    self._name,
                    bytes(self._block.bytes) if self._block else b"",
                    content_type=content_type,
                    metadata=metadata,
                    tags=tags,
                    if_absent=not self._is_preview,
                )
            except AlreadyExists:
                if await self._blobs.find(self._name):
                    raise
                # What exists are blocks that another attempt staged and did not commit.
            else:
                return
        if self._block:
            await self._stage(self._block)
        for task in self._staging:
            await task
        blocks = [self._block_id(number) for number in range(len(self._staging))]
        await self._blobs.commit(
            self._name,
            blocks,
            content_type=content_type,
            metadata=metadata,
            tags=tags,
            if_absent=not self._is_preview,
        )

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
        block_id = self._block_id(len(self._staging))
        task = asyncio.create_task(self._blobs.stage(self._name, block_id, body))
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

    def _block_id(self, number: int) -> str:
        return f"{self._attempt}{number:06d}"


async def _find(blobs: BlockBlobs, name: str, labels: Mapping[str, str]) -> StoredPicture | None:
    blob = await blobs.find(name)
    if blob is None:
        return None
    job_id, fingerprint = (unquote(blob.metadata.get(key, "")) for key in ("job_id", "fingerprint"))
    # An earlier version of the app wrote no fingerprint.
    same = job_id == labels.get("job_id") and fingerprint in {labels.get("fingerprint"), ""}
    if "job_id" in labels and not same:
        whose = f"job {job_id!r} with other content" if job_id else "no job of this app"
        raise NameTaken(
            f"the blob {blobs.url(name)} is of {whose}, and is never overwritten; use a new "
            "job_id, or move the blob away"
        )
    facts = facts_of_metadata(name, blob.content_type, blob.metadata)
    return StoredPicture(name, blobs.url(name), facts, blob.metadata)


#: What the metadata of a blob may come to, bytes of names and values: 8 KiB, less some room.
MAX_METADATA_BYTES: Final = 8_000

#: Values travel as HTTP headers: printable ASCII but `%`, which marks what is encoded, and the
#: space, which is lost at either end.
_SAFE: Final = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_NOT_IN_A_NAME: Final = re.compile(r"[^A-Za-z0-9_]")


def picture_metadata(facts: PictureFacts, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a picture: its facts, and as many of the labels as fit.

    Values are percent-encoded where a header cannot hold them, names are made identifiers, empty
    values are left out: a paid picture is not lost for the sake of a label.
    """
    numbers = facts.model_dump(exclude={"content_type"})
    metadata = {name: str(value) for name, value in numbers.items()}
    left = MAX_METADATA_BYTES - sum(len(name) + len(value) for name, value in metadata.items())
    for label, text in labels.items():
        name, value = _identifier(label), quote(text, safe=_SAFE)
        left -= len(name) + len(value)
        if left < 0:
            break
        if value:
            metadata.setdefault(name, value)
    return metadata


def facts_of_metadata(
    name: str, content_type: str | None, metadata: Mapping[str, str]
) -> PictureFacts:
    """Return the facts of a picture that the app stored."""
    try:
        return PictureFacts.model_validate(
            {**metadata, "content_type": content_type or "application/octet-stream"}
        )
    except ValidationError as error:
        faults = "; ".join(map(str, plain_faults(error)))
        raise NameTaken(
            f"the blob {name!r} is no picture of this app: its metadata has faults: {faults}; use "
            "a new job_id, or move the blob away"
        ) from error


def _identifier(label: str) -> str:
    name = _NOT_IN_A_NAME.sub("_", label)
    return name if name[:1].isalpha() or name.startswith("_") else f"_{name}"


#: What a picture can be found by in storage: index tags, at most ten a blob, of few characters.
#: What does not fit is in the metadata and in the record, and is left out here.
#: https://learn.microsoft.com/azure/storage/blobs/storage-manage-find-blobs
MAX_TAGS: Final = 10
#: Labels of ours that become tags, before the caller's own.
_OURS: Final = ("job_id", "model", "locale", "tenant")
_CALLERS: Final = "tag_"
_NAME: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{1,128}")
_VALUE: Final = re.compile(r"[A-Za-z0-9 +\-./:=_]{0,256}")


def index_tags(labels: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a picture that is stored with these labels; ours win over equal names."""
    ours = [(name, labels[name]) for name in _OURS if labels.get(name)]
    callers = [
        (name.removeprefix(_CALLERS), unquote(value))
        for name, value in labels.items()
        if name.startswith(_CALLERS)
    ]
    tags: dict[str, str] = {}
    for name, value in [*ours, *callers]:
        if len(tags) < MAX_TAGS and _NAME.fullmatch(name) and _VALUE.fullmatch(value):
            tags.setdefault(name, value)
    return tags
