"""A running stack that a trial kills and observes."""

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

from local.chaos.audit import END_EVENTS, Observation
from local.stack.stack_client import StackClient, run_stack

#: Options of `local up` that shorten minutes in Azure to seconds here.
OPTIONS: Final = (
    *("--restart", "--hide", "4", "--drain", "2"),
    *("--set", "CALL_DEADLINE_SECONDS=10"),
    *("--set", "STORING_MARGIN_SECONDS=5"),
    *("--set", "READ_TIMEOUT_SECONDS=3"),
    *("--set", "SWEEP_SCHEDULE=*/5 * * * * *"),
    *("--set", "DAILY_BUDGET_USD=1000"),
)
_RESTARTED: Final = re.compile(r"\(pid (\d+)\) ended .*restarted, pid (\d+)")


@dataclass(slots=True)
class Target(StackClient):
    """A running stack whose hosts can be killed."""

    hosts: list[int] = field(default_factory=list)
    kills: int = 0

    def read_log(self, line: str) -> None:
        """Update the process id of a host that was restarted."""
        if found := _RESTARTED.search(line):
            old, new = map(int, found.groups())
            self.hosts[:] = [new if pid == old else pid for pid in self.hosts]

    def kill_host(self, chance: random.Random) -> None:
        """Kill one host as a power failure does."""
        try:
            os.kill(chance.choice(self.hosts), signal.SIGKILL)
        except ProcessLookupError:
            return  # it is already dead and not restarted yet
        self.kills += 1

    def ended(self) -> set[str]:
        """Return the ids of the jobs whose end event was published."""
        return {event["data"]["job_id"] for event in self.events if event["type"] in END_EVENTS}

    def observe(self, jobs: Sequence[str]) -> Observation:
        """Collect records, events, bills and pictures of these jobs."""
        ledger = self.admin("ledger")
        records = {job_id: self.blob("jobs", f"{job_id}.json") for job_id in jobs}
        return Observation(
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
            poisoned=sum(letter.get("reason") == "poisoned" for letter in self.dead_letters()),
            kills=self.kills,
        )


@contextmanager
def start_target(
    hosts: int, options: Sequence[str], log: Callable[[str], None]
) -> Iterator[Target]:
    """Start a stack of `hosts` hosts with options of `local up`; stop it at the end."""
    started: list[Target] = []

    def read(line: str) -> None:
        log(line)
        for each in started:
            each.read_log(line)

    with run_stack(Target, ("--hosts", str(hosts), *options), read) as target:
        target.hosts += target.ready["pids"]["hosts"]
        started.append(target)
        yield target
