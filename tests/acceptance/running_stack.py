"""The whole stack as processes, and what a caller of it does: submit, wait, look."""

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.processes import Child
from local.stack import read_ready
from tests.waiting import until

ROOT = Path(__file__).parents[2]
#: On a busy machine with two cores.
START_SECONDS = 120.0
PATIENCE_SECONDS = 60.0

type Json = dict[str, Any]


@dataclass
class RunningStack:
    """A running `python -m local up`, seen from outside."""

    child: Child[Json]
    ready: Json
    log: Sequence[str]
    queues: QueueServiceClient
    blobs: BlobServiceClient
    events: list[Json] = field(default_factory=list)

    def submit(self, job: Mapping[str, Any] | str, *, queue: str = "image-jobs") -> None:
        body = job if isinstance(job, str) else json.dumps(job, ensure_ascii=False)
        self.queues.get_queue_client(queue).send_message(body)

    def event(self, job_id: str | None, *, nth: int = 1) -> Json:
        """Wait for the nth event of a job."""

        def look() -> list[Json]:
            found = [each for each in self.read_events() if each["data"].get("job_id") == job_id]
            return found if len(found) >= nth else []

        return until(look, f"event {nth} of {job_id}", seconds=PATIENCE_SECONDS)[nth - 1]

    def read_events(self, queue: str = "image-events") -> list[Json]:
        """Take what stands on the queue, and return all events seen so far."""
        client = self.queues.get_queue_client(queue)
        for message in client.receive_messages(messages_per_page=32):
            self.events.append(json.loads(message.content))
            client.delete_message(message)
        return self.events

    def left(self, queue: str) -> int:
        """How many messages a queue has, the hidden ones too."""
        found = self.queues.get_queue_client(queue).get_queue_properties()
        return found.approximate_message_count or 0

    def blob(self, container: str, name: str) -> bytes | None:
        try:
            return self.blobs.get_blob_client(container, name).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def record(self, job_id: str) -> Json:
        body = self.blob("jobs", f"{job_id}.json")
        assert body, f"{job_id} has no record"
        record: Json = json.loads(body)
        return record

    def letters(self) -> list[Json]:
        container = self.blobs.get_container_client("dead-letters")
        names = [blob.name for blob in container.list_blobs()]
        return [json.loads(container.download_blob(name).readall()) for name in names]

    def billed(self, job_id: str) -> list[Json]:
        """What the emulator billed for a job: a line a picture."""
        url = f"{self.ready['foundry']}/admin/ledger"
        with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - our own emulator's
            lines = json.load(reply)["entries"]
        return [line for line in lines if line["client_request_id"].startswith(f"{job_id}.")]

    def get(self, path: str) -> tuple[int, bytes]:
        url = f"{self.ready['host']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - our own host's
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def running_stack(*options: str) -> Iterator[RunningStack]:
    """Start the stack with these options of `python -m local up`; stop it at the end."""
    log: list[str] = []
    child = Child(
        "up",
        [sys.executable, "-m", "local", "up", *options],
        ready=read_ready,
        directory=ROOT,
        say=log.append,
    )
    try:
        ready = child.wait_ready(START_SECONDS)
        with (
            QueueServiceClient.from_connection_string(ready["storage"]) as queues,
            BlobServiceClient.from_connection_string(ready["storage"]) as blobs,
        ):
            yield RunningStack(child, ready, log, queues, blobs)
    finally:
        child.stop(START_SECONDS)
