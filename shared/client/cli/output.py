"""How the command shows things: tables for people, JSON for programs.

The client that a command works with, and what it takes the app to be.
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ...config.settings import CONNECTION, Configuration
from ...http_api.job_documents import status_of
from ...records.index_entry import IndexEntry
from ...records.record import JobState
from ...routing.plan import Plan
from ..caller import read_configuration
from ..results import Quote, Status
from ..sync_client import ImageJobs

#: What is no terminal has no width; in 80 columns a job's id would be cut.
PIPE_COLUMNS: Final = 160
#: From here on there is room for what is being made beside how it goes.
ROOMY_COLUMNS: Final = 120

SUPPOSED: Final = Text(
    "FOUNDRY_DEPLOYMENTS is not set here: every model of the catalogue was taken to be deployed.",
    style="dim",
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

MARKS: Final = {
    JobState.RUNNING: "[cyan]… running[/]",
    JobState.SUCCEEDED: "[green]✔ succeeded[/]",
    JobState.FAILED: "[red]✘ failed[/]",
    JobState.PARKED: "[yellow]‖ parked[/]",
    JobState.CANCELLED: "[dim]∅ cancelled[/]",
}


@cache
def console() -> Console:
    """Return the terminal, or what stands for it."""
    return Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, highlight=False)


@contextmanager
def live(*, quiet: bool) -> Iterator[Callable[[RenderableType], None]]:
    """Yield what shows something in the place of what it showed before; nothing if `quiet`."""
    if quiet:
        yield lambda _: None
        return
    try:
        with Live(console=console(), auto_refresh=False) as shown:
            yield lambda what: shown.update(what, refresh=True)
    finally:
        if not console().is_terminal:
            console().line()  # a pipe gets the last state only, which Live does not end


def print_json(value: object) -> None:
    """Print one JSON document on one line."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=str) + "\n")


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return a plain table."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=bool(column),  # what has no name is a sentence
        )
    return made


def dollars(usd: float | None) -> str:
    """Write an amount; small ones to a hundredth of a cent."""
    return "unknown" if usd is None else f"${usd:.4f}"


def sizes_of(plans: Sequence[Plan]) -> tuple[str, str, str]:
    """Write models, sizes and qualities of plans, each once."""
    return (
        ", ".join(dict.fromkeys(plan.model for plan in plans)),
        ", ".join(dict.fromkeys(f"{plan.width}x{plan.height}" for plan in plans)),
        ", ".join(dict.fromkeys(plan.quality or "-" for plan in plans)),
    )


def quote_json(quote: Quote) -> dict[str, Any]:
    """Return a quote as JSON."""
    plans = None
    if quote.plans is not None:
        plans = [plan.model_dump(mode="json") for plan in quote.plans]
    return {"checked": quote.checked, "estimate_usd": quote.estimate_usd, "plans": plans}


def status_json(status: Status) -> dict[str, Any]:
    """Return a status as JSON: the document that the app's HTTP answers with."""
    return status_of(status.record).model_dump(mode="json")


def status_table(found: Mapping[str, Status | None], now: datetime) -> Table:
    """Return a row a job: where it stands, how far it is, what it cost, what went wrong.

    Where there is little room, what is being made is left out: whoever asked for it knows.
    """
    made = ("model", "size", "quality") if console().width >= ROOMY_COLUMNS else ()
    rows = table("job", *made, "state", "calls", "pictures", "s", "USD", "")
    for job_id, status in found.items():
        if status is None:
            rows.add_row(job_id, *("" for _ in made), "[dim]· not begun[/]")
            continue
        record = status.record
        until = record.updated_at if status.ended else now
        cost = status.costs.cost_usd if status.costs.attempts else record.estimate_usd
        about = "" if status.ended else "~"
        failure = record.failure
        rows.add_row(
            job_id,
            *(sizes_of(record.plans) if made else ()),
            MARKS[status.state],
            f"{bar(status)} {status.calls_ended}/{status.calls}",
            f"{len(status.images)}",
            f"{(until - record.accepted_at).total_seconds():.0f}",
            f"{about}{dollars(cost)}",
            f"{failure.code}: {failure.message}" if failure else "",
        )
    return rows


def bar(status: Status, *, width: int = 8) -> str:
    """Draw how far a job is: calls that are over, calls being made, calls to come."""
    ended = round(width * status.calls_ended / status.calls)
    running = min(width - ended, -(-width * status.calls_running // status.calls))
    return (
        f"[green]{'━' * ended}[/][cyan]{'╸' * running}[/][dim]{'─' * (width - ended - running)}[/]"
    )


def now() -> datetime:
    """Return the time, UTC."""
    return datetime.now(UTC)


def entries_table(entries: Sequence[IndexEntry]) -> Table:
    """Return a row a job of a list."""
    rows = table("job", "accepted", "model", "size", "state", "pictures", "USD", "tags", "")
    for entry in entries:
        rows.add_row(
            entry.job_id,
            f"{entry.accepted_at.astimezone():%Y-%m-%d %H:%M}",
            ", ".join(entry.models),
            ", ".join(entry.sizes),
            MARKS[entry.state],
            str(entry.pictures),
            "" if entry.state is JobState.RUNNING else dollars(entry.cost_usd),
            " ".join(f"{name}={value}" for name, value in entry.tags.items()),
            entry.code or "",
        )
    return rows


#: For commands that only reckon.
_NO_STORAGE: Final = {CONNECTION: "UseDevelopmentStorage=true"}


def client() -> ImageJobs:
    """Return the client of this process's environment."""
    return ImageJobs()


def app_alone() -> Configuration:
    """Return what the environment tells of the app, for commands that need no storage."""
    told = any(name.startswith(CONNECTION) for name in os.environ)
    return read_configuration({**os.environ, **({} if told else _NO_STORAGE)})
