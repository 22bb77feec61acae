"""Blobs and queues in memory, true to the real ones by `tests/contract`.

Every operation calls `before`, and one that takes effect calls `after`. There tests count, raise
errors, or let the process die.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.errors import (
    AlreadyExists,
    BlobLeased,
    NoSuchQueue,
    StaleVersion,
    TooLarge,
    UnreadableCursor,
)
from shared.jobs.parsing import MAX_MESSAGE_BYTES
from shared.ports import Blob, BlobPage, Body, ReceivedMessage, SentMessage


@dataclass(slots=True)
class MemoryBlobs:
    """`BlockBlobs` of one container."""

    container: str = "container"
    stored: dict[str, Blob] = field(default_factory=dict)
    #: Blocks that no commit has used, by blob and id.
    staged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    #: Blobs that somebody else holds a lease on.
    leased: set[str] = field(default_factory=set)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Called with the operation, the name of the blob, and its new body.
    before: Callable[[str, str, bytes], Awaitable[None]] | None = None
    after: Callable[[str, str], None] | None = None
    writes: int = 0

    def seed(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """Store a blob without a call of `before` or `after`, and return its version."""
        return self._store(name, body, "application/octet-stream", metadata or {})

    def url(self, name: str) -> str:
        return f"https://account.example/{self.container}/{name}"

    async def put(
        self,
        name: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,  # noqa: ARG002 (only storage searches by tags)
        if_absent: bool = False,
        if_version: str | None = None,
    ) -> str:
        operation = "create" if if_absent else "replace" if if_version else "write"
        await self._begin(operation, name, body)
        self._check(name, if_version)
        if if_absent and (name in self.stored or name in self.staged):
            raise AlreadyExists(f"{self.container}/{name} exists already")
        version = self._store(name, body, content_type, metadata or {})
        self._end(operation, name)
        return version

    async def stage(self, name: str, block: str, body: bytes | Body) -> None:
        await self._begin("stage", name)
        data = body if isinstance(body, bytes) else b"".join([bytes(piece) async for piece in body])
        self.staged.setdefault(name, {})[block] = data

    async def commit(
        self,
        name: str,
        blocks: Sequence[str],
        *,
        content_type: str,
        metadata: Mapping[str, str],
        tags: Mapping[str, str] | None = None,  # noqa: ARG002 (as above)
        if_absent: bool = True,
    ) -> None:
        await self._begin("commit", name)
        staged = self.staged.get(name, {})
        if (if_absent and name in self.stored) or not set(blocks) <= set(staged):
            raise AlreadyExists(f"{self.container}/{name} exists already")
        self._store(name, b"".join(staged[block] for block in blocks), content_type, metadata)
        self._end("commit", name)

    async def read(
        self, name: str, *, start: int = 0, length: int | None = None, if_version: str | None = None
    ) -> Blob | None:
        await self._begin("read", name)
        if blob := self.stored.get(name):
            self._check(name, if_version, writes=False)
            return replace(blob, body=blob.body[start:][:length])
        return None

    async def find(self, name: str) -> Blob | None:
        await self._begin("find", name)
        blob = self.stored.get(name)
        return replace(blob, body=b"") if blob else None

    async def delete(self, name: str, *, if_version: str | None = None) -> bool:
        await self._begin("delete", name)
        self._check(name, if_version)
        self._end("delete", name)
        return self.stored.pop(name, None) is not None

    async def list(self, prefix: str, *, limit: int, after: str | None = None) -> BlobPage:
        await self._begin("list", prefix)
        if after is not None and not after.startswith("after "):
            raise UnreadableCursor("storage knows no such page; start without one")
        last = (after or "").removeprefix("after ")
        names = sorted(name for name in self.stored if name.startswith(prefix) and name > last)
        page = names[: min(limit, 5_000)]
        blobs = {name: replace(self.stored[name], body=b"", modified_at=None) for name in page}
        return BlobPage(blobs, f"after {page[-1]}" if len(page) < len(names) else None)

    async def _begin(self, operation: str, name: str, body: bytes = b"") -> None:
        await asyncio.sleep(0)  # as real I/O does, let others run
        if self.before:
            await self.before(operation, name, body)

    def _end(self, operation: str, name: str) -> None:
        if self.after:
            self.after(operation, name)

    def _check(self, name: str, if_version: str | None, *, writes: bool = True) -> None:
        if writes and name in self.leased:
            raise BlobLeased(f"{self.container}/{name}: somebody holds a lease on it")
        blob = self.stored.get(name)
        if if_version is not None and (blob is None or blob.version != if_version):
            raise StaleVersion(f"{self.container}/{name} has changed")

    def _store(self, name: str, body: bytes, kind: str, metadata: Mapping[str, str]) -> str:
        self.writes += 1
        labels = {key.lower(): value for key, value in metadata.items()}
        blob = Blob(f'"{self.writes}"', kind, labels, len(body), bytes(body), self.now())
        self.stored[name] = blob
        self.staged.pop(name, None)
        return blob.version


@dataclass(slots=True)
class Message:
    """A message as it was sent, and when it is visible next."""

    queue: str
    body: bytes
    delay: timedelta
    message_id: str
    receipt: str
    inserted_at: datetime
    visible_at: datetime


@dataclass(slots=True)
class MemoryQueues:
    """`Queues` of an account; every queue exists but the `missing` ones."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Messages that were not deleted, by queue.
    queues: dict[str, list[Message]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    before: Callable[[str, str], Awaitable[None]] | None = None
    after: Callable[[str, str], None] | None = None
    #: Every message that was sent.
    sent: list[Message] = field(default_factory=list)

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"the message for the queue {queue!r} has {len(body):,} bytes")
        waiting, now = await self._begin("send", queue), self.now()
        number = len(self.sent)
        message = Message(queue, body, delay, f"m{number}", f"receipt-{number}", now, now + delay)
        self.sent.append(message)
        waiting.append(message)
        if self.after:
            self.after("send", queue)
        return SentMessage(message.message_id, now, message.receipt)

    def bodies(self, queue: str) -> list[bytes]:
        return [message.body for message in self.sent if message.queue == queue]

    async def oldest(self, queue: str) -> datetime | None:
        waiting, now = await self._begin("oldest", queue), self.now()
        return min((each.inserted_at for each in waiting if each.visible_at <= now), default=None)

    async def peek(self, queue: str, *, limit: int) -> list[str]:
        waiting, now = await self._begin("peek", queue), self.now()
        return [each.body.decode() for each in waiting if each.visible_at <= now][:limit]

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        waiting, now = await self._begin("receive", queue), self.now()
        received = [each for each in waiting if each.visible_at <= now][:limit]
        for each in received:
            each.visible_at = now + hidden
            each.receipt += "'"
        return [
            ReceivedMessage(each.message_id, each.receipt, each.body.decode(), each.visible_at)
            for each in received
        ]

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        waiting = await self._begin("delete", queue)
        waiting[:] = [each for each in waiting if each.receipt != message.receipt]

    async def put_back(
        self, queue: str, message: ReceivedMessage, body: bytes, *, delay: timedelta = timedelta()
    ) -> None:
        for each in await self._begin("put_back", queue):
            if each.receipt == message.receipt:
                each.body, each.delay, each.visible_at = body, delay, self.now() + delay
                each.receipt += "'"

    async def count(self, queue: str) -> int:
        return len(await self._begin("count", queue))

    async def _begin(self, operation: str, queue: str) -> list[Message]:
        await asyncio.sleep(0)
        if self.before:
            await self.before(operation, queue)
        if queue in self.missing:
            raise NoSuchQueue(f"there is no queue {queue!r}")
        return self.queues.setdefault(queue, [])
