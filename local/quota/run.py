"""Run it: stacks of 1, 2 and 4 hosts that share a quota, then the naive worker; one table."""

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

from local.chaos.arena import Arena, arena
from local.quota.measuring import WARM_UP_SECONDS, Measured, measured
from local.quota.naive import NaiveWorker
from local.stack.settings import FOUNDRY_KEY
from local.stack.trials import tried

MODEL: Final = "gpt-image-2"
#: What is aimed at.
LEAST_SHARE: Final = 0.97
MOST_REFUSED: Final = 0.02
#: Times longer than the quota needs that a run may take.
PATIENCE: Final = 2.5
#: A host's line about a delivery of a lane.
_DELIVERY: Final = re.compile(r"generate_\w+: (?!alarm)\w+ job_id=")
#: What an app's host takes at once, as host.json has it.
_SLOTS: Final = 24


@dataclass(frozen=True, slots=True)
class Wish:
    """How much is measured."""

    jobs: int
    rpm: float
    hosts: Sequence[int]
    seed: int


def quota(wish: Wish, say: Callable[[str], None]) -> list[Measured]:
    """Measure each number of hosts, and the naive worker with as many slots as the most have."""
    rows: list[Measured] = []
    for hosts in wish.hosts:
        deliveries: list[str] = []

        def hear(line: str, heard: list[str] = deliveries) -> None:
            say(line)
            if _DELIVERY.search(line):
                heard.append(line)

        deployments = json.dumps([{"name": MODEL, "rpm": wish.rpm}])
        options = ("--set", f"FOUNDRY_DEPLOYMENTS={deployments}")
        with arena(hosts, options, hear) as stack:
            # A time that varies from call to call would blur when each was made.
            stack.admin("settings", method="POST", body={"jitter": 0, "cache": True})
            began = time.monotonic()
            _submit(stack, wish)
            _wait(stack, wish)
            name = f"{hosts} host{'s' if hosts > 1 else ''}"
            rows.append(
                measured(
                    name,
                    stack.admin("ledger"),
                    jobs=wish.jobs,
                    rpm=wish.rpm,
                    seconds=time.monotonic() - began,
                    dequeues=len(deliveries),
                )
            )
            if hosts == max(wish.hosts):
                rows.append(_naive(stack, wish, hosts))
    return rows


def _submit(stack: Arena, wish: Wish) -> None:
    for number in range(wish.jobs):
        job = {"job_id": f"quota-{number:04d}", "prompt": f"picture {number}", "quality": "low"}
        stack.send("image-jobs", json.dumps(job | {"size": "1024x1024", "model": MODEL}))


def _wait(stack: Arena, wish: Wish) -> None:
    until = time.monotonic() + PATIENCE * 60 * wish.jobs / wish.rpm
    while len(stack.ended()) < wish.jobs and time.monotonic() < until:
        stack.listen()
        time.sleep(0.2)


def _naive(stack: Arena, wish: Wish, hosts: int) -> Measured:
    stack.admin("ledger", method="DELETE")
    time.sleep(WARM_UP_SECONDS)  # the service's bucket fills, as it was for the others
    worker = NaiveWorker(
        url=stack.ready["foundry"],
        key=FOUNDRY_KEY,
        deployment=MODEL,
        slots=hosts * _SLOTS,
        chance=random.Random(wish.seed),  # noqa: S311 - backoff, not secrets
    )
    began = time.monotonic()
    asyncio.run(worker.work(wish.jobs, seconds=PATIENCE * 60 * wish.jobs / wish.rpm))
    return measured(
        f"naive x{hosts}",
        stack.admin("ledger"),
        jobs=wish.jobs,
        rpm=wish.rpm,
        seconds=time.monotonic() - began,
        dequeues=worker.dequeues,
        poisoned=worker.poisoned,
    )


def table(rows: Sequence[Measured], wish: Wish) -> Table:
    """Return the rows as one table."""
    shown = Table(title=f"{wish.jobs} jobs at {wish.rpm:g} a minute", title_justify="left")
    shown.add_column("")
    for head in ("done", "quota used", "429s a job", "jobs/min", "dequeues a job", "poisoned"):
        shown.add_column(head, justify="right")
    for row in rows:
        shown.add_row(
            row.who,
            str(row.done),
            f"{row.share:.1%}",
            f"{row.refused:.3f}",
            f"{row.jobs_a_minute:.0f}",
            f"{row.dequeues:.2f}",
            str(row.poisoned),
        )
    return shown


def missed(rows: Sequence[Measured]) -> list[str]:
    """Return a sentence for each aim that the app missed."""
    ours = [row for row in rows if not row.who.startswith("naive")]
    return [
        *(f"{row.who}: {row.done} of {row.jobs} jobs done" for row in ours if row.done < row.jobs),
        *(
            f"{row.who}: {row.share:.1%} of the quota used, aim {LEAST_SHARE:.0%}"
            for row in ours
            if row.share < LEAST_SHARE
        ),
        *(
            f"{row.who}: {row.refused:.3f} calls refused a job, aim below {MOST_REFUSED}"
            for row in ours
            if row.refused >= MOST_REFUSED
        ),
    ]


def use(wish: Wish) -> int:
    """Measure, print the table; 0 when every aim was reached."""
    what = (
        f"{wish.jobs} jobs on {', '.join(map(str, wish.hosts))} hosts, then a naive worker; "
        f"seed {wish.seed}"
    )
    run, shown = partial(quota, wish), partial(table, wish=wish)
    return tried("quota", what, run, table=shown, wrong=missed)
