"""What the client needs of the storage account, written once for both of its sides.

The synchronous side answers without ever suspending, so `sync_storage` can run the same
coroutines without an event loop. Everything raises `StoreUnavailable` and its kin only.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ..pictures.inputs import InputHead


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that is on its queue."""

    message_id: str
    inserted_at: datetime
    #: What takes it back.
    receipt: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message that was taken off its queue for a while."""

    message_id: str
    #: What deletes it, until its time is up.
    receipt: str
    text: str
    #: When others may see it again.
    until: datetime


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob as it was read, and the version that a conditional write must name."""

    body: bytes
    version: str


@dataclass(frozen=True, slots=True)
class Written:
    """A blob that we have written: its version, and the storage's time of it."""

    version: str
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Listed:
    """A blob as a listing shows it."""

    name: str
    metadata: Mapping[str, str]


class Storage(Protocol):
    """Queues and blobs of one account, the clock, and a way to do several things at once."""

    def now(self) -> datetime:
        """Return the time, UTC."""
        ...

    async def pause(self, seconds: float) -> None:
        """Wait."""
        ...

    async def all_of[T](
        self, calls: Sequence[Callable[[], Awaitable[T]]]
    ) -> list[T | BaseException]:
        """Make these calls, several at a time; what each returned or raised, in their order."""
        ...

    async def send(self, queue: str, body: bytes, *, hidden_seconds: int = 0) -> Sent:
        """Send one message that never expires, hidden from all for a while."""
        ...

    async def count(self, queue: str) -> int:
        """Say how many messages a queue has, the hidden ones too."""
        ...

    async def receive(self, queue: str, *, most: int, hidden_seconds: int) -> list[Received]:
        """Take up to `most` messages (32 at most), hidden from others for a while."""
        ...

    async def delete(self, queue: str, message: Received) -> None:
        """Be done with a message; one that is somebody else's by now is left to them."""
        ...

    async def put_back(self, queue: str, message: Received) -> None:
        """Let others see a message at once."""
        ...

    async def listed(self, container: str, *, prefix: str, most: int) -> list[Listed]:
        """List the first blobs whose names begin so, in order."""
        ...

    async def read(self, container: str, name: str) -> Stored | None:
        """Return a small blob, or None when there is none."""
        ...

    async def head(self, container: str, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of a blob, or None when there is none."""
        ...

    async def create(
        self, container: str, name: str, body: bytes, *, content_type: str
    ) -> Written | None:
        """Write a new blob; None, and nothing is changed, when there is one of this name."""
        ...

    async def remove(self, container: str, name: str) -> bool:
        """Delete a blob; False when there is none."""
        ...

    def chunks(self, container: str, name: str) -> AsyncIterator[bytes]:
        """Yield a blob as it arrives; `NoSuchBlob` when there is none."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...
