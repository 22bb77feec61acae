"""The whole stack as processes, and what a caller of it does: submit, wait, look."""

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

ROOT = Path(__file__).parents[2]
#: Nothing in these tests takes more than some seconds; what hangs must say so.
PATIENCE_SECONDS = 60.0


class Stack:
    """A running `python -m local up`, seen from outside."""

    def __init__(self, ready: Mapping[str, Any]) -> None:
        self.ready = ready
        self.queues = QueueServiceClient.from_connection_string(ready["storage"])
        self.blobs = BlobServiceClient.from_connection_string(ready["storage"])
        self.events: list[dict[str, Any]] = []

    def submit(self, job: Mapping[str, Any] | str, *, queue: str = "image-jobs") -> None:
        body = job if isinstance(job, str) else json.dumps(job, ensure_ascii=False)
        self.queues.get_queue_client(queue).send_message(body)

    def event(self, job_id: str | None, *, nth: int = 1) -> dict[str, Any]:
        """Wait for the nth event of a job."""
        found = self.wait(
            lambda: [each for each in self.read_events() if each["data"].get("job_id") == job_id],
            until=lambda events: len(events) >= nth,
            what=f"event {nth} of {job_id}",
        )
        return found[nth - 1]

    def read_events(self) -> list[dict[str, Any]]:
        """Take what stands on the events queue, and return all events seen so far."""
        queue = self.queues.get_queue_client("image-events")
        for message in queue.receive_messages(messages_per_page=32):
            self.events.append(json.loads(message.content))
            queue.delete_message(message)
        return self.events

    def blob(self, container: str, name: str) -> bytes | None:
        client = self.blobs.get_blob_client(container, name)
        try:
            return client.download_blob().readall()
        except ResourceNotFoundError:
            return None

    def record(self, job_id: str) -> dict[str, Any] | None:
        body = self.blob("jobs", f"{job_id}.json")
        return json.loads(body) if body else None

    def letters(self) -> list[dict[str, Any]]:
        container = self.blobs.get_container_client("dead-letters")
        return [
            json.loads(container.download_blob(blob.name).readall())
            for blob in container.list_blobs()
        ]

    def ledger(self) -> list[dict[str, Any]]:
        """What the emulator billed."""
        with urllib.request.urlopen(f"{self.ready['foundry']}/admin/ledger", timeout=10) as reply:
            document = json.load(reply)
        return list(document["entries"] if isinstance(document, dict) else document)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self.ready['host']}{path}", timeout=10) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    @staticmethod
    def wait[T](
        look: Any, *, until: Any = bool, what: str, seconds: float = PATIENCE_SECONDS
    ) -> Any:
        """Look again until it is there; a test that waits for nothing must say for what."""
        deadline = time.monotonic() + seconds
        while not until(seen := look()):
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} within {seconds} s; last seen: {seen}")
            time.sleep(0.05)
        return seen

    def close(self) -> Self:
        self.queues.close()
        self.blobs.close()
        return self


@contextmanager
def running_stack(*options: str, log: Path) -> Iterator[Stack]:
    """Start the stack with these options of `python -m local up`; stop it at the end."""
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "local", "up", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        assert process.stdout
        try:
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"the stack did not start:\n{log.read_text()[-4000:]}")
            stack = Stack(json.loads(line))
            try:
                yield stack
            finally:
                stack.close()
        finally:
            process.terminate()
            process.wait(30)
            process.stdout.close()
