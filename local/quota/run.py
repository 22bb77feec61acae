"""The quota trial: stacks of 1, 2 and 4 hosts that share a quota, then the naive worker."""

import asyncio
import json
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from rich.table import Table

from local.chaos.target import Target, start_target
from local.quota.measurement import WARM_UP_SECONDS, Measurement, measure
from local.quota.naive_worker import NaiveWorker
from local.stack.report import run_and_report
from local.stack.settings import FOUNDRY_KEY

MODEL: Final = "gpt-image-2"
#: The goals of the app.
MIN_SHARE: Final = 0.97
MAX_THROTTLED: Final = 0.02
#: Longest run, as a multiple of the time the quota needs.
PATIENCE: Final = 2.5
#: A log line about one delivery of a task message.
_DELIVERY: Final = re.compile(r"generate: (?!alarm)\w+ job_id=")
#: Messages that a host runs at once, as in host.json.
_SLOTS: Final = 28


@dataclass(frozen=True, slots=True)
class QuotaOptions:
    """The size of the trial."""

    jobs: int
    rpm: float
    hosts: Sequence[int]
    seed: int


def measure_quota(options: QuotaOptions, log: Callable[[str], None]) -> list[Measurement]:
    """Measure each number of hosts, then the naive worker with the slots of the largest number."""
    rows: list[Measurement] = []
    for hosts in options.hosts:
        deliveries: list[str] = []

        def read(line: str, found: list[str] = deliveries) -> None:
            log(line)
            if _DELIVERY.search(line):
                found.append(line)

        deployments = json.dumps([{"name": MODEL, "rpm": options.rpm}])
        stack_options = ("--set", f"FOUNDRY_DEPLOYMENTS={deployments}")
        with start_target(hosts, stack_options, read) as stack:
            # Without jitter the time of each call is exact.
            stack.admin("settings", method="POST", body={"jitter": 0, "cache": True})
            began = time.monotonic()
            _submit(stack, options)
            _wait(stack, options)
            name = f"{hosts} host{'s' if hosts > 1 else ''}"
            rows.append(
                measure(
                    name,
                    stack.admin("ledger"),
                    jobs=options.jobs,
                    rpm=options.rpm,
                    seconds=time.monotonic() - began,
                    dequeues=len(deliveries),
                )
            )
            if hosts == max(options.hosts):
                rows.append(_naive(stack, options, hosts))
    return rows


def _submit(stack: Target, options: QuotaOptions) -> None:
    for number in range(options.jobs):
        job = {"job_id": f"quota-{number:04d}", "prompt": f"picture {number}", "quality": "low"}
        stack.send("image-jobs", json.dumps(job | {"size": "1024x1024", "model": MODEL}))


def _wait(stack: Target, options: QuotaOptions) -> None:
    until = time.monotonic() + PATIENCE * 60 * options.jobs / options.rpm
    while len(stack.ended()) < options.jobs and time.monotonic() < until:
        stack.read_events()
        time.sleep(0.2)


def _naive(stack: Target, options: QuotaOptions, hosts: int) -> Measurement:
    stack.admin("ledger", method="DELETE")
    time.sleep(WARM_UP_SECONDS)  # the bucket fills up, as before the other runs
    worker = NaiveWorker(
        url=stack.ready["foundry"],
        key=FOUNDRY_KEY,
        deployment=MODEL,
        slots=hosts * _SLOTS,
        chance=random.Random(options.seed),  # noqa: S311 - backoff, not secrets
    )
    began = time.monotonic()
    asyncio.run(worker.work(options.jobs, seconds=PATIENCE * 60 * options.jobs / options.rpm))
    return measure(
        f"naive x{hosts}",
        stack.admin("ledger"),
        jobs=options.jobs,
        rpm=options.rpm,
        seconds=time.monotonic() - began,
        dequeues=worker.dequeues,
        poisoned=worker.poisoned,
    )


def table(rows: Sequence[Measurement], options: QuotaOptions) -> Table:
    """Return the measurements as a table."""
    shown = Table(title=f"{options.jobs} jobs at {options.rpm:g} a minute", title_justify="left")
    shown.add_column("")
    for head in ("done", "quota used", "429s per job", "jobs/min", "dequeues per job", "poisoned"):
        shown.add_column(head, justify="right")
    for row in rows:
        shown.add_row(
            row.name,
            str(row.done),
            f"{row.share:.1%}",
            f"{row.throttled:.3f}",
            f"{row.jobs_a_minute:.0f}",
            f"{row.dequeues:.2f}",
            str(row.poisoned),
        )
    return shown


def missed_goals(rows: Sequence[Measurement]) -> list[str]:
    """Return a sentence for each goal that the app missed."""
    ours = [row for row in rows if not row.name.startswith("naive")]
    return [
        *(f"{row.name}: {row.done} of {row.jobs} jobs done" for row in ours if row.done < row.jobs),
        *(
            f"{row.name}: {row.share:.1%} of the quota used, goal {MIN_SHARE:.0%}"
            for row in ours
            if row.share < MIN_SHARE
        ),
        *(
            f"{row.name}: {row.throttled:.3f} 429s per job, goal below {MAX_THROTTLED}"
            for row in ours
            if row.throttled >= MAX_THROTTLED
        ),
    ]


def main(options: QuotaOptions) -> int:
    """Run the trial and print its table; return 0 when every goal is met."""
    what = (
        f"{options.jobs} jobs on {', '.join(map(str, options.hosts))} hosts, then a naive worker; "
        f"seed {options.seed}"
    )
    run, shown = partial(measure_quota, options), partial(table, options=options)
    return run_and_report("quota", what, run, table=shown, wrong=missed_goals)
