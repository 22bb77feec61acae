"""Print tables for people and JSON for programs; open the client of a command."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final, override

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...config.settings import CONNECTION, Configuration
from ...errors import ImageJobsError, Rejected
from ...http_api.job_documents import describe_job
from ...records.index_entry import IndexEntry
from ...records.record import JobState
from ...redaction import printable
from ...routing.plan import Plan
from ..caller import read_configuration
from ..results import Quote, Status
from ..sync_client import ImageJobs

#: Width where there is no terminal; 80 columns would cut the id of a job.
PIPE_COLUMNS: Final = 160
#: Width from which tables also show model, size and quality.
ROOMY_COLUMNS: Final = 120

ASSUMED: Final = Text(
    "FOUNDRY_DEPLOYMENTS is not set: all models of the catalogue are assumed to be deployed.",
    style="dim",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

MARKS: Final = {
    JobState.RUNNING: Text("… running", "cyan"),
    JobState.SUCCEEDED: Text("✔ succeeded", "green"),
    JobState.FAILED: Text("✘ failed", "red"),
    JobState.PARKED: Text("‖ parked", "yellow"),
    JobState.CANCELLED: Text("∅ cancelled", "dim"),
}


def styled(text: str, style: str) -> Text:
    """Return text from outside in a style."""
    return Text(printable(text), style)


class _PlainConsole(Console):
    """A console to which every string is text from outside: its markup is not read."""

    @override
    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **{**options, "markup": False})


@cache
def console() -> Console:
    """Return the console of stdout, which prints strings as they are; a `Text` has styles."""
    width = None if sys.stdout.isatty() else PIPE_COLUMNS
    return _PlainConsole(width=width, highlight=False, emoji=False)


@contextmanager
def live(*, quiet: bool) -> Iterator[Callable[[RenderableType], None]]:
    """Yield a function that replaces what it printed before; it prints nothing if `quiet`."""
    if quiet:
        yield lambda _: None
        return
    try:
        with Live(console=console(), auto_refresh=False) as shown:
            yield lambda what: shown.update(what, refresh=True)
    finally:
        if not console().is_terminal:
            console().line()  # in a pipe, Live prints only the last state, without a line end


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def error_json(error: ImageJobsError) -> dict[str, Any]:
    """Return an error as JSON: a rejection has its code and every fault."""
    found = {"error": type(error).__name__, "message": str(error)}
    if not isinstance(error, Rejected):
        return found
    faults = [{"field": fault.field, "message": fault.message} for fault in error.faults]
    return {**found, "code": error.code, "faults": faults}


def print_error(error: ImageJobsError, *, as_json: bool = False) -> None:
    """Print an error to stderr, for programs or in sentences: one for each fault."""
    if as_json:
        sys.stderr.write(json.dumps(error_json(error), ensure_ascii=False) + "\n")
        return
    faults = map(str, error.faults) if isinstance(error, Rejected) else str(error).split("\n")
    for each in faults:
        sys.stderr.write(f"{printable(each)}\n")


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a plain table."""
    rows = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        rows.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=bool(column),  # a column without a name contains sentences
        )
    return rows


def dollars(usd: float | None) -> str:
    """Return an amount as text, to a hundredth of a cent."""
    return "unknown" if usd is None else f"${usd:.4f}"


def dollar_range(certain: float | None, at_most: float | None) -> str:
    """Return what is certain and, where it differs, what is possible, as text."""
    least, most = dollars(certain), dollars(at_most)
    return least if least == most else f"{least} to {most}"


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
    return describe_job(status.record).model_dump(mode="json")


def status_table(found: Mapping[str, Status | None], now: datetime) -> Table:
    """Return one row for each job: state, progress, cost and failure; the estimate while it runs.

    A narrow table leaves out model, size and quality.
    """
    made = ("model", "size", "quality") if console().width >= ROOMY_COLUMNS else ()
    rows = table("job", *made, "state", "calls", "pictures", "s", "USD", "")
    for job_id, status in found.items():
        if status is None:
            rows.add_row(job_id, *("" for _ in made), Text("· not begun", "dim"))
            continue
        record = status.record
        until = record.updated_at if status.ended else now
        costs, failure = status.costs, record.failure
        cost = dollar_range(costs.cost_usd, costs.cost_usd_at_most)
        rows.add_row(
            job_id,
            *(list_sizes(record.plans) if made else ()),
            MARKS[status.state],
            bar(status),
            f"{len(status.images)}",
            f"{(until - record.accepted_at).total_seconds():.0f}",
            cost if status.ended else f"~{dollars(record.estimate_usd)}",
            f"{failure.code}: {failure.message}" if failure else "",
        )
    return rows


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


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def list_table(entries: Sequence[IndexEntry]) -> Table:
    """Return one row for each job of a list."""
    rows = table("job", "accepted", "model", "size", "state", "pictures", "USD", "tags", "")
    for entry in entries:
        rows.add_row(
            entry.job_id,
            f"{entry.accepted_at.astimezone():%Y-%m-%d %H:%M}",
            ", ".join(entry.models),
            ", ".join(entry.sizes),
            MARKS[entry.state],
            str(entry.pictures),
            ""
            if entry.state is JobState.RUNNING
            else dollar_range(entry.cost_usd, entry.cost_usd_at_most),
            " ".join(f"{name}={value}" for name, value in entry.tags.items()),
            entry.code or "",
        )
    return rows


#: For commands that only calculate.
_NO_STORAGE: Final = {CONNECTION: "UseDevelopmentStorage=true"}


def client() -> ImageJobs:
    """Return a client with the settings of the environment."""
    return ImageJobs()


def read_app() -> Configuration:
    """Return the configuration from the environment, for commands that need no storage."""
    is_configured = any(name.startswith(CONNECTION) for name in os.environ)
    return read_configuration({**os.environ, **({} if is_configured else _NO_STORAGE)})
