"""What batches need of the world, as protocols: a part of `ports.World`."""

from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # no start waits for what is seldom asked for
    from .batches import BatchRecord, KeptBatch


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest as it stands: its version (ETag), its size, when it was written."""

    version: str
    bytes: int
    modified_at: datetime


class Manifests(Protocol):
    """The container that files are dropped into."""

    async def find(self, name: str) -> FoundManifest | None:
        """Tell how a manifest stands, None when there is none of this name."""
        ...

    async def read(self, name: str, version: str, *, start: int, length: int) -> bytes:
        """Return bytes of this version; `StaleVersion` when it was changed or deleted."""
        ...


class Batches(Protocol):
    """The records of batches, and their pages: `batches/{batch_id}/`."""

    async def create(self, record: "BatchRecord") -> str:
        """Write a new record and return its version; `AlreadyExists` if the batch has one."""
        ...

    async def read(self, batch_id: str) -> "KeptBatch | None":
        """Return the record, or None when there is none."""
        ...

    async def replace(self, record: "BatchRecord", version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        ...

    async def put_page(self, batch_id: str, name: str, body: bytes) -> bytes:
        """Write a page once; return what stands there, whoever wrote it."""
        ...

    async def read_page(self, batch_id: str, name: str) -> bytes | None:
        """Return a page, None when there is none."""
        ...

    async def publish(self, name: str, pages: AsyncIterator[bytes]) -> str:
        """Write a result manifest beside the pictures, once and whole; return its URL."""
        ...


class Abreast(Protocol):
    """Several things done at a time."""

    async def run[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Await all, some at a time, and return what they return in their order.

        The first error is raised once those under way have stopped; the others are not begun.
        """
        ...
