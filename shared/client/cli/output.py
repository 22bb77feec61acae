"""Print tables for people and JSON for programs; open the client of a command."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import accumulate
from typing import Annotated, Any, Final, override
from urllib.parse import urlencode

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.segment import Segment
from rich.text import Text

from ...errors import ImageJobsError, Rejected
from ...http_api.job_documents import describe_job
from ...http_api.waits import WaitStatus
from ...jobs.text import parse_json
from ...records.index_entry import IndexEntry
from ...records.record import JobState
from ...redaction import printable
from ...routing.plan import Plan
from ..results import Quote, Status

#: The variable with the URL of the app, which the command needs for links only.
APP_URL: Final = "IMAGE_JOBS_URL"
#: Between two columns, and before the second line of a row.
GAP: Final = "  "

ASSUMED: Final = Text(
    "FOUNDRY_DEPLOYMENTS is not set: all models of the catalogue are assumed to be deployed.",
    style="dim",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
#: Of days and of lists; and of waits, seconds.
_MOST_COUNTED: Final = 1_000_000
_LONGEST_WAIT: Final = 1_000_000


def read_count(text: object) -> int:
    """Return the count that an option gives, written as in JSON; else bad usage."""
    value = _read_number(text)
    if not isinstance(value, int) or not 1 <= value <= _MOST_COUNTED:
        raise typer.BadParameter(f"{text!r} is not a whole number from 1 to {_MOST_COUNTED:,}")
    return value


def read_seconds(text: object) -> float:
    """Return the seconds that an option gives, written as in JSON; else bad usage."""
    value = _read_number(text)
    if value is None or not 0 <= value <= _LONGEST_WAIT:
        raise typer.BadParameter(f"{text!r} is not a number from 0 to {_LONGEST_WAIT:,}")
    return value


def _read_number(text: object) -> float | None:
    """Return a number as JSON reads it; None if it is not one. A default is a number already."""
    try:
        value = parse_json(str(text))
    except ValueError:
        return None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


MARKS: Final = {
    JobState.RUNNING: Text("… running", "cyan"),
    JobState.SUCCEEDED: Text("✔ succeeded", "green"),
    JobState.FAILED: Text("✘ failed", "red"),
    JobState.PARKED: Text("‖ parked", "yellow"),
    JobState.CANCELLED: Text("∅ cancelled", "dim"),
    JobState.AWAITING_REVIEW: Text("? awaiting review", "yellow"),
}


def styled(text: str, style: str = "") -> Text:
    """Return text from outside in a style."""
    return Text(printable(text), style)


class _PlainConsole(Console):
    """A console to which every string is text from outside: its markup is not read."""

    @override
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **{**options, "markup": False})


@cache
def console() -> Console:
    """Return the console of stdout, which prints strings as they are; a `Text` has styles.

    In a pipe it breaks no line.
    """
    return _PlainConsole(soft_wrap=not sys.stdout.isatty(), highlight=False, emoji=False)


@contextmanager
def live(*, quiet: bool) -> Iterator[Callable[[RenderableType], None]]:
    """Yield a function that replaces what it printed before; it prints nothing if `quiet`.

    In a pipe only what was shown last is printed, at the end.
    """
    if quiet:
        yield lambda _: None
    elif console().is_terminal:
        with Live(console=console(), auto_refresh=False, vertical_overflow="visible") as shown:
            yield lambda what: shown.update(what, refresh=True)
    else:
        last: list[RenderableType] = []
        try:
            yield lambda what: last.__setitem__(slice(None), [what])
        finally:
            console().print(*last)


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(_to_json(value))


def _to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str) + "\n"


def error_json(error: ImageJobsError) -> dict[str, Any]:
    """Return an error as JSON: a rejection has its code and every fault."""
    found = {"error": type(error).__name__, "message": str(error)}
    if not isinstance(error, Rejected):
        return found
    faults = [{"field": fault.field, "message": fault.message} for fault in error.faults]
    return {**found, "code": error.code, "faults": faults}


def print_usage_error(error: typer.TyperException, *, as_json: bool) -> None:
    """Print what is wrong with a command line to stderr, for programs or in a sentence."""
    message = error.format_message()
    if as_json:
        sys.stderr.write(_to_json({"error": "UsageError", "message": message}))
        return
    context = getattr(error, "ctx", None)
    hint = f" Try `{context.command_path} --help`." if context else ""
    sys.stderr.write(f"{printable(message.rstrip('.'))}.{hint}\n" if message else "")


def print_error(error: ImageJobsError, *, as_json: bool = False) -> None:
    """Print an error to stderr, for programs or in sentences: one for each fault."""
    if as_json:
        sys.stderr.write(_to_json(error_json(error)))
        return
    faults = map(str, error.faults) if isinstance(error, Rejected) else str(error).split("\n")
    for each in faults:
        sys.stderr.write(f"{printable(each)}\n")


@dataclass(slots=True)
class Table:
    """Rows of cells that are never cut, however narrow the terminal.

    The columns that do not fit beside each other continue on a second line of each row, indented.
    In a pipe each row is one line, and its cells are separated by tabs.
    """

    columns: Sequence[str]
    #: Those whose cells are numbers.
    right: frozenset[str] = frozenset()
    rows: list[tuple[Text, ...]] = field(default_factory=list)

    def add_row(self, *cells: Text | str) -> None:
        """Add a row: a cell for each column, the most important first."""
        self.rows.append(tuple(each if isinstance(each, Text) else styled(each) for each in cells))

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType | Segment]:
        cells = [tuple(styled(each, "bold") for each in self.columns), *self.rows]
        if not console.is_terminal:
            # A `Text` would turn tabs into spaces.
            yield from (Segment("\t".join(cell.plain for cell in row) + "\n") for row in cells)
            return
        widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
        ends = accumulate(widths, lambda end, width: end + len(GAP) + width)
        # The first column is never moved, so that what is too long for a line can be copied whole.
        beside = max(sum(end <= options.max_width for end in ends), 1)
        for number, row in enumerate(cells):
            padded = [
                _pad(cell, width, right=name in self.right)
                for cell, width, name in zip(row[:beside], widths, self.columns, strict=False)
            ]
            line = Text(GAP).join(padded)
            line.rstrip()
            yield line
            if number and (rest := [cell for cell in row[beside:] if cell]):
                yield indented(Text(GAP).join(rest))


def indented(line: Text) -> RenderableType:
    """Return a line two columns to the right; at a terminal it continues below itself."""
    if console().is_terminal:
        return Padding(line, (0, 0, 0, len(GAP)), expand=False)
    return Text.assemble(GAP, line)


def _pad(cell: Text, width: int, *, right: bool) -> Text:
    padding = " " * (width - cell.cell_len)
    return Text.assemble(padding, cell) if right else Text.assemble(cell, padding)


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table."""
    return Table(columns, frozenset(right))


def count(number: int, thing: str, things: str | None = None) -> str:
    """Return a number and its thing, as `1 job` or `1,200 jobs`."""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"


def duration(seconds: float) -> str:
    """Return a time span in its most readable unit, as `12 s`, `4 min`, `3 h` or `2 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def dollars(usd: float | None) -> str:
    """Return an amount as text, to a hundredth of a cent."""
    return "unknown" if usd is None else f"${usd:,.4f}"


def dollar_range(certain: float | None, at_most: float | None) -> str:
    """Return what is certain and, where it differs, what is possible, as text."""
    least, most = dollars(certain), dollars(at_most)
    return least if least == most else f"{least} to {most}"


def planned_cost(plans: Sequence[Plan]) -> str:
    """Return the estimate of plans as text; parts without a known price are counted."""
    prices = [plan.estimate_usd for plan in plans]
    known = [usd for usd in prices if usd is not None]
    return _and_unknown(
        f"~{dollars(sum(known))}" if known else "", len(prices) - len(known), "part"
    )


def cost(status: Status) -> str:
    """Return what a job cost as text, or its estimate while it runs.

    Calls without a known price are counted, and hide no others.
    """
    record, costs = status.record, status.costs
    if not status.ended:
        return planned_cost(record.plans)
    if costs.cost_usd is not None:
        return dollar_range(costs.cost_usd, costs.cost_usd_at_most)
    priced = [each for each in record.attempts if each.cost_usd_at_most is not None]
    known = dollar_range(
        sum(each.cost_usd or 0.0 for each in priced),
        sum(each.cost_usd_at_most or 0.0 for each in priced),
    )
    return _and_unknown(known if priced else "", len(record.attempts) - len(priced), "call")


def _and_unknown(known: str, missing: int, thing: str) -> str:
    if not missing:
        return known
    return f"{known} + {count(missing, thing)} unknown" if known else "unknown"


def list_sizes(plans: Sequence[Plan]) -> tuple[str, str, str]:
    """Return models, sizes and qualities of plans as text, each once."""
    return (
        ", ".join(dict.fromkeys(plan.model for plan in plans)),
        ", ".join(dict.fromkeys(f"{plan.width}x{plan.height}" for plan in plans)),
        ", ".join(dict.fromkeys(plan.quality or "-" for plan in plans)),
    )


def quote_json(quote: Quote) -> dict[str, Any]:
    """Return a quote as JSON."""
    plans = quote.plans and [plan.model_dump(mode="json") for plan in quote.plans]
    return {"checked": quote.checked, "estimate_usd": quote.estimate_usd, "plans": plans}


def status_json(status: Status) -> dict[str, Any]:
    """Return a status as JSON, the same document as over HTTP."""
    return describe_job(status.record, wait=status.wait).model_dump(mode="json")


def status_table(found: Mapping[str, Status | Rejected | None], now: datetime) -> Table:
    """Return one row for each job: its state, cost and progress, what it makes, its failure."""
    rows = table("job", "state", "USD", "calls", "pictures", "time", *_MADE, "")
    for job_id, status in found.items():
        if status is None:
            rows.add_row(job_id, Text("· not begun", "dim"), *[""] * 8)
            continue
        if isinstance(status, Rejected):
            why = f"{status.code}: {status}"
            rows.add_row(job_id, Text("✘ rejected", "yellow"), *[""] * 7, why)
            continue
        record = status.record
        until = record.updated_at if status.ended else now
        rows.add_row(
            job_id,
            MARKS[status.state],
            cost(status),
            bar(status),
            f"{len(status.images)}",
            duration((until - record.accepted_at).total_seconds()),
            *list_sizes(record.plans),
            _describe_end(status, now),
        )
    return rows


_MADE: Final = ("model", "size", "quality")


def _describe_end(status: Status, now: datetime) -> str:
    """Say that a job is erased, why it waits or failed, or whose pictures it has."""
    record, wait = status.record, status.wait
    if record.erased:
        return "erased"
    if wait:
        times = describe_times(wait, now)
        return f"{wait.message} {times[:1].upper()}{times[1:]}".rstrip()
    if record.failure:
        return f"{record.failure.code}: {record.failure.message}"
    return f"pictures of {record.reused.job_id}" if record.reused else ""


def describe_times(wait: WaitStatus, now: datetime) -> str:
    """Return when a waiting job is expected to continue, to be called and to be done, as text."""
    begin = wait.until if wait.reason == "budget" else None
    expected = (("continues", begin), ("next call", wait.call_at), ("done", wait.done_at))
    return ", ".join(
        f"{name} in {duration((at - now).total_seconds())} ({_clock(at, now)})"
        for name, at in expected
        if at and at > now
    )


def _clock(at: datetime, now: datetime) -> str:
    """Return a local time, with its day unless that is today."""
    here = at.astimezone()
    is_today = here.date() == now.astimezone().date()
    return f"{here:%H:%M:%S}" if is_today else f"{here:%Y-%m-%d %H:%M}"


def bar(status: Status, *, width: int = 8) -> Text:
    """Return a progress bar with figures: ended calls, running calls, calls to come."""
    ended = round(width * status.calls_ended / status.calls)
    running = min(width - ended, -(-width * status.calls_running // status.calls))
    return Text.assemble(
        ("━" * ended, "green"),
        ("╸" * running, "cyan"),
        ("─" * (width - ended - running), "dim"),
        f" {status.calls_ended}/{status.calls}",
    )


def gallery_link(**page: str) -> str | None:
    """Return the URL of a page of the gallery; None where the app's URL is not known."""
    app = os.environ.get(APP_URL)
    return f"{app.rstrip('/')}/api/gallery#{urlencode(page)}" if app else None


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def list_table(entries: Sequence[IndexEntry]) -> Table:
    """Return one row for each job of a list."""
    columns = ("job", "state", "USD", "pictures", "accepted", "model", "size", "code", "tags")
    rows = table(*columns, right=("pictures",))
    for entry in entries:
        rows.add_row(
            entry.job_id,
            MARKS[entry.state],
            _listed_cost(entry),
            str(entry.pictures),
            f"{entry.accepted_at.astimezone():%Y-%m-%d %H:%M}",
            ", ".join(entry.models),
            ", ".join(entry.sizes),
            entry.code or "",
            " ".join(f"{name}={value}" for name, value in entry.tags.items()),
        )
    return rows


def _listed_cost(entry: IndexEntry) -> str:
    if entry.state is not JobState.RUNNING:
        return dollar_range(entry.cost_usd, entry.cost_usd_at_most)
    return "unknown" if entry.estimate_usd is None else f"~{dollars(entry.estimate_usd)}"
