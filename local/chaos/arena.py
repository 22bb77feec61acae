"""A running stack to trouble: what can be done to it, and what is seen of it."""

import hashlib
import json
import os
import random
import re
import signal
import sys
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.processes import Child
from local.stack import ROOT, read_ready

from .reckoning import ENDS, Seen

START_SECONDS: Final = 120.0
#: How the stack is set so that what takes minutes in Azure takes seconds here.
WISHES: Final = (
    *("--restart", "--hide", "4", "--drain", "2"),
    *("--set", "CALL_DEADLINE_SECONDS=10"),
    *("--set", "STORING_MARGIN_SECONDS=5"),
    *("--set", "READ_TIMEOUT_SECONDS=3"),
    *("--set", "SWEEP_SCHEDULE=*/5 * * * * *"),
    *("--set", "DAILY_BUDGET_USD=1000"),
)
_ANEW: Final = re.compile(r"\(pid (\d+)\) ended .*started anew, pid (\d+)")


@dataclass(frozen=True, slots=True)
class Wish:
    """How much trouble; times in seconds."""

    jobs: int
    hosts: int
    seconds: float
    seed: int
    patience: float
    #: Between two kills, about.
    kill_every: float = 3.0


@dataclass(slots=True)
class Arena:
    """A running stack, what was seen of it, and the means to trouble it."""

    child: Child[dict[str, Any]]
    ready: dict[str, Any]
    queues: QueueServiceClient
    blobs: BlobServiceClient
    hosts: list[int]
    events: list[dict[str, Any]] = field(default_factory=list)
    kills: int = 0

    def hear(self, line: str) -> None:
        """Learn from the stack's log which process a host has become."""
        if found := _ANEW.search(line):
            old, new = map(int, found.groups())
            self.hosts[:] = [new if pid == old else pid for pid in self.hosts]

    def kill(self, chance: random.Random) -> None:
        """End a host as a machine that loses power does."""
        try:
            os.kill(chance.choice(self.hosts), signal.SIGKILL)
        except ProcessLookupError:
            return  # it is dead already, and not yet started anew
        self.kills += 1

    def send(self, queue: str, body: str, *, delay: int = 0) -> None:
        """Send one message."""
        self.queues.get_queue_client(queue).send_message(
            body, visibility_timeout=delay, time_to_live=-1
        )

    def listen(self) -> None:
        """Take events off their queue."""
        queue = self.queues.get_queue_client("image-events")
        for message in queue.receive_messages(messages_per_page=32):
            self.events.append(json.loads(message.content))
            queue.delete_message(message)

    def ended(self) -> set[str]:
        """Return the jobs whose end was told."""
        return {event["data"]["job_id"] for event in self.events if event["type"] in ENDS}

    def left(self, queue: str) -> int:
        """Return how many messages a queue has, the hidden ones too."""
        found = self.queues.get_queue_client(queue).get_queue_properties()
        return found.approximate_message_count or 0

    def blob(self, container: str, name: str) -> bytes | None:
        """Return a blob's bytes, None when there is none."""
        try:
            return self.blobs.get_blob_client(container, name).download_blob().readall()
        except ResourceNotFoundError:
            return None

    def contents(self, container: str) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each blob."""
        for name in self.blobs.get_container_client(container).list_blob_names():
            yield name, self.blob(container, name) or b""

    def admin(self, path: str, *, method: str = "GET", body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Ask the emulator something, or tell it."""
        request = urllib.request.Request(  # noqa: S310 - our own emulator's
            f"{self.ready['foundry']}/admin/{path}",
            data=None if body is None else json.dumps(body).encode(),
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310 - our own emulator's
            return json.load(reply)

    def seen(self, jobs: Sequence[str]) -> Seen:
        """Look at all there is of these jobs."""
        ledger = self.admin("ledger")
        records = {job_id: self.blob("jobs", f"{job_id}.json") for job_id in jobs}
        letters = [json.loads(body) for _, body in self.contents("dead-letters")]
        return Seen(
            jobs=jobs,
            records={job_id: json.loads(body) for job_id, body in records.items() if body},
            events=self.events,
            billed=ledger["entries"],
            pictures={
                name: hashlib.sha256(body).hexdigest()
                for name, body in self.contents("images")
                if not name.endswith((".json", ".jsonl"))
            },
            throttled=sum(n for name, n in ledger["outcomes"].items() if name.startswith("429")),
            poisoned=sum(letter.get("reason") == "poisoned" for letter in letters),
            kills=self.kills,
        )


@contextmanager
def arena(hosts: int, options: Sequence[str], say: Callable[[str], None]) -> Iterator[Arena]:
    """Start a stack of so many hosts, with options of `local up`; stop it at the end."""
    made: list[Arena] = []

    def hear(line: str) -> None:
        say(line)
        for each in made:
            each.hear(line)

    child = Child(
        "up",
        [sys.executable, "-m", "local", "up", "--hosts", str(hosts), *options],
        ready=read_ready,
        directory=ROOT,
        say=hear,
    )
    try:
        ready = child.wait_ready(START_SECONDS)
        with (
            QueueServiceClient.from_connection_string(ready["storage"]) as queues,
            BlobServiceClient.from_connection_string(ready["storage"]) as blobs,
        ):
            made.append(Arena(child, ready, queues, blobs, list(ready["pids"]["hosts"])))
            yield made[0]
    finally:
        child.stop(START_SECONDS)
