"""A whole world in memory: the repositories that ship, over blobs and queues in memory.

Tests read its state (`world.committed`, `world.event_types()`) and never how it was called. Two
things they can make happen: `world.steps.failing["records.replace"] = [error]` raises that error
once, before the step has any effect; `world.steps.crash_at = 3` raises `Crash` in place of the
fourth step and of any after it, as a process that is killed there does nothing more.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.batches.record import BatchRecord
from shared.config.settings import FORMER_LANES, Settings, configure
from shared.limits.budget import DayLedger
from shared.limits.pool_ledger import Ledger
from shared.pictures.measuring import PictureFacts
from shared.ports import Sink, Versioned
from shared.records.index_entry import IndexEntry, from_metadata
from shared.records.record import JobRecord
from shared.stores.index import ENDED, OPEN, OpenEntry
from shared.stores.pictures import facts_of_metadata
from shared.stores.world import World, build_world
from tests.fakes.endpoint import FakeEndpoint
from tests.fakes.memory import MemoryBlobs, MemoryQueues
from tests.fakes.renderer import FakeRenderer
from tests.fakes.sinks import FakeSink
from tests.simulation.steps import Steps

#: Names of containers and queues as they are by default.
SETTINGS = configure(
    {
        "ImageStorage": "UseDevelopmentStorage=true",
        "FOUNDRY_ENDPOINT": "https://foundry.example",
        "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]',
    }
).settings


@dataclass
class FakeClock:
    """Stands still until somebody waits or a test advances it."""

    time: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, by: timedelta) -> None:
        self.time += by

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.time += timedelta(seconds=seconds)


@dataclass(slots=True)
class FakeLinks:
    steps: Steps = field(default_factory=Steps)

    async def link(self, name: str, *, until: datetime) -> str:
        await self.steps.take("links.link")
        return f"https://account.example/images/{name}?until={until:%Y%m%dT%H%M%SZ}"


async def gather_in_order[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Await one after the other, so that every run takes the same steps."""
    found: list[T] = []
    left = iter(work)
    try:
        for coroutine in left:
            found.append(await coroutine)  # noqa: PERF401 (what is left is closed below)
    finally:
        for coroutine in left:
            coroutine.close()
    return found


@dataclass(frozen=True, slots=True)
class Committed:
    """A picture as it is stored."""

    data: bytes
    facts: PictureFacts
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PutSidecar:
    """A sidecar as somebody put it, and the pictures that were there by then."""

    name: str
    body: bytes
    beside: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeWorld(World):
    """A world whose steps are counted, with its state as tests want to read it."""

    steps: Steps
    clock: FakeClock
    queues: MemoryQueues
    endpoint: FakeEndpoint
    renderer: FakeRenderer
    sinks: dict[str, Sink]
    containers: dict[str, MemoryBlobs]
    sidecar_puts: list[PutSidecar]

    def container(self, name: str) -> MemoryBlobs:
        return self.containers[name]

    @property
    def stored_records(self) -> dict[str, Versioned[JobRecord]]:
        return {
            name.removesuffix(".json"): Versioned(
                JobRecord.model_validate_json(blob.body), blob.version
            )
            for name, blob in self.container("jobs").stored.items()
            if "/" not in name
        }

    def record(self, job_id: str) -> JobRecord:
        return self.stored_records[job_id].value

    @property
    def open_jobs(self) -> dict[str, OpenEntry]:
        """The open entries of the index by their names."""
        return {
            name.removeprefix(OPEN): OpenEntry(
                from_metadata(blob.metadata["entry"]),
                datetime.fromisoformat(blob.metadata["next_check_at"]),
                blob.version,
            )
            for name, blob in sorted(self.container("jobs").stored.items())
            if name.startswith(OPEN)
        }

    @property
    def ended_jobs(self) -> dict[str, IndexEntry]:
        """The entries of ended jobs in the index by their names."""
        return {
            name.removeprefix(ENDED): from_metadata(blob.metadata["entry"])
            for name, blob in sorted(self.container("jobs").stored.items())
            if name.startswith(ENDED)
        }

    @property
    def day_ledgers(self) -> dict[date, DayLedger]:
        return {
            date.fromisoformat(name[len("budget/") : -len(".json")]): DayLedger.model_validate_json(
                blob.body
            )
            for name, blob in self.container("jobs").stored.items()
            if name.startswith("budget/")
        }

    @property
    def pool_ledgers(self) -> dict[str, Ledger]:
        return {
            name.removesuffix(".json"): Ledger.model_validate_json(blob.body)
            for name, blob in self.container("pace").stored.items()
        }

    @property
    def stored_batches(self) -> dict[str, BatchRecord]:
        return {
            name.split("/")[1]: BatchRecord.model_validate_json(blob.body)
            for name, blob in self.container("jobs").stored.items()
            if name.startswith("batches/") and name.endswith("/batch.json")
        }

    @property
    def committed(self) -> dict[str, Committed]:
        return {
            name: Committed(
                blob.body, facts_of_metadata(name, blob.content_type, blob.metadata), blob.metadata
            )
            for name, blob in self.container("images").stored.items()
            if "sha256" in blob.metadata
        }

    @property
    def sidecars(self) -> dict[str, bytes]:
        return {
            name: blob.body
            for name, blob in self.container("images").stored.items()
            if _is_sidecar(name)
        }

    @property
    def results(self) -> dict[str, bytes]:
        """Result manifests of batches by name."""
        return {
            name: blob.body
            for name, blob in self.container("images").stored.items()
            if blob.content_type == "application/x-ndjson"
        }

    @property
    def letters(self) -> dict[str, bytes]:
        """Dead letters by name."""
        return {name: blob.body for name, blob in self.container("dead-letters").stored.items()}

    @property
    def events(self) -> list[CloudEvent]:
        """Every event of the events queue, in order."""
        return [_event(body) for body in self.queues.bodies(SETTINGS.events_queue)]

    def event_types(self) -> list[str]:
        return [event.get_type() for event in self.events]

    def replies(self, queue: str) -> list[CloudEvent]:
        return [_event(body) for body in self.queues.bodies(queue)]

    def seed(self, container: str, name: str, body: bytes) -> str:
        """Put a blob into a container, without a step; return its version."""
        return self.containers[container].seed(name, body)


def _event(body: bytes) -> CloudEvent:
    event = JSONFormat().read(CloudEvent, body)
    assert isinstance(event, CloudEvent)
    return event


def _is_sidecar(name: str) -> bool:
    return name.endswith("/job.json")


def _part(container: str, name: str) -> str:
    """Name what a blob is part of, as steps are named."""
    if container == SETTINGS.jobs_container:
        folder = name.partition("/")[0] if "/" in name else ""
        if folder == "batches" and not name.endswith("/batch.json"):
            return "batch_pages"
        return {"open": "index", "ended": "index"}.get(folder, folder or "records")
    if container == SETTINGS.images_container:
        return "sidecars" if _is_sidecar(name) else "pictures"
    parts = {
        SETTINGS.dead_letters_container: "dead_letters",
        SETTINGS.pace_container: "pools",
    }
    return parts.get(container, container)


def fake_world(settings: Settings = SETTINGS) -> FakeWorld:
    """Return a new world; every operation on blobs, queues and the rest is a step."""
    steps, clock, containers = Steps(), FakeClock(), dict[str, MemoryBlobs]()
    puts: list[PutSidecar] = []
    # As where the app began with this version.
    lanes = {f"{lane}{kind}" for lane in FORMER_LANES for kind in ("", "-poison")}
    queues = MemoryQueues(clock.now, missing=lanes)

    def open_container(container: str) -> MemoryBlobs:
        async def before(operation: str, name: str, body: bytes) -> None:
            await steps.take(f"{_part(container, name)}.{operation}")
            if _is_sidecar(name):
                pictures = containers[SETTINGS.images_container].stored
                puts.append(PutSidecar(name, body, frozenset(pictures)))

        def after(operation: str, name: str) -> None:
            steps.had(f"{_part(container, name)}.{operation}")

        return containers.setdefault(
            container, MemoryBlobs(container, now=clock.now, before=before, after=after)
        )

    async def before(operation: str, queue: str) -> None:
        if queue not in queues.missing:
            await steps.take(f"{_queue(queue)}.{operation}")

    queues.before = before
    queues.after = lambda operation, queue: steps.had(f"{_queue(queue)}.{operation}")
    endpoint, sinks = FakeEndpoint(steps), dict[str, Sink]()
    world = build_world(
        settings,
        blobs=open_container,
        queues=queues,
        clock=clock,
        gather=gather_in_order,
        endpoint=lambda _inputs: endpoint,
        renderer=lambda pictures: FakeRenderer(pictures, steps),
        links=FakeLinks(steps),
        sinks=sinks,
        callback=lambda url: sinks.setdefault(url, FakeSink("callback")),
    )
    shared: dict[str, Any] = {each.name: getattr(world, each.name) for each in fields(world)}
    return FakeWorld(**shared, steps=steps, containers=containers, sidecar_puts=puts)


def _queue(queue: str) -> str:
    return "events" if queue == SETTINGS.events_queue else "queues"
