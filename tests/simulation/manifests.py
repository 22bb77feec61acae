"""Manifests in a fake world, and their batches."""

import json
from collections.abc import Mapping
from typing import Any

from shared.batches.record import BatchRecord
from shared.events.cloud_events import to_json
from tests.fakes.world import FakeWorld
from tests.simulation.scene import Scene, configured

JOB = {"prompt": "a fox in the snow", "model": "gpt-image-2", "quality": "low"}


def notice(world: FakeWorld, name: str) -> dict[str, Any]:
    """What Event Grid says of a blob, in its own schema."""
    told = {
        "api": "PutBlob",
        "eTag": world.container("manifests").stored[name].version.strip('"'),
        "contentLength": 9,
    }
    return {
        "topic": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a",
        "subject": f"/blobServices/default/containers/manifests/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "id": "831e1650-001e-001b-66ab-eeb76e069631",
        "data": told | {"url": f"https://inside.example/manifests/{name}"},
        "dataVersion": "",
        "metadataVersion": "1",
        "eventTime": "2026-11-22T11:00:00Z",
    }


def as_cloudevent(told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "type": told["eventType"],
        "source": told["topic"],
        "id": told["id"],
        "time": told["eventTime"],
        "subject": told["subject"],
        "data": told["data"],
    }


class Drop:
    """A scene into which manifests are dropped."""

    def __init__(self, **settings: str) -> None:
        self.scene = Scene(configured(**settings))
        self.world = self.scene.world

    def drop(self, name: str, body: str | bytes, *, times: int = 1) -> None:
        self.world.seed("manifests", name, body if isinstance(body, bytes) else body.encode())
        for _ in range(times):
            self.report(notice(self.world, name))

    def report(self, message: Mapping[str, Any]) -> None:
        self.scene.submit(message, queue="image-manifests")

    async def run(self) -> "Drop":
        await self.scene.run(most=4_000)
        return self

    @property
    def batch(self) -> BatchRecord:
        (record,) = self.world.stored_batches.values()
        return record

    @property
    def results(self) -> list[dict[str, Any]]:
        (body,) = self.world.results.values()
        return [json.loads(line) for line in body.splitlines()]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of batches."""
        told = [json.loads(to_json(event)) for event in self.world.events]
        return [event for event in told if event["type"] == "image.batch.completed"]


def lines(*jobs: Mapping[str, Any]) -> str:
    return "\n".join(json.dumps(job) for job in jobs)
