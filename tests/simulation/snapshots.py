"""What a version of the app leaves behind: storage and messages at moments of its jobs.

`scripts/keep-version COMMIT` runs this module under an earlier commit and keeps the result in
`tests/simulation/versions`. So it uses only what the versions of the app have in common.
"""

import asyncio
import json
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel

from shared.batches.manifest import Continuation
from shared.batches.record import BatchRecord, EntryPage
from shared.config.settings import Configuration
from shared.errors import BrokenReply
from shared.events.delivery import Delivery as EventDelivery
from shared.jobs.parsing import Message
from shared.limits.budget import DayLedger
from shared.limits.pool_ledger import Ledger
from shared.records.index_entry import IndexEntry, from_metadata
from shared.records.record import JobRecord
from shared.records.task_messages import FinishMessage, TaskMessage
from tests.fakes.endpoint import FakeReply
from tests.fakes.memory import Message as QueuedMessage
from tests.fakes.sinks import FakeSink
from tests.fakes.world import fake_world
from tests.simulation.manifests import notice
from tests.simulation.scene import Delivery, Scene, configured, error_reply

type Json = dict[str, Any]

FOX: Final = {"prompt": "a fox in the snow", "model": "gpt-image-2", "tags": {"of": "foxes"}}
FINISH: Final = {"size": "1000x1000", "thumbnail": 64, "contact_sheet": True}
JOBS: Final[Mapping[str, Json]] = {
    "plain": {**FOX, "job_id": "plain", "reply_to": "replies-shop"},
    "matrix": {**FOX, "job_id": "matrix", "size": ["1:1", "3:2"], "locales": ["de", "ja"]},
    "finish": {**FOX, "job_id": "finish", "n": 2, "finish": FINISH},
    "parked": {**FOX, "job_id": "parked", "on_unknown": "park"},
}
MANIFEST: Final = "\n".join(json.dumps({**FOX, "job_id": f"entry-{n}"}) for n in range(3))
#: Shares of a job's steps after which the process dies and a snapshot is taken.
MOMENTS: Final = (0.15, 0.4, 0.65, 0.9, 1.0)
#: Documents and messages that versions share, and their models.
MODELS: Final[Mapping[str, type[BaseModel]]] = {
    "record": JobRecord,
    "index": IndexEntry,
    "batch": BatchRecord,
    "page": EntryPage,
    "pool": Ledger,
    "day": DayLedger,
    "task": TaskMessage,
    "finish": FinishMessage,
    "delivery": EventDelivery,
    "continuation": Continuation,
}


def configuration() -> Configuration:
    """The settings that all versions run with."""
    return configured(DAILY_BUDGET_USD="100", REPLY_QUEUES="replies-*")


def new_scene() -> Scene:
    """A world with a receiver of events."""
    world = fake_world()
    publisher = replace(world.publisher, sinks=(FakeSink("shop"),))
    return Scene(configuration(), replace(world, publisher=publisher))


def started(name: str) -> Scene:
    """A world in which a job, or a batch, was just submitted."""
    scene = new_scene()
    if name == "batch":
        scene.world.seed("manifests", "foxes.jsonl", MANIFEST.encode())
        scene.submit(notice(scene.world, "foxes.jsonl"), queue="image-manifests")
        return scene
    if name == "matrix":
        scene.world.endpoint.script.append(error_reply(429, "429", retry_after="60"))
    if name == "parked":
        scene.world.endpoint.script.append(FakeReply(body=b"{", error=BrokenReply("cut")))
    scene.submit(JOBS[name])
    return scene


async def run_to(scene: Scene, step: int | None) -> None:
    """Run until the process dies at a step, or to the end; the messages stay."""
    scene.world.steps.crash_at = step
    scene.take_sent()
    while scene.waiting:
        scene.waiting.sort(key=lambda each: each.due)
        await scene.deliver(scene.waiting.pop(0))
        scene.take_sent()
        if step is not None and scene.world.steps.crash_at is None:
            return


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Storage and waiting messages at a moment, at the end also every message that was sent."""

    name: str
    time: datetime
    #: Container, name, body, type and metadata of each blob.
    blobs: list[tuple[str, str, bytes, str, Mapping[str, str]]]
    waiting: list[tuple[str, str, bytes, datetime]]
    sent: list[tuple[str, bytes]]
    #: Calls that were made so far.
    calls: int

    def to_json(self) -> Json:
        """Return it as a document."""
        return {
            "name": self.name,
            "time": self.time.isoformat(),
            "blobs": [[c, n, b64encode(b).decode(), t, dict(m)] for c, n, b, t, m in self.blobs],
            "waiting": [[q, i, b.decode(), due.isoformat()] for q, i, b, due in self.waiting],
            "sent": [[queue, body.decode()] for queue, body in self.sent],
            "calls": self.calls,
        }

    @classmethod
    def from_json(cls, stored: Json) -> "Snapshot":
        """Read it back."""
        return cls(
            stored["name"],
            datetime.fromisoformat(stored["time"]),
            [(c, n, b64decode(b), t, m) for c, n, b, t, m in stored["blobs"]],
            [(q, i, b.encode(), datetime.fromisoformat(d)) for q, i, b, d in stored["waiting"]],
            [(queue, body.encode()) for queue, body in stored["sent"]],
            stored["calls"],
        )


def snapshot_of(name: str, scene: Scene) -> Snapshot:
    """Take a snapshot of a world."""
    world = scene.world
    return Snapshot(
        name,
        world.clock.now(),
        [
            (container, blob_name, blob.body, blob.content_type or "", blob.metadata)
            for container, blobs in sorted(world.containers.items())
            for blob_name, blob in sorted(blobs.stored.items())
        ],
        [(d.queue, d.message.message_id, d.message.body, d.due) for d in scene.waiting],
        [] if scene.waiting else [(each.queue, each.body) for each in world.queues.sent],
        len(world.endpoint.requests),
    )


def resumed(snapshot: Snapshot) -> Scene:
    """Return a world that begins where the snapshot was taken."""
    scene = new_scene()
    scene.world.clock.time = snapshot.time
    for container, name, body, content_type, metadata in snapshot.blobs:
        blobs = scene.world.containers[container]
        blobs._store(name, body, content_type, metadata)
    queues = scene.world.queues
    queues.missing.clear()
    for queue, message_id, body, due in snapshot.waiting:
        if queue in LANES:
            hidden = QueuedMessage(
                queue, body, due - snapshot.time, message_id, message_id, snapshot.time, due
            )
            queues.queues.setdefault(queue, []).append(hidden)
        else:
            scene.waiting.append(Delivery(queue, Message(body, message_id, snapshot.time), due))
    return scene


async def snapshots() -> list[Snapshot]:
    """Run every job, and die at the moments."""
    taken = []
    for name in (*JOBS, "batch"):
        whole = started(name)
        await run_to(whole, None)
        steps = len(whole.world.steps.taken)
        for moment in MOMENTS:
            scene = started(name)
            await run_to(scene, int(steps * moment) if moment < 1 else None)
            taken.append(snapshot_of(f"{name} {moment:.0%}", scene))
    return taken


#: Patterns of the names of blobs, as container/name, and the kind of their documents.
BLOBS: Final = {
    r"pace/.*": "pool",
    r"jobs/[^/]+\.json": "record",
    r"jobs/budget/.*": "day",
    r"jobs/batches/[^/]+/batch\.json": "batch",
    r"jobs/batches/[^/]+/entries/.*": "page",
}
#: Where versions before this one sent tasks.
LANES: Final = ("image-jobs-small", "image-jobs-standard", "image-jobs-large")
#: Queues, and the kind of their messages.
QUEUES: Final = {
    **dict.fromkeys(("image-tasks", *LANES), "task"),
    "image-finish": "finish",
    "image-deliveries": "delivery",
    "image-manifests": "continuation",
}


def documents(snapshot: Snapshot) -> Iterator[tuple[str, Json]]:
    """Yield each document and message that another version reads, with its kind."""
    for container, name, body, _, metadata in snapshot.blobs:
        for pattern, kind in BLOBS.items():
            if re.fullmatch(pattern, f"{container}/{name}"):
                yield kind, json.loads(body)
        if "entry" in metadata:
            yield "index", from_metadata(metadata["entry"]).model_dump(mode="json")
    for queue, body in snapshot.sent:
        if queue in QUEUES:
            yield QUEUES[queue], json.loads(body)


def without_prose(schema: Any) -> Any:  # noqa: ANN401 (JSON)
    """Return a schema without its titles and descriptions."""
    if isinstance(schema, dict):
        return {
            name: without_prose(each)
            for name, each in schema.items()
            if not (name in {"title", "description"} and isinstance(each, str))
        }
    return [*map(without_prose, schema)] if isinstance(schema, list) else schema


def main(folder: Path) -> None:
    """Write the snapshots of this version, and the schemas with which it reads."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = [each.to_json() for each in asyncio.run(snapshots())]
    lines = ",\n".join(json.dumps(each) for each in taken)
    (folder / "snapshots.json").write_text(f"[\n{lines}\n]\n")
    schemas = {name: without_prose(each.model_json_schema()) for name, each in MODELS.items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in schemas.items())
    (folder / "schemas.json").write_text(f"{{\n{lines}\n}}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
