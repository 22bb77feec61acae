"""The quota trial with a scaler: instances start cold and drain while jobs come, by load."""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any, Final

from rich.table import Table

from local.chaos.target import Target, start_target
from local.host.configuration import read_host_json
from local.quota.instances import Formula, Group
from local.quota.run import MIN_SHARE, MODEL
from local.stack.report import run_and_report
from local.stack.settings import COMING_AND_GOING, settings
from local.stack.stack import ROOT

#: The functions that the scaler starts and drains; all others run on one instance that stays.
SCALED: Final = "generate"
#: Ignored at the start: the instances start, seconds.
WARM_UP: Final = 60.0
#: The longest that a job may take below the quota: looks of the scaler, a cold start, a poll, the
#: guard, the call, and before it one of the first two, which show that the pool answers.
MAX_WAIT: Final = 160.0
#: Longest wait for the end after the last job, seconds.
PATIENCE: Final = 240.0


@dataclass(frozen=True, slots=True)
class ScaledOptions:
    """The size of the trial: jobs come for `minutes` at each of `loads`, percent of the quota."""

    loads: Sequence[float]
    rpm: float
    minutes: float
    formula: Formula
    seed: int


@dataclass(frozen=True, slots=True)
class ScaledRow:
    """What was seen at one load; times in seconds."""

    load: float
    jobs: int
    done: int
    #: Share of the quota used while jobs came, after the warm-up.
    share: float
    median_wait: float
    longest_wait: float
    throttled: int
    #: Paid calls whose reply nobody received.
    cut_calls: int
    #: Invocations that a drain has cut.
    cut: int
    cold_starts: int
    drains: int
    mean_instances: float
    most_instances: int


def measure_scaled(
    ledger: Mapping[str, Any], sent: Mapping[str, datetime], *, load: float, rpm: float
) -> dict[str, Any]:
    """Return the figures of a row that the endpoint's ledger gives; one call makes one job."""
    made = {
        entry["client_request_id"].rsplit(".", 3)[0]: datetime.fromisoformat(entry["at"])
        for entry in ledger["entries"]
    }
    waits = [(made[job_id] - at).total_seconds() for job_id, at in sent.items() if job_id in made]
    times = sorted(at.timestamp() for at in made.values())
    begin = times[0] + WARM_UP if times else 0.0
    end = max(at.timestamp() for at in sent.values())
    counted = sum(begin <= at < end for at in times)
    outcomes: Mapping[str, int] = ledger["outcomes"]
    return {
        "load": load,
        "jobs": len(sent),
        "done": len(made),
        "share": counted / (rpm / 60 * (end - begin)) if end > begin else 0.0,
        "median_wait": median(waits) if waits else 0.0,
        "longest_wait": max(waits, default=0.0),
        "throttled": sum(n for name, n in outcomes.items() if name.startswith("429")),
        "cut_calls": ledger["not_received"],
    }


def run_scaled(options: ScaledOptions, log: Callable[[str], None]) -> list[ScaledRow]:
    """Run each load in a fresh stack."""
    return [_run_load(load, options, log) for load in options.loads]


def _run_load(load: float, options: ScaledOptions, log: Callable[[str], None]) -> ScaledRow:
    chosen = {
        "FOUNDRY_DEPLOYMENTS": json.dumps([{"name": MODEL, "rpm": options.rpm}]),
        **COMING_AND_GOING,
    }
    cut: list[str] = []

    def read(line: str) -> None:
        log(line)
        if "Aborting function" in line:
            cut.append(line)

    set_all = [part for pair in chosen.items() for part in ("--set", "=".join(pair))]
    others = ("--functions", f"(?!{SCALED})")
    with start_target(1, ("--hide", "600", *set_all), read, host_options=others) as stack:
        stack.admin("settings", method="POST", body={"time_scale": 1, "cache": True})
        environment = {**settings(stack.ready["storage"], stack.ready["foundry"]), **chosen}
        queues = read_host_json(ROOT, environment).queues
        groups = [
            Group(
                function=each["name"],
                queue=stack.queues.get_queue_client(each["queue"]),
                slots=queues.batch_size + queues.new_batch_threshold,
                formula=options.formula,
                environment=environment,
                chance=random.Random(options.seed),  # noqa: S311 - cold starts, not secrets
                log=read,
            )
            for each in stack.ready["elsewhere"]
            if each["trigger"] == "queue" and not each["queue"].endswith("-poison")
        ]
        began = time.monotonic()
        try:
            sent = _send_all(stack, groups, options, load)
            seconds = time.monotonic() - began
        finally:
            for group in groups:
                group.drain_all(60.0)
        figures = measure_scaled(stack.admin("ledger"), sent, load=load, rpm=options.rpm)
    return ScaledRow(
        **figures,
        cut=len(cut),
        cold_starts=sum(group.cold_starts for group in groups),
        drains=sum(group.drains for group in groups),
        mean_instances=sum(group.seconds for group in groups) / seconds,
        most_instances=max(group.most for group in groups),
    )


def _send_all(
    stack: Target, groups: Sequence[Group], options: ScaledOptions, load: float
) -> dict[str, datetime]:
    """Send jobs at an even rate and let the scaler work until they have ended."""
    every = 60 / (options.rpm * load / 100)
    count = max(round(options.minutes * 60 / every), 1)
    began = time.monotonic()
    until = began + count * every + PATIENCE
    sent: dict[str, datetime] = {}
    while len(stack.ended()) < count and time.monotonic() < until:
        while len(sent) < count and time.monotonic() >= began + len(sent) * every:
            job_id = f"quota-{len(sent):04d}"
            job = {"job_id": job_id, "prompt": f"picture {len(sent)}", "quality": "low"}
            stack.send("image-jobs", json.dumps(job | {"size": "1024x1024", "model": MODEL}))
            sent[job_id] = datetime.now(UTC)
        for group in groups:
            group.tick()
        stack.read_events()
        time.sleep(0.1)
    return sent


def table(rows: Sequence[ScaledRow], options: ScaledOptions) -> Table:
    """Return the figures as a table, one column a load."""
    title = f"A quota of {options.rpm:g} a minute; the scaler's formula: {options.formula}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("load")
    for row in rows:
        shown.add_column(f"{row.load:g} %", justify="right")
    for name, cells in {
        "jobs": [f"{row.done} of {row.jobs}" for row in rows],
        "quota used, after a minute": [f"{row.share:.1%}" for row in rows],
        "from submission to picture, median s": [f"{row.median_wait:.0f}" for row in rows],
        "  longest s": [f"{row.longest_wait:.0f}" for row in rows],
        "instances, mean": [f"{row.mean_instances:.1f}" for row in rows],
        "  most": [f"{row.most_instances}" for row in rows],
        "cold starts": [f"{row.cold_starts}" for row in rows],
        "drains": [f"{row.drains}" for row in rows],
        "  invocations they cut": [f"{row.cut}" for row in rows],
        "  paid calls they cut": [f"{row.cut_calls}" for row in rows],
        "calls answered 429": [f"{row.throttled}" for row in rows],
    }.items():
        shown.add_row(name, *cells)
    return shown


def missed_goals(rows: Sequence[ScaledRow]) -> list[str]:
    """Return a sentence for each goal that was missed."""
    wrong: list[str] = []
    for row in rows:
        at = f"at {row.load:g} %"
        if row.done < row.jobs:
            wrong.append(f"{at}: {row.done} of {row.jobs} jobs done")
        if row.load >= 100 and row.share < MIN_SHARE:  # noqa: PLR2004 - the whole quota
            wrong.append(f"{at}: {row.share:.1%} of the quota used, goal {MIN_SHARE:.0%}")
        if row.load < 100 and row.longest_wait > MAX_WAIT:  # noqa: PLR2004 - see above
            wrong.append(f"{at}: a job took {row.longest_wait:.0f} s, goal {MAX_WAIT:g} s")
        if row.throttled:
            wrong.append(f"{at}: {row.throttled} calls answered 429")
        if row.cut_calls:
            wrong.append(f"{at}: {row.cut_calls} paid calls were cut")
    return wrong


def main(options: ScaledOptions) -> int:
    """Run the trial and print its table; return 0 when every goal is met."""
    loads = ", ".join(f"{load:g}" for load in options.loads)
    what = f"{options.minutes:g} minutes of jobs at {loads} % of the quota, instances by the scaler"
    shown = partial(table, options=options)
    run = partial(run_scaled, options)
    return run_and_report("quota", what, run, table=shown, wrong=missed_goals)
