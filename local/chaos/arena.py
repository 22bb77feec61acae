"""A running stack to trouble: what can be done to it, and what is seen of it."""

import hashlib
import json
import os
import random
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from local.chaos.reckoning import ENDS, Seen
from local.stack.outside import Outside, running

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
class Arena(Outside):
    """A running stack, what was seen of it, and the means to trouble it."""

    hosts: list[int] = field(default_factory=list)
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

    def listen(self) -> None:
        """Take events off their queue."""
        self.read_events()

    def ended(self) -> set[str]:
        """Return the jobs whose end was told."""
        return {event["data"]["job_id"] for event in self.events if event["type"] in ENDS}

    def seen(self, jobs: Sequence[str]) -> Seen:
        """Look at all there is of these jobs."""
        ledger = self.admin("ledger")
        records = {job_id: self.blob("jobs", f"{job_id}.json") for job_id in jobs}
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
            poisoned=sum(letter.get("reason") == "poisoned" for letter in self.letters()),
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

    with running(Arena, ("--hosts", str(hosts), *options), hear) as troubled:
        troubled.hosts += troubled.ready["pids"]["hosts"]
        made.append(troubled)
        yield troubled
