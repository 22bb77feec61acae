"""A client of a running `python -m local up`: send messages, read events and blobs."""

import json
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.stack.processes import Child
from local.stack.stack import ROOT, read_ready

#: On a busy machine with two cores.
START_SECONDS: Final = 120.0

type Json = dict[str, Any]


@dataclass(slots=True)
class StackClient:
    """A running stack, and the events read from it."""

    child: Child[Json]
    ready: Json
    queues: QueueServiceClient
    blobs: BlobServiceClient
    events: list[Json] = field(default_factory=list)

    def send(self, queue: str, body: str, *, delay: int = 0) -> None:
        """Send one message, hidden for `delay` seconds."""
        self.queues.get_queue_client(queue).send_message(
            body, visibility_timeout=delay, time_to_live=-1
        )

    def read_events(self, queue: str = "image-events") -> list[Json]:
        """Receive the events of a queue and return all events received so far."""
        client = self.queues.get_queue_client(queue)
        for message in client.receive_messages(messages_per_page=32):
            self.events.append(json.loads(message.content))
            client.delete_message(message)
        return self.events

    def left(self, queue: str) -> int:
        """Return the number of messages of a queue, hidden ones included."""
        found = self.queues.get_queue_client(queue).get_queue_properties()
        return found.approximate_message_count or 0

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes; None when it does not exist."""
        try:
            return self.blobs.get_blob_client(container, name).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def contents(self, container: str) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each blob."""
        for name in self.blobs.get_container_client(container).list_blob_names():
            yield name, self.blob(container, name) or b""

    def dead_letters(self) -> list[Json]:
        """Return every dead letter."""
        return [json.loads(body) for _, body in self.contents("dead-letters")]

    def admin(self, path: str, *, method: str = "GET", body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Call an admin route of the emulator."""
        request = urllib.request.Request(  # noqa: S310 - our own emulator's
            f"{self.ready['foundry']}/admin/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - our own emulator's
            return json.load(reply)


@contextmanager
def run_stack[S: StackClient](
    client: Callable[[Child[Json], Json, QueueServiceClient, BlobServiceClient], S],
    options: Sequence[str],
    log: Callable[[str], None],
) -> Iterator[S]:
    """Start the stack with options of `python -m local up`; stop it at the end."""
    command = [sys.executable, "-m", "local", "up", *options]
    child = Child("up", command, ready=read_ready, directory=ROOT, log=log)
    try:
        ready = child.wait_ready(START_SECONDS)
        with (
            QueueServiceClient.from_connection_string(ready["storage"]) as queues,
            BlobServiceClient.from_connection_string(ready["storage"]) as blobs,
        ):
            yield client(child, ready, queues, blobs)
    finally:
        child.stop(START_SECONDS)
