"""An account in memory for tests of the client; time passes only when somebody waits."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.client.results import NoSuchBlob
from shared.client.storage import Listed, Received, Sent, Stored, Written
from shared.errors import ImageJobsError, StoreUnavailable
from shared.pictures.inputs import InputHead

BEGAN = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)


@dataclass(slots=True)
class Message:
    message_id: str
    text: str
    visible_at: datetime
    receipt: str = ""


@dataclass(slots=True)
class FakeStorage:
    time: datetime = BEGAN
    queues: defaultdict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    blobs: dict[str, bytes] = field(default_factory=dict)
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    #: Sends that fail, counted from the first.
    failing: set[int] = field(default_factory=set)
    #: What happens while somebody waits.
    meanwhile: Callable[[], None] = lambda: None
    waits: list[float] = field(default_factory=list)
    sends: int = 0
    closed: bool = False

    def now(self) -> datetime:
        return self.time

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.meanwhile()

    async def all_of[T](
        self, calls: Sequence[Callable[[], Awaitable[T]]]
    ) -> list[T | BaseException]:
        found: list[T | BaseException] = []
        for call in calls:
            try:
                found.append(await call())
            except ImageJobsError as error:
                found.append(error)
        return found

    async def send(self, queue: str, body: bytes, *, hidden_seconds: int = 0) -> Sent:
        self.sends += 1
        if self.sends in self.failing:
            raise StoreUnavailable("the queue does not answer")
        visible_at = self.time + timedelta(seconds=hidden_seconds)
        message = Message(f"m{self.sends}", body.decode(), visible_at, f"r{self.sends}")
        self.queues[queue].append(message)
        return Sent(message.message_id, self.time, message.receipt)

    async def receive(self, queue: str, *, most: int, hidden_seconds: int) -> list[Received]:
        visible = [each for each in self.queues[queue] if each.visible_at <= self.time][:most]
        for each in visible:
            each.visible_at = self.time + timedelta(seconds=hidden_seconds)
            each.receipt += "'"
        return [Received(m.message_id, m.receipt, m.text, m.visible_at) for m in visible]

    async def delete(self, queue: str, message: Received) -> None:
        self.queues[queue] = [
            each for each in self.queues[queue] if each.receipt != message.receipt
        ]

    async def put_back(self, queue: str, message: Received) -> None:
        for each in self.queues[queue]:
            if each.receipt == message.receipt:
                each.visible_at = self.time

    async def count(self, queue: str) -> int:
        return len(self.queues[queue])

    async def listed(self, container: str, *, prefix: str, most: int) -> list[Listed]:
        start = f"{container}/{prefix}"
        names = sorted(name for name in self.blobs if name.startswith(start))
        return [
            Listed(name.removeprefix(f"{container}/"), self.metadata.get(name, {}))
            for name in names[:most]
        ]

    async def read(self, container: str, name: str) -> Stored | None:
        body = self.blobs.get(f"{container}/{name}")
        return None if body is None else Stored(body, str(hash(body)))

    async def head(self, container: str, name: str, *, most: int) -> InputHead | None:
        body = self.blobs.get(f"{container}/{name}")
        return None if body is None else InputHead(str(hash(body)), len(body), body[:most])

    async def create(
        self, container: str, name: str, body: bytes, *, content_type: str
    ) -> Written | None:
        del content_type
        if f"{container}/{name}" in self.blobs:
            return None
        self.blobs[f"{container}/{name}"] = body
        return Written(str(hash(body)), self.time)

    async def remove(self, container: str, name: str) -> bool:
        return self.blobs.pop(f"{container}/{name}", None) is not None

    async def chunks(self, container: str, name: str) -> AsyncIterator[bytes]:
        body = self.blobs.get(f"{container}/{name}")
        if body is None:
            raise NoSuchBlob(f"there is no blob {container}/{name}")
        for start in range(0, len(body), 3):
            yield body[start : start + 3]

    async def close(self) -> None:
        self.closed = True
