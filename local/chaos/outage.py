"""The outage trial: the endpoint is down for a while; count who fails and what is paid for it."""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from rich.table import Table

from local.chaos.audit import Audit, audit
from local.chaos.target import OPTIONS, Target, start_target
from local.stack.report import add_zero_rows, run_and_report

type Mode = Literal["503", "reset", "silence"]
MODES: Final[tuple[Mode, ...]] = ("503", "reset", "silence")
MODEL: Final = "gpt-image-2"
#: Calls of each host that may have an unknown outcome.
MOST_UNKNOWN: Final = 3
#: Jobs for each host that are made before the outage, one by one, so that it comes as a change. No
#: call is under way when it begins: nothing could be done about those.
_BEFORE: Final = 2


@dataclass(frozen=True, slots=True)
class OutageOptions:
    """The size of a trial; times in seconds."""

    jobs: int
    hosts: int
    #: How long the endpoint is down.
    seconds: float
    modes: Sequence[Mode]
    #: The longest wait for the end of all jobs, after the outage.
    patience: float


@dataclass(frozen=True, slots=True)
class Outage:
    """What an outage did to the jobs."""

    mode: Mode
    hosts: int
    #: Of all jobs: records and events against bills and pictures.
    audit: Audit
    #: Calls that were made while the endpoint was down.
    calls: int
    #: Calls whose outcome is unknown, by the records.
    unknown: int
    #: Time from the end of the outage to the end of the last job, seconds.
    recovery: float

    @property
    def failed(self) -> int:
        """Jobs that ended without their picture."""
        ended = self.audit.ended
        return ended.total() - ended["succeeded"]

    @property
    def unknown_too_many(self) -> int:
        """Calls with an unknown outcome beyond what is allowed."""
        return max(self.unknown - MOST_UNKNOWN * self.hosts, 0)

    @property
    def wrong(self) -> list[str]:
        """A sentence about each fault."""
        counts = {"jobs failed": self.failed, "calls too many": self.unknown_too_many}
        return [
            *(f"{self.mode}: {count} {what}" for what, count in counts.items() if count),
            *(f"{self.mode}: {sentence}" for sentence in self.audit.wrong),
        ]


def run_outages(options: OutageOptions, log: Callable[[str], None]) -> list[Outage]:
    """Run an outage of each mode, on a stack of its own."""
    return [_run_outage(mode, options, log) for mode in options.modes]


def _run_outage(mode: Mode, options: OutageOptions, log: Callable[[str], None]) -> Outage:
    jobs = [f"outage-{number:04d}" for number in range(options.jobs)]
    before = _BEFORE * options.hosts
    with start_target(options.hosts, OPTIONS, log) as target:
        for number in range(before):
            _submit(target, jobs[number : number + 1])
            _wait(target, number + 1, options.patience)
        target.admin("faults", method="POST", body={"fault": mode})
        _submit(target, jobs[before:])
        time.sleep(options.seconds)
        target.admin("faults", method="DELETE")
        ended_at = time.monotonic()
        _wait(target, options.jobs, options.patience)
        recovery = time.monotonic() - ended_at
        seen = target.observe(jobs)
        outcomes = Counter(target.admin("ledger")["outcomes"])
    attempts = [
        attempt
        for record in seen.records.values()
        for task in record["tasks"]
        for attempt in task["attempts"]
    ]
    return Outage(
        mode=mode,
        hosts=options.hosts,
        audit=audit(seen),
        calls=outcomes.total() - outcomes["200"],
        unknown=sum(attempt["kind"] == "unknown" for attempt in attempts),
        recovery=recovery,
    )


def _submit(target: Target, jobs: Sequence[str]) -> None:
    for job_id in jobs:
        job = {"job_id": job_id, "prompt": f"picture {job_id}", "model": MODEL, "quality": "low"}
        target.send("image-jobs", json.dumps(job | {"size": "1024x1024"}))


def _wait(target: Target, count: int, patience: float) -> None:
    """Wait until so many jobs have their end event, or patience is over."""
    until = time.monotonic() + patience
    while len(target.ended()) < count and time.monotonic() < until:
        target.read_events()
        time.sleep(0.2)


def table(found: Sequence[Outage]) -> Table:
    """Return the outages as a table: what happened, then what must be zero."""
    shown = Table(title="Result of the outage trial", title_justify="left")
    shown.add_column("")
    for each in found:
        shown.add_column(each.mode, justify="right")
    facts: dict[str, Callable[[Outage], object]] = {
        "jobs": lambda each: each.audit.jobs,
        "jobs succeeded": lambda each: each.audit.ended["succeeded"],
        "calls while it was down": lambda each: each.calls,
        "calls with an unknown outcome": lambda each: each.unknown,
        "  allowed, 3 a host": lambda each: MOST_UNKNOWN * each.hosts,
        "last job ended after, s": lambda each: f"{each.recovery:.0f}",
    }
    for name, fact in facts.items():
        shown.add_row(name, *(str(fact(each)) for each in found))
    add_zero_rows(
        shown,
        {
            "jobs failed": [each.failed for each in found],
            "jobs lost": [len(each.audit.lost) for each in found],
            "unknown outcomes too many": [each.unknown_too_many for each in found],
            "paid twice, not flagged": [len(each.audit.paid_twice_unflagged) for each in found],
            "other faults": [len(each.audit.wrong) - len(each.audit.lost) for each in found],
        },
    )
    return shown


def main(options: OutageOptions) -> int:
    """Run the trial and print its table; return 0 when everything that must be zero is zero."""
    what = (
        f"{options.jobs} jobs on {options.hosts} hosts, the endpoint down for "
        f"{options.seconds:g} s by {', by '.join(options.modes)}"
    )
    return run_and_report(
        "outage",
        what,
        partial(run_outages, options),
        table=table,
        wrong=lambda found: [sentence for each in found for sentence in each.wrong],
    )
