"""A file of many lines, its host killed while it reads, makes and collects: what comes of it?"""

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from rich.table import Table

from local.chaos.arena import WISHES, Arena, arena
from local.chaos.reckoning import Reckoning, reckon
from local.chaos.rows import Row, differences, rows, to_csv
from local.stack.settings import QUEUES
from local.stack.trials import tried
from shared.batches.manifest import batch_id_of

NAME: Final = "campaign/rows.csv"
_DEPLOYMENTS: Final = json.dumps([{"name": "gpt-image-2", "rpm": 60_000}])
#: The quota holds up nobody.
_WISHES: Final = (*WISHES, "--set", f"FOUNDRY_DEPLOYMENTS={_DEPLOYMENTS}")
#: Of the emulator: pictures drawn once a size, soon there.
_DRAWING: Final = {"cache": True, "time_scale": 0.002}
#: Up to so long after its moment has come is the host killed, seconds: never at the same line.
_HAPHAZARD: Final = 0.3


@dataclass(frozen=True, slots=True)
class Wish:
    """How long a file; seconds it may take."""

    lines: int
    seed: int
    patience: float


@dataclass(slots=True)
class Verdict:
    """What the batch came to."""

    lines: int
    seconds: float
    #: Where the batch stood when its host was killed.
    killed_at: list[str]
    #: The event's counts.
    counts: Mapping[str, Any] = field(default_factory=dict)
    reckoning: Reckoning | None = None
    differences: list[str] = field(default_factory=list)

    @property
    def wrong(self) -> list[str]:
        """Every sentence about what must not be."""
        return [*self.differences, *(self.reckoning.wrong if self.reckoning else [])]


def batch(wish: Wish, say: Callable[[str], None]) -> Verdict:
    """Drop the file, kill the host at each of its moments, wait for the end, and look."""
    chance, lines = random.Random(wish.seed), rows(wish.lines)  # noqa: S311 - trouble, not secrets
    with arena(1, _WISHES, say) as troubled:
        troubled.admin("settings", method="POST", body=_DRAWING)
        began = time.monotonic()
        batch_id = _drop(troubled, to_csv(lines))
        made = Verdict(len(lines), 0.0, [])
        for moment in _moments(len(lines)):
            if _comes(moment, troubled, batch_id, until=began + wish.patience):
                time.sleep(chance.uniform(0, _HAPHAZARD))
                made.killed_at.append(_stands(troubled, batch_id))
                troubled.kill(chance)
        events = _wait(troubled, until=began + wish.patience)
        made.seconds = time.monotonic() - began
        _settle(troubled, until=began + wish.patience)
        _look(made, troubled, lines, events)
    return made


type _Moment = Callable[[Mapping[str, Any], Arena], bool]


def _moments(count: int) -> Iterator[_Moment]:
    """Yield when to kill: in the middle of reading, of making, of collecting."""
    pages = count // 100
    yield lambda record, _: record["pages"] >= pages // 2
    yield lambda record, stack: record["state"] == "running" and len(stack.ended()) >= count // 2
    yield lambda record, _: record["collected"] >= max(1, pages * 3 // 4)


def _drop(troubled: Arena, body: bytes) -> str:
    written = troubled.blobs.get_blob_client("manifests", NAME).upload_blob(body)
    return batch_id_of(NAME, written["etag"], written["last_modified"])


def _record(troubled: Arena, batch_id: str) -> dict[str, Any] | None:
    body = troubled.blob("jobs", f"batches/{batch_id}/batch.json")
    return json.loads(body) if body else None


def _stands(troubled: Arena, batch_id: str) -> str:
    record = _record(troubled, batch_id) or {}
    read, collected = record.get("pages"), record.get("collected")
    ended = len(troubled.ended())
    return f"{record.get('state')}: {read} pages read, {ended} jobs ended, {collected} pages told"


def _comes(moment: _Moment, troubled: Arena, batch_id: str, *, until: float) -> bool:
    """Wait for a moment; whether it came."""
    while time.monotonic() < until:
        troubled.listen()
        record = _record(troubled, batch_id)
        if record and moment(record, troubled):
            return True
        time.sleep(0.05)
    return False


def _completed(troubled: Arena) -> list[dict[str, Any]]:
    return [event for event in troubled.events if event["type"] == "image.batch.completed"]


def _wait(troubled: Arena, *, until: float) -> list[dict[str, Any]]:
    """Wait for the event of the end; none where it does not come."""
    while time.monotonic() < until and not _completed(troubled):
        troubled.listen()
        time.sleep(0.1)
    return _completed(troubled)


def _settle(troubled: Arena, *, until: float) -> None:
    """Wait until no message is left: what a second one may do is done then."""
    while time.monotonic() < until and any(troubled.left(queue) for queue in QUEUES):
        troubled.listen()
        time.sleep(0.2)


def _look(
    made: Verdict, troubled: Arena, lines: Sequence[Row], events: Sequence[Mapping[str, Any]]
) -> None:
    if not events:
        made.differences.append("no event tells the batch's end")
        return
    made.counts = events[0]["data"]
    place = made.counts["results"]
    told = troubled.blob(place["container"], place["blob"]) or b""
    results = [json.loads(line) for line in told.splitlines()]
    seen = troubled.seen(list(dict.fromkeys(each["job_id"] for each in results if each["job_id"])))
    made.reckoning = reckon(seen)
    made.differences += differences(
        lines, results, _completed(troubled), billed=seen.billed, pictures=seen.pictures
    )


def table(made: Verdict) -> Table:
    """Return the verdict as one table: what happened, then what must be zero."""
    shown = Table(title="What the batch came to", title_justify="left")
    shown.add_column("")
    shown.add_column("", justify="right")
    shown.add_row("lines", f"{made.lines:,}")
    for state in ("succeeded", "failed", "rejected", "repeated"):
        shown.add_row(f"  {state}", str(made.counts.get(state, "-")))
    for number, stood in enumerate(made.killed_at, 1):
        shown.add_row(f"kill {number}", stood)
    shown.add_row("seconds, file to event", f"{made.seconds:.0f}")
    found = made.reckoning
    if found:
        shown.add_row("calls billed", str(found.paid_calls))
        shown.add_row("flagged: may have been paid twice", str(found.flagged))
        shown.add_section()
    for name, wrong in {
        "lines not as they must be": len(made.differences),
        "jobs lost": len(found.lost) if found else 0,
        "paid twice, unflagged": len(found.paid_twice_unflagged) if found else 0,
        "other faults": len(made.wrong) - len(made.differences),
    }.items():
        colour = "red" if wrong else "green"
        shown.add_row(name, f"[{colour}]{wrong}[/]")
    return shown


def trouble(wish: Wish) -> int:
    """Run it, print the table; 0 when all that must be zero is."""
    what = f"a CSV of {wish.lines:,} lines, its host killed while it reads, makes and collects"
    return tried("batch", what, partial(batch, wish), table=table, wrong=lambda made: made.wrong)
