"""A host as a child process, and what a test does to it and sees of it."""

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue import QueueServiceClient

from local.stack.processes import Child
from local.stack.stack import read_ready
from tests.simulation.waiting import until

ROOT = Path(__file__).parents[3]
START_SECONDS = 60.0

QUEUES: Mapping[str, Any] = {"messageEncoding": "none", "maxPollingInterval": "00:00:00.2"}


@dataclass
class World:
    """One copy of the sample app, its queues, and what it wrote down."""

    app: Path
    storage: str
    queues: QueueServiceClient
    prefix: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    def write_host_json(self, queues: Mapping[str, Any] | None = None, **members: object) -> None:
        document = {"version": "2.0", "extensions": {"queues": {**QUEUES, **(queues or {})}}}
        (self.app / "host.json").write_text(json.dumps(document | members))

    def send(self, text: str | Mapping[str, Any], queue: str = "work") -> None:
        content = text if isinstance(text, str) else json.dumps(text)
        self.queues.get_queue_client(self.name(queue)).send_message(content)

    def texts(self, queue: str) -> list[str]:
        """What stands on a queue, left there."""
        try:
            peeked = self.queues.get_queue_client(self.name(queue)).peek_messages(32)
            return [message.content for message in peeked]
        except ResourceNotFoundError:
            return []

    def left(self, queue: str = "work") -> int:
        """How many messages a queue has, the hidden ones too."""
        found = self.queues.get_queue_client(self.name(queue)).get_queue_properties()
        return found.approximate_message_count or 0

    def name(self, queue: str) -> str:
        return f"{self.prefix}-{queue}"

    def seen(self, label: str, **facts: object) -> list[dict[str, Any]]:
        path = self.app / "seen.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        wanted = {"label": label} | facts
        return [each for line in lines if wanted.items() <= (each := json.loads(line)).items()]

    def wait_seen(self, label: str, *, times: int = 1, **facts: object) -> list[dict[str, Any]]:
        return until(
            lambda: found if len(found := self.seen(label, **facts)) >= times else [],
            f"{label} {facts} {times} times",
        )


@dataclass
class Host:
    """A running host."""

    child: Child[dict[str, Any]]
    ready: dict[str, Any]
    log: list[str]

    def call(
        self,
        path: str,
        *,
        key: str | None = None,
        method: str = "GET",
        body: bytes | Iterator[bytes] | None = None,
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Status, body, headers (lower case); an iterator for a body goes out in chunks."""
        headers = {"Content-Type": "text/plain"} | ({"X-Functions-Key": key} if key else {})
        request = urllib.request.Request(  # noqa: S310 - our own host's
            self.ready["url"] + path, data=body, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - our own host's
                return reply.status, reply.read(), _lower(dict(reply.headers))
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), _lower(dict(error.headers))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


@contextmanager
def world(
    directory: Path, storage: str, *, queues: Mapping[str, Any] | None = None
) -> Iterator[World]:
    """A fresh app with queues of its own."""
    shutil.copy(Path(__file__).with_name("sample_app.py"), directory / "function_app.py")
    with QueueServiceClient.from_connection_string(storage) as service:
        made = World(directory, storage, service)
        made.write_host_json(queues)
        for queue in ("work", "onward", "texts"):
            service.create_queue(made.name(queue))
        yield made


@contextmanager
def running(world: World, *options: str, **settings: str) -> Iterator[Host]:
    """A host of the app; settings with a dot in their name are given with `__`."""
    log: list[str] = []
    child = start(world, *options, log=log, **settings)
    try:
        yield Host(child, child.wait_ready(START_SECONDS), log)
    finally:
        child.kill()


def start(world: World, *options: str, log: list[str], **settings: str) -> Child[dict[str, Any]]:
    """Start a host without waiting for it."""
    environment = os.environ | {
        "AzureWebJobsStorage": world.storage,
        "Q": world.prefix,
        "TICK": "0 0 3 1 1 *",
        "SEEN": str(world.app / "seen.jsonl"),
        **settings,
    }
    return Child(
        "host",
        [sys.executable, "-m", "local.host", "--app", str(world.app), *options],
        ready=read_ready,
        environment=environment,
        directory=ROOT,
        log=log.append,
    )
