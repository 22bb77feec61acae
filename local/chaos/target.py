"""A running stack that a trial kills and observes."""

import hashlib
import json
import os
import random
import re
import shlex
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
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
    *("--set", "AzureFunctionsJobHost__extensions__queues__visibilityTimeout=00:00:02"),
)
#: How long storage refuses: all hosts ask it in this time.
REFUSAL_SECONDS: Final = 3.0
_RESTARTED: Final = re.compile(r"\(pid (\d+)\) ended .*restarted, pid (\d+)")
_WORKER: Final = re.compile(r"\[(host\S*)\] .*Worker process started and initialized, pid (\d+)")
_DIED: Final = re.compile(r"local\.host.* died (before|after) (\w+) ")


@dataclass(slots=True)
class Target(StackClient):
    """A running stack, and what can be done to its hosts."""

    hosts: list[int] = field(default_factory=list)
    #: Process ids of the workers, by the name of their host.
    workers: dict[str, int] = field(default_factory=dict)
    #: What was done to hosts and storage, and how often.
    mishaps: Counter[str] = field(default_factory=Counter)
    #: While it exists, storage refuses what it names.
    refusals: Path = field(default_factory=Path)

    def read_log(self, line: str) -> None:
        """Update the process ids of what has started; count deaths that were asked for."""
        if found := _RESTARTED.search(line):
            old, new = map(int, found.groups())
            self.hosts[:] = [new if pid == old else pid for pid in self.hosts]
        elif found := _WORKER.search(line):
            self.workers[found[1]] = int(found[2])
        elif found := _DIED.search(line):
            self.mishaps[f"deaths {found[1]} {found[2]} of a waiting task"] += 1

    def kill_host(self, chance: random.Random) -> None:
        """Kill one host as a power failure does."""
        self._signal(chance.choice(self.hosts), signal.SIGKILL, "hosts killed")

    def kill_worker(self, chance: random.Random) -> None:
        """Kill the worker of one host, as the kernel does for want of memory."""
        self._signal(chance.choice(sorted(self.workers.values())), signal.SIGKILL, "workers killed")

    def drain_host(self, chance: random.Random) -> None:
        """Drain one host, as when the platform needs fewer."""
        self._signal(chance.choice(self.hosts), signal.SIGTERM, "hosts drained")

    def refuse_storage(self, _chance: random.Random) -> None:
        """Let storage refuse for a while, as when the roles of a deployment spread."""
        self.refusals.write_text(json.dumps({"receive": 403, "renew": 503}))
        time.sleep(REFUSAL_SECONDS)
        self.refusals.unlink()
        self.mishaps["windows of 403 and 503"] += 1

    def _signal(self, pid: int, number: signal.Signals, what: str) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it is already dead and not restarted yet
        self.mishaps[what] += 1

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
            mishaps=self.mishaps,
        )


@contextmanager
def start_target(
    hosts: int,
    options: Sequence[str],
    log: Callable[[str], None],
    *,
    host_options: Sequence[str] = (),
) -> Iterator[Target]:
    """Start hosts with options of `local up` and of `local.host`; stop them at the end."""
    started: list[Target] = []
    early: list[str] = []

    def read(line: str) -> None:
        log(line)
        if started:
            started[0].read_log(line)
        else:
            early.append(line)

    with TemporaryDirectory() as folder:
        refusals = Path(folder) / "refusals.json"
        more = ("--host-options", shlex.join([*host_options, "--refusals", str(refusals)]))
        with run_stack(Target, ("--hosts", str(hosts), *options, *more), read) as target:
            target.hosts += target.ready["pids"]["hosts"]
            target.refusals = refusals
            started.append(target)
            for line in early:
                target.read_log(line)
            yield target
