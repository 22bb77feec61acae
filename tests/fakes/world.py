"""The world in memory: a fake of every port, true to the real ones by the tests of `contract/`.

Tests read their state (`world.queues.sent`, `world.pictures.committed`) and never how they were
called. Two things they can make happen: `world.steps.failing["records.replace"] = [error]` raises
that error once, before the step has any effect; `world.steps.crash_at = 3` raises `Crash` in place
of the fourth step and of any after it, as a process that is killed there does nothing more.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.adapters.storage.queues import MAX_MESSAGE_BYTES
from shared.errors import AlreadyExists, NoSuchQueue, StaleVersion, TooLarge
from shared.pictures.inputs import InputHead
from shared.pictures.measuring import PictureFacts
from shared.ports import PicturePart, Sink, StoredPicture, Versioned, World
from shared.records.record import JobRecord
from shared.stores.inputs import PIECE_BYTES, as_text
from tests.fakes.batches import FakeAbreast, FakeBatches, FakeManifests
from tests.fakes.books import FakeBudget, FakeDeadLetters, FakeRegister
from tests.fakes.endpoint import FakeEndpoint
from tests.fakes.pools import FakePools
from tests.fakes.renderer import FakeRenderer
from tests.fakes.sinks import FakeAnnouncer
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakeClock:
    time: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by


@dataclass(slots=True)
class FakeRecords:
    steps: Steps = field(default_factory=Steps)
    stored: dict[str, Versioned[JobRecord]] = field(default_factory=dict)
    writes: int = 0

    async def create(self, record: JobRecord) -> str:
        await self.steps.take("records.create")
        if record.job_id in self.stored:
            raise AlreadyExists(f"job {record.job_id} has a record already")
        version = self._write(record)
        self.steps.had("records.create")
        return version

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        await self.steps.take("records.read")
        return self.stored.get(job_id)

    async def replace(self, record: JobRecord, version: str) -> str:
        await self.steps.take("records.replace")
        found = self.stored.get(record.job_id)
        if found is None or found.version != version:
            raise StaleVersion(f"the record of job {record.job_id} has changed")
        version = self._write(record)
        self.steps.had("records.replace")
        return version

    def _write(self, record: JobRecord) -> str:
        self.writes += 1
        # Through JSON, as a blob keeps it: what does not survive that must not survive here.
        kept = JobRecord.model_validate_json(record.model_dump_json())
        self.stored[record.job_id] = Versioned(kept, f'"{self.writes}"')
        return f'"{self.writes}"'


@dataclass(frozen=True, slots=True)
class Sent:
    queue: str
    body: bytes
    delay: timedelta


@dataclass(slots=True)
class FakeQueues:
    steps: Steps = field(default_factory=Steps)
    sent: list[Sent] = field(default_factory=list)
    #: Queues that do not exist.
    missing: set[str] = field(default_factory=set)
    #: When every message was sent.
    sent_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> None:
        if len(body) > MAX_MESSAGE_BYTES:
            raise TooLarge(f"the message for the queue {queue!r} has {len(body):,} bytes")
        await self.steps.take("queues.send")
        if queue in self.missing:
            raise NoSuchQueue(f"there is no queue {queue!r}")
        self.sent.append(Sent(queue, body, delay))
        self.steps.had("queues.send")

    async def oldest(self, queue: str) -> datetime | None:
        await self.steps.take("queues.oldest")
        if queue in self.missing:
            raise NoSuchQueue(f"there is no queue {queue!r}")
        waiting = [each for each in self.sent if each.queue == queue and not each.delay]
        return self.sent_at if waiting else None

    def bodies(self, queue: str) -> list[bytes]:
        return [message.body for message in self.sent if message.queue == queue]


@dataclass(frozen=True, slots=True)
class Committed:
    data: bytes
    facts: PictureFacts
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PutSidecar:
    """A sidecar as somebody put it, and the pictures that were there by then."""

    name: str
    body: bytes
    beside: frozenset[str]


@dataclass(slots=True)
class FakePictures:
    steps: Steps = field(default_factory=Steps)
    committed: dict[str, Committed] = field(default_factory=dict)
    #: The first one of a name stays.
    sidecars: dict[str, bytes] = field(default_factory=dict)
    #: Every try at one, the repeated included.
    puts: list[PutSidecar] = field(default_factory=list)
    #: Writers neither committed nor abandoned: their buffers.
    open: set[int] = field(default_factory=set)

    def create(self, name: str) -> "FakePictureWriter":
        return FakePictureWriter(self, name)

    async def find(self, name: str) -> StoredPicture | None:
        await self.steps.take("pictures.find")
        return self.stored(name) if name in self.committed else None

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        await self.steps.take("pictures.read")
        if name not in self.committed:
            return None
        kept = self.committed[name]
        return PicturePart(
            kept.data[start : start + length],
            start,
            len(kept.data),
            kept.facts.content_type,
            f'"{kept.facts.sha256}"',
        )

    async def remove(self, name: str) -> None:
        await self.steps.take("pictures.remove")
        self.committed.pop(name, None)

    async def put_sidecar(self, name: str, body: bytes) -> None:
        await self.steps.take("pictures.put_sidecar")
        self.puts.append(PutSidecar(name, body, frozenset(self.committed)))
        self.sidecars.setdefault(name, body)

    def stored(self, name: str) -> StoredPicture:
        url = f"https://account.example/images/{name}"
        return StoredPicture(name, url, self.committed[name].facts)


@dataclass(slots=True)
class FakePictureWriter:
    pictures: FakePictures
    name: str
    data: bytearray = field(default_factory=bytearray)

    async def write(self, data: bytes | memoryview) -> None:
        self.pictures.open.add(id(self))
        await self.pictures.steps.take("pictures.write")
        self.data += data

    async def commit(self, facts: PictureFacts, metadata: Mapping[str, str]) -> StoredPicture:
        self.pictures.open.discard(id(self))
        await self.pictures.steps.take("pictures.commit")
        picture = Committed(bytes(self.data), facts, dict(metadata))
        self.pictures.committed.setdefault(self.name, picture)
        self.pictures.steps.had("pictures.commit")
        return self.pictures.stored(self.name)

    async def abandon(self) -> None:
        self.pictures.open.discard(id(self))


@dataclass(slots=True)
class FakeLinks:
    steps: Steps = field(default_factory=Steps)

    async def link(self, name: str, *, until: datetime) -> str:
        await self.steps.take("links.link")
        return f"https://account.example/images/{name}?until={until:%Y%m%dT%H%M%SZ}"


@dataclass(slots=True)
class FakeInputs:
    steps: Steps = field(default_factory=Steps)
    blobs: dict[str, bytes] = field(default_factory=dict)

    async def read_text(self, name: str, *, max_bytes: int) -> str | None:
        await self.steps.take("inputs.read_text")
        body = self.blobs.get(name)
        return None if body is None else as_text(name, body, max_bytes)

    async def head(self, name: str, *, most: int) -> InputHead | None:
        await self.steps.take("inputs.head")
        body = self.blobs.get(name)
        if body is None:
            return None
        return InputHead(version=self._version(body), length=len(body), head=body[:most])

    async def read(self, name: str, version: str) -> AsyncIterator[bytes]:
        body = self.blobs.get(name, b"")
        for start in range(0, len(body), PIECE_BYTES):
            await self.steps.take("inputs.read")
            if self._version(self.blobs.get(name, b"")) != version:
                raise StaleVersion(f"the input {name!r} was changed or removed")
            yield body[start : start + PIECE_BYTES]

    def _version(self, body: bytes) -> str:
        return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


@dataclass(frozen=True, slots=True)
class FakeWorld(World):
    """A whole world; every fake in it counts its steps in the same `steps`."""

    steps: Steps
    clock: FakeClock
    records: FakeRecords
    index: FakeRegister
    budget: FakeBudget
    queues: FakeQueues
    pictures: FakePictures
    renderer: FakeRenderer
    links: FakeLinks
    inputs: FakeInputs
    manifests: FakeManifests
    batches: FakeBatches
    abreast: FakeAbreast
    dead_letters: FakeDeadLetters
    pools: FakePools
    publisher: FakeAnnouncer
    sinks: dict[str, Sink]
    endpoint: FakeEndpoint


def fake_world() -> FakeWorld:
    steps, clock = Steps(), FakeClock()
    pictures = FakePictures(steps)
    return FakeWorld(
        steps=steps,
        clock=clock,
        records=FakeRecords(steps),
        index=FakeRegister(steps),
        budget=FakeBudget(steps),
        queues=FakeQueues(steps),
        pictures=pictures,
        renderer=FakeRenderer(pictures, steps),
        links=FakeLinks(steps),
        inputs=FakeInputs(steps),
        manifests=FakeManifests(steps),
        batches=FakeBatches(steps),
        abreast=FakeAbreast(),
        dead_letters=FakeDeadLetters(steps),
        pools=FakePools(clock, clock.advance, steps),
        publisher=FakeAnnouncer(steps),
        sinks={},
        endpoint=FakeEndpoint(steps),
    )
