"""The chaos trial: kill and drain hosts, break calls, repeat messages, then audit the result."""

import json
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from rich.table import Table

from local.chaos.audit import Audit, audit
from local.chaos.target import OPTIONS, Target, start_target
from local.stack.report import add_zero_rows, run_and_report
from local.stack.settings import COMING_AND_GOING, QUEUES

#: Faults of the emulator and the share of calls each hits.
_FAULTS: Final = {
    "429": 0.04,
    "429-bare": 0.02,
    "429-capacity": 0.02,
    "500": 0.02,
    "503": 0.02,
    "disconnect": 0.02,
    "401": 0.01,
    "500-after": 0.02,
    "408": 0.02,
    "html-502": 0.02,
    "disconnect-after": 0.02,
    "empty-data": 0.01,
    "cut": 0.02,
    "cut-after-picture": 0.02,
    "stall": 0.01,
    "truncated-json": 0.01,
    "bad-base64": 0.01,
    "error-event": 0.01,
    "no-final": 0.01,
    "escapes": 0.05,
    "chunk": 0.01,
    "moderation_blocked": 0.01,
}
#: Share of the messages that are sent twice.
_TWICE: Final = 0.25
#: Who shares the quota; the second has money for a few of its jobs only.
_TENANTS: Final = (
    {"name": "shop", "weight": 2},
    {"name": "press", "daily_budget_usd": 1.0},
)
#: What happens to hosts and storage; the first ones more often.
MISHAPS: Final = (
    *(Target.kill_host, Target.kill_worker, Target.drain_host) * 3,
    Target.refuse_storage,
)
#: Workers die at this share of the requests about waiting tasks, before or after them.
_DEATHS: Final = "image-waiting=0.2"
#: Drains cut what has just begun, so no call is paid for as early (CALL_GUARD_SECONDS).
_HOST_OPTIONS: Final = ("--cut-young", "--cold", "2")
#: Requests a minute: few enough that tasks wait for minutes.
_DEPLOYMENTS: Final = tuple(
    {"name": name, "model": name, "rpm": 60} for name in ("gpt-image-2", "gpt-image-1-mini")
)
_POLICIES: Final = ("retry_once", "retry_once", "park", "fail")


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The size of a trial; times in seconds."""

    jobs: int
    hosts: int
    seconds: float
    seed: int
    patience: float
    #: Average time between two mishaps.
    kill_every: float = 3.0


def run_chaos(options: ChaosOptions, log: Callable[[str], None]) -> Audit:
    """Run the trial and return the audit."""
    chance = random.Random(options.seed)  # noqa: S311 - faults, not secrets
    settings = {
        "TENANTS": json.dumps(_TENANTS),
        "FOUNDRY_DEPLOYMENTS": json.dumps(_DEPLOYMENTS),
        **COMING_AND_GOING,
        "LOCAL_DEATHS": _DEATHS,
        # A dead host uses up a delivery in four seconds here, in ten minutes in Azure.
        "AzureFunctionsJobHost__extensions__queues__maxDequeueCount": "40",
    }
    set_all = [part for pair in settings.items() for part in ("--set", "=".join(pair))]
    with start_target(
        options.hosts, (*OPTIONS, *set_all), log, host_options=_HOST_OPTIONS
    ) as target:
        for fault, rate in _FAULTS.items():
            target.admin("faults", method="POST", body={"fault": fault, "rate": rate})
        names = [str(each["name"]) for each in _TENANTS]
        submitted = submit(target, options, chance, tenants=names)
        disturb(target, options, chance, MISHAPS)
        target.admin("faults", method="DELETE")
        wait(target, set(submitted), options.patience)
        return audit(target.observe(submitted))


def _jobs(count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Yield jobs of every policy, of one to four pictures, in several sizes."""
    for number in range(count):
        yield {
            "job_id": f"chaos-{number:04d}",
            "prompt": f"picture {number} of many",
            "model": "gpt-image-2" if chance.random() < 0.8 else "gpt-image-1-mini",  # noqa: PLR2004 - a share
            "size": chance.choice(["1024x1024", "1536x1024"]),
            "quality": chance.choice(["low", "medium"]),
            "n": chance.choice([1, 1, 1, 2, 4]),
            "on_unknown": chance.choice(_POLICIES),
        }


def submit(
    target: Target, options: ChaosOptions, chance: random.Random, *, tenants: Sequence[str] = ()
) -> list[str]:
    """Send every job at a random time of the trial, and some of the messages twice.

    Without `tenants` no job names one: the version before knows none.
    """

    def delay() -> int:
        return chance.randrange(int(options.seconds) + 1)

    submitted = []
    for job in _jobs(options.jobs, chance):
        if tenants:
            job["tenant"] = chance.choice(tenants)
        body = json.dumps(job)
        target.send("image-jobs", body, delay=delay())
        if chance.random() < _TWICE:
            target.send("image-jobs", body, delay=delay())
        if chance.random() < _TWICE:
            task = json.dumps({"job_id": job["job_id"], "task": 0, "run": 1})
            target.send("image-tasks", task, delay=delay())
        submitted.append(job["job_id"])
    return submitted


def disturb(
    target: Target,
    options: ChaosOptions,
    chance: random.Random,
    mishaps: Sequence[Callable[[Target, random.Random], None]],
) -> None:
    """Let the mishaps happen one after another, shuffled, until the time is over."""
    left: list[Callable[[Target, random.Random], None]] = []
    until = time.monotonic() + options.seconds
    next_at = time.monotonic() + chance.uniform(0.5, 1.5) * options.kill_every
    while time.monotonic() < until:
        target.read_events()
        if time.monotonic() >= next_at:
            left = left or chance.sample(mishaps, len(mishaps))
            left.pop()(target, chance)
            next_at = time.monotonic() + chance.uniform(0.5, 1.5) * options.kill_every
        time.sleep(0.1)


def wait(
    target: Target, submitted: set[str], patience: float, *, queues: Iterable[str] = QUEUES
) -> None:
    """Wait until every job has its end event and every queue is empty, or patience is over."""
    until = time.monotonic() + patience
    done = False
    while time.monotonic() < until and not done:
        target.read_events()
        left = [queue for queue in queues if target.left(queue)]
        done = submitted <= target.ended() and not left
        time.sleep(0.2)


def table(found: Audit, *, title: str = "Result of the chaos trial") -> Table:
    """Return the audit as a table: what happened, then what must be zero."""
    shown = Table(title=title, title_justify="left")
    shown.add_column("")
    shown.add_column("count", justify="right")
    facts: Mapping[str, object] = {
        "jobs": found.jobs,
        **{f"  {state}": count for state, count in sorted(found.ended.items())},
        **dict(sorted(found.mishaps.items())),
        "calls billed": found.paid_calls,
        "billed / reported, USD": f"{found.billed_usd:.4f} / "
        f"{found.reported_usd:.4f} to {found.reported_usd_at_most:.4f}",
        "jobs flagged: may have been paid twice": found.flagged,
        "calls answered 429, per job": f"{found.throttled / max(found.jobs, 1):.2f}",
        "events published again, same id": found.repeated_events,
    }
    for name, value in facts.items():
        shown.add_row(name, str(value))
    add_zero_rows(
        shown,
        {
            "jobs lost": len(found.lost),
            "paid twice, not flagged": len(found.paid_twice_unflagged),
            "messages poisoned": found.poisoned,
            "events missing": len(found.events_missing),
            "events that contradict": len(found.events_contradicting),
            "pictures missing, wrong or orphaned": len(found.pictures_wrong),
            "bill outside the reported cost": len(found.costs_wrong),
        },
    )
    return shown


def main(options: ChaosOptions) -> int:
    """Run the trial and print its table; return 0 when everything that must be zero is zero."""
    what = (
        f"{options.jobs} jobs on {options.hosts} hosts, a host killed or drained about every "
        f"{options.kill_every:g} s for {options.seconds:g} s, seed {options.seed}"
    )
    return run_and_report(
        "chaos", what, partial(run_chaos, options), table=table, wrong=lambda found: found.wrong
    )
