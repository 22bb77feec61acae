"""The containers of manifests and of batches, in memory."""

import hashlib
from collections.abc import AsyncIterator, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.batches.record import BatchRecord
from shared.errors import AlreadyExists, StaleVersion
from shared.ports import FoundManifest, Versioned
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakeManifests:
    steps: Steps = field(default_factory=Steps)
    blobs: dict[str, bytes] = field(default_factory=dict)
    modified_at: datetime = datetime(2026, 11, 22, 11, tzinfo=UTC)

    async def find(self, name: str) -> FoundManifest | None:
        await self.steps.take("manifests.find")
        body = self.blobs.get(name)
        if body is None:
            return None
        return FoundManifest(f'"{self.version(name)}"', len(body), self.modified_at)

    async def read(self, name: str, version: str, *, start: int, length: int) -> bytes:
        await self.steps.take("manifests.read")
        if name not in self.blobs or version != self.version(name):
            raise StaleVersion("the manifest was changed or deleted")
        return self.blobs[name][start : start + length]

    def version(self, name: str) -> str:
        return hashlib.sha256(self.blobs[name]).hexdigest()[:16]


@dataclass(slots=True)
class FakeBatches:
    steps: Steps = field(default_factory=Steps)
    stored: dict[str, Versioned[BatchRecord]] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    published: dict[str, bytes] = field(default_factory=dict)
    writes: int = 0

    async def create(self, record: BatchRecord) -> str:
        await self.steps.take("batches.create")
        if record.batch_id in self.stored:
            raise AlreadyExists(f"batch {record.batch_id} has a record already")
        return self._write(record)

    async def read(self, batch_id: str) -> Versioned[BatchRecord] | None:
        await self.steps.take("batches.read")
        return self.stored.get(batch_id)

    async def replace(self, record: BatchRecord, version: str) -> str:
        await self.steps.take("batches.replace")
        found = self.stored.get(record.batch_id)
        if found is None or found.version != version:
            raise StaleVersion(f"the record of batch {record.batch_id} has changed")
        return self._write(record)

    async def put_page(self, batch_id: str, name: str, body: bytes) -> bytes:
        await self.steps.take("batches.put_page")
        return self.pages.setdefault(f"{batch_id}/{name}", body)

    async def read_page(self, batch_id: str, name: str) -> bytes | None:
        await self.steps.take("batches.read_page")
        return self.pages.get(f"{batch_id}/{name}")

    async def publish(self, name: str, pages: AsyncIterator[bytes]) -> str:
        body = b"".join([page async for page in pages])
        await self.steps.take("batches.publish")
        self.published.setdefault(name, body)
        return f"https://account.example/images/{name}"

    def _write(self, record: BatchRecord) -> str:
        self.writes += 1
        kept = BatchRecord.model_validate_json(record.model_dump_json())
        self.stored[record.batch_id] = Versioned(kept, f'"{self.writes}"')
        return f'"{self.writes}"'


@dataclass(slots=True)
class FakeAbreast:
    """One after the other: a step that crashes is then always the same one."""

    async def run[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        return [await each for each in work]
