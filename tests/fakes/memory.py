"""Blobs and queues in memory, true to the real ones by `tests/contract`.

Every operation is first offered to `before`, and after its effect to `after`: tests count there,
raise errors, or let the process die.
"""

import asyncio
import bisect
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
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Blocks that no commit has used, by blob and id.
    staged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    #: Blobs that somebody else holds a lease on.
    leased: set[str] = field(default_factory=set)
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    #: Called with the operation, the name of the blob, and what is put.
    before: Callable[[str, str, bytes], Awaitable[None]] | None = None
    after: Callable[[str, str], None] | None = None
    writes: int = 0

    def seed(self, name: str, body: bytes, metadata: Mapping[str, str] | None = None) -> str:
        """Store a blob as if it had been there before, and return its version."""
        return self._store(name, body, "application/octet-stream", metadata, None)

    def url(self, name: str) -> str:
        return f"https://account.example/{self.container}/{name}"

    async def put(
        self,
        name: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        if_absent: bool = False,
        if_version: str | None = None,
    ) -> str:
        operation = "create" if if_absent else "replace" if if_version else "write"
        await self._begin(operation, name, bytes(body))
        self._check(name, if_absent=if_absent, if_version=if_version)
        version = self._store(name, bytes(body), content_type, metadata, tags)
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
        tags: Mapping[str, str] | None = None,
    ) -> None:
        await self._begin("commit", name)
        staged = self.staged.get(name, {})
        if name in self.stored or not set(blocks) <= set(staged):
            raise AlreadyExists(f"{self.container}/{name} exists already")
        body = b"".join(staged[block] for block in blocks)
        self._store(name, body, content_type, metadata, tags)
        self._end("commit", name)

    async def read(
        self,
        name: str,
        *,
        start: int = 0,
        length: int | None = None,
        if_version: str | None = None,
    ) -> Blob | None:
        await self._begin("read", name)
        blob = self.stored.get(name)
        if blob is None:
            return None
        if if_version not in {None, blob.version}:
            raise StaleVersion(f"{self.container}/{name} has changed")
        end = None if length is None else start + length
        return replace(blob, body=blob.body[start:end])

    async def find(self, name: str) -> Blob | None:
        await self._begin("find", name)
        blob = self.stored.get(name)
        return replace(blob, body=b"") if blob else None

    async def delete(self, name: str, *, if_version: str | None = None) -> bool:
        await self._begin("delete", name)
        self._check(name, if_version=if_version)
        self._end("delete", name)
        return self.stored.pop(name, None) is not None

    async def list(self, prefix: str, *, limit: int, after: str | None = None) -> BlobPage:
        await self._begin("list", prefix)
        if after is not None and not after.startswith("after "):
            raise UnreadableCursor("storage knows no such page; start without one")
        names = sorted(name for name in self.stored if name.startswith(prefix))
        first = bisect.bisect_right(names, after.removeprefix("after ")) if after else 0
        page = names[first : first + min(limit, 5_000)]
        more = first + len(page) < len(names)
        blobs = {name: replace(self.stored[name], body=b"", modified_at=None) for name in page}
        return BlobPage(blobs, f"after {page[-1]}" if more else None)

    async def _begin(self, operation: str, name: str, body: bytes = b"") -> None:
        await asyncio.sleep(0)  # as real I/O does, let others run
        if self.before:
            await self.before(operation, name, body)

    def _end(self, operation: str, name: str) -> None:
        if self.after:
            self.after(operation, name)

    def _check(self, name: str, *, if_absent: bool = False, if_version: str | None = None) -> None:
        blob = self.stored.get(name)
        if name in self.leased:
            raise BlobLeased(f"{self.container}/{name}: somebody holds a lease on it")
        if if_absent and (blob or name in self.staged):
            raise AlreadyExists(f"{self.container}/{name} exists already")
        if if_version is not None and (blob is None or blob.version != if_version):
            raise StaleVersion(f"{self.container}/{name} has changed")

    def _store(
        self,
        name: str,
        body: bytes,
        content_type: str | None,
        metadata: Mapping[str, str] | None,
        tags: Mapping[str, str] | None,
    ) -> str:
        self.writes += 1
        version = f'"{self.writes}"'
        labels = {key.lower(): value for key, value in (metadata or {}).items()}
        self.stored[name] = Blob(version, content_type, labels, len(body), body, self.now())
        self.tags[name] = dict(tags or {})
        self.staged.pop(name, None)
        return version


@dataclass(slots=True)
class Message:
    """A message on a queue in memory."""

    message_id: str
    body: bytes
    inserted_at: datetime
    visible_at: datetime
    receipt: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Every message that was sent."""

    queue: str
    body: bytes
    delay: timedelta


@dataclass(slots=True)
class MemoryQueues:
    """`Inbox` of an account; every queue exists but the `missing` ones."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    queues: dict[str, list[Message]] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)
    before: Callable[[str, str], Awaitable[None]] | None = None
    after: Callable[[str, str], None] | None = None
    sent: list[Sent] = field(default_factory=list)

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"the message for the queue {queue!r} has {len(body):,} bytes")
        await self._begin("send", queue)
        self.sent.append(Sent(queue, body, delay))
        number, now = len(self.sent), self.now()
        message = Message(f"message-{number}", body, now, now + delay, f"receipt-{number}")
        self.queues.setdefault(queue, []).append(message)
        if self.after:
            self.after("send", queue)
        return SentMessage(message.message_id, now, message.receipt)

    def bodies(self, queue: str) -> list[bytes]:
        return [message.body for message in self.sent if message.queue == queue]

    async def oldest(self, queue: str) -> datetime | None:
        await self._begin("oldest", queue)
        return min((each.inserted_at for each in self._visible(queue)), default=None)

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        await self._begin("receive", queue)
        taken = self._visible(queue)[:limit]
        for each in taken:
            each.visible_at = self.now() + hidden
            each.receipt += "'"
        return [
            ReceivedMessage(each.message_id, each.receipt, each.body.decode(), each.visible_at)
            for each in taken
        ]

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        await self._begin("delete", queue)
        kept = [each for each in self.queues.get(queue, []) if each.receipt != message.receipt]
        self.queues[queue] = kept

    async def show(self, queue: str, message: ReceivedMessage) -> None:
        await self._begin("show", queue)
        for each in self.queues.get(queue, []):
            if each.receipt == message.receipt:
                each.visible_at = self.now()

    async def count(self, queue: str) -> int:
        await self._begin("count", queue)
        return len(self.queues.get(queue, []))

    def _visible(self, queue: str) -> list[Message]:
        return [each for each in self.queues.get(queue, []) if each.visible_at <= self.now()]

    async def _begin(self, operation: str, queue: str) -> None:
        await asyncio.sleep(0)
        if self.before:
            await self.before(operation, queue)
        if queue in self.missing:
            raise NoSuchQueue(f"there is no queue {queue!r}")
