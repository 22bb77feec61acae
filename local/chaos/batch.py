"""The batch trial: a long manifest whose host is killed while it reads, runs and collects."""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from rich.table import Table

from local.chaos.audit import Audit, audit
from local.chaos.manifest import Row, find_differences, make_rows, to_csv
from local.chaos.target import OPTIONS as TARGET_OPTIONS
from local.chaos.target import Target, start_target
from local.stack.report import add_zero_rows, run_and_report
from local.stack.settings import QUEUES
from shared.batches.manifest import batch_id_of

NAME: Final = "campaign/rows.csv"
_DEPLOYMENTS: Final = json.dumps([{"name": "gpt-image-2", "rpm": 60_000}])
#: The quota delays no job.
_OPTIONS: Final = (*TARGET_OPTIONS, "--set", f"FOUNDRY_DEPLOYMENTS={_DEPLOYMENTS}")
#: Settings of the emulator: draw each size once, reply fast.
_EMULATOR: Final = {"cache": True, "time_scale": 0.002}
#: Longest delay of a kill, in seconds: no two runs kill at the same line.
_MAX_DELAY: Final = 0.3


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """The size of the manifest; `patience` in seconds."""

    lines: int
    seed: int
    patience: float


@dataclass(slots=True)
class BatchAudit:
    """The result of the trial."""

    rows: int
    seconds: float
    #: Progress of the batch at each kill.
    killed_at: list[str]
    #: Data of the event that ends the batch.
    counts: Mapping[str, Any] = field(default_factory=dict)
    audit: Audit | None = None
    differences: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Every sentence about a fault."""
        return [*self.differences, *(self.audit.wrong if self.audit else [])]


def run_batch(options: BatchOptions, log: Callable[[str], None]) -> BatchAudit:
    """Upload the manifest, kill the host three times, wait for the end, and check the result."""
    chance, rows = random.Random(options.seed), make_rows(options.lines)  # noqa: S311 - faults, not secrets
    with start_target(1, _OPTIONS, log) as target:
        target.admin("settings", method="POST", body=_EMULATOR)
        began = time.monotonic()
        batch_id = _upload(target, to_csv(rows))
        result = BatchAudit(len(rows), 0.0, [])
        for moment in _moments(len(rows)):
            if _wait_for(moment, target, batch_id, until=began + options.patience):
                time.sleep(chance.uniform(0, _MAX_DELAY))
                result.killed_at.append(_progress(target, batch_id))
                target.kill_host(chance)
        events = _wait_for_end(target, until=began + options.patience)
        result.seconds = time.monotonic() - began
        _wait_for_queues(target, until=began + options.patience)
        _check(result, target, rows, events)
    return result


type _Moment = Callable[[Mapping[str, Any], Target], bool]


def _moments(count: int) -> Iterator[_Moment]:
    """Yield when to kill: while the batch is read, run and collected."""
    pages = count // 100
    yield lambda record, _: record["pages"] >= pages // 2
    yield lambda record, stack: record["state"] == "running" and len(stack.ended()) >= count // 2
    yield lambda record, _: record["collected"] >= max(1, pages * 3 // 4)


def _upload(target: Target, body: bytes) -> str:
    written = target.blobs.get_blob_client("manifests", NAME).upload_blob(body)
    return batch_id_of(NAME, written["etag"], written["last_modified"])


def _record(target: Target, batch_id: str) -> dict[str, Any] | None:
    body = target.blob("jobs", f"batches/{batch_id}/batch.json")
    return json.loads(body) if body else None


def _progress(target: Target, batch_id: str) -> str:
    record = _record(target, batch_id) or {}
    read, collected = record.get("pages"), record.get("collected")
    ended = len(target.ended())
    return (
        f"{record.get('state')}: {read} pages read, {ended} jobs ended, {collected} pages collected"
    )


def _wait_for(moment: _Moment, target: Target, batch_id: str, *, until: float) -> bool:
    """Wait for a moment; return False when it did not come in time."""
    while time.monotonic() < until:
        target.read_events()
        record = _record(target, batch_id)
        if record and moment(record, target):
            return True
        time.sleep(0.05)
    return False


def _completed(target: Target) -> list[dict[str, Any]]:
    return [event for event in target.events if event["type"] == "image.batch.completed"]


def _wait_for_end(target: Target, *, until: float) -> list[dict[str, Any]]:
    """Wait for the event that ends the batch; return an empty list when it does not come."""
    while time.monotonic() < until and not _completed(target):
        target.read_events()
        time.sleep(0.1)
    return _completed(target)


def _wait_for_queues(target: Target, *, until: float) -> None:
    """Wait until every queue is empty, so that repeated messages have had their effect."""
    while time.monotonic() < until and any(target.left(queue) for queue in QUEUES):
        target.read_events()
        time.sleep(0.2)


def _check(
    result: BatchAudit, target: Target, rows: Sequence[Row], events: Sequence[Mapping[str, Any]]
) -> None:
    if not events:
        result.differences.append("no event ends the batch")
        return
    result.counts = events[0]["data"]
    place = result.counts["results"]
    body = target.blob(place["container"], place["blob"]) or b""
    results = [json.loads(line) for line in body.splitlines()]
    seen = target.observe(list(dict.fromkeys(each["job_id"] for each in results if each["job_id"])))
    result.audit = audit(seen)
    result.differences += find_differences(
        rows, results, _completed(target), billed=seen.billed, pictures=seen.pictures
    )


def table(result: BatchAudit) -> Table:
    """Return the result as a table: what happened, then what must be zero."""
    shown = Table(title="Result of the batch trial", title_justify="left")
    shown.add_column("")
    shown.add_column("", justify="right")
    shown.add_row("rows", f"{result.rows:,}")
    for state in ("succeeded", "failed", "rejected", "repeated"):
        shown.add_row(f"  {state}", str(result.counts.get(state, "-")))
    for number, progress in enumerate(result.killed_at, 1):
        shown.add_row(f"kill {number}", progress)
    shown.add_row("seconds from upload to event", f"{result.seconds:.0f}")
    found = result.audit
    if found:
        shown.add_row("calls billed", str(found.paid_calls))
        shown.add_row("flagged: may have been paid twice", str(found.flagged))
    add_zero_rows(
        shown,
        {
            "rows with a wrong result": len(result.differences),
            "jobs lost": len(found.lost) if found else 0,
            "paid twice, not flagged": len(found.paid_twice_unflagged) if found else 0,
            "other faults": len(result.wrong) - len(result.differences),
        },
    )
    return shown


def main(options: BatchOptions) -> int:
    """Run the trial and print its table; return 0 when everything that must be zero is zero."""
    what = f"a CSV of {options.lines:,} rows, the host killed while it reads, runs and collects"
    return run_and_report(
        "batch", what, partial(run_batch, options), table=table, wrong=lambda result: result.wrong
    )
