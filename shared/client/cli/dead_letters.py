"""List, show, replay and purge dead letters."""

from datetime import datetime
from typing import Annotated

import typer

from ...records.dead_letter import DeadLetter
from ..clients import ImageJobs
from .access import client
from .output import AsJson, console, print_json, read_count, table

app = typer.Typer(
    name="dead",
    help="Dead letters: rejected messages, failed jobs and undelivered events.",
    no_args_is_help=True,
)
Names = Annotated[list[str], typer.Argument(help="Names from `dead list`.")]
OptionalNames = Annotated[
    list[str] | None,
    typer.Argument(help="Names from `dead list`; without: all with `--reason` or `--day`."),
]
Reason = Annotated[str | None, typer.Option("--reason", help="A code, such as content_refused.")]
Days = Annotated[
    int,
    typer.Option(
        "--days", parser=read_count, metavar="NUMBER", help="Number of days up to today, UTC."
    ),
]
Limit = Annotated[
    int,
    typer.Option("--limit", "-n", parser=read_count, metavar="NUMBER", help="Most dead letters."),
]
Day = Annotated[
    datetime | None, typer.Option("--day", formats=["%Y-%m-%d"], help="Only this day, UTC.")
]
#: Letters that one command sends again or purges.
MAX_AT_ONCE = 10_000


@app.command("list")
def list_letters(
    *,
    days: Days = 7,
    day: Day = None,
    reason: Reason = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the newest day first."""
    with client() as jobs:
        letters = _letters(jobs, days=days, day=day, reason=reason, limit=limit)
    if as_json:
        for each in letters:
            print_json({"name": each.name} | each.model_dump(include={"reason", "job_id", "why"}))
        return
    if not letters:
        console().print("No dead letters on these days.", style="dim")
        return
    rows = table("name", "job", "reason", "")
    for each in letters:
        rows.add_row(each.name, each.job_id or "", each.reason, each.why)
    console().print(rows)


@app.command()
def show(names: Names) -> None:
    """Print whole dead letters as JSON."""
    with client() as jobs:
        for name in names:
            letter = jobs.operator.dead_letter(name)
            print_json(letter.model_dump(mode="json", exclude_none=True))


@app.command()
def replay(
    names: OptionalNames = None, *, reason: Reason = None, day: Day = None, days: Days = 7
) -> None:
    """Retry rejected messages, failed jobs and undelivered events. The dead letters stay."""
    with client() as jobs:
        for name in _choose(jobs, names, reason=reason, day=day, days=days):
            console().print(jobs.operator.send_again(name), soft_wrap=True)


@app.command()
def purge(
    names: OptionalNames = None, *, reason: Reason = None, day: Day = None, days: Days = 7
) -> None:
    """Delete dead letters."""
    with client() as jobs:
        for name in _choose(jobs, names, reason=reason, day=day, days=days):
            jobs.operator.purge(name)
            console().print(f"deleted {name}", soft_wrap=True)


def _choose(
    jobs: ImageJobs,
    names: list[str] | None,
    *,
    reason: str | None,
    day: datetime | None,
    days: int,
) -> list[str]:
    """Return the names that were given, or of all letters with a reason or of a day."""
    if bool(names) == bool(reason or day):
        raise typer.BadParameter("give names, or select all with --reason or --day")
    if names:
        return names
    letters = _letters(jobs, days=days, day=day, reason=reason, limit=MAX_AT_ONCE)
    return [each.name for each in letters]


def _letters(
    jobs: ImageJobs, *, days: int, day: datetime | None, reason: str | None, limit: int
) -> list[DeadLetter]:
    """Return the letters of the last days, or of one day."""
    if day:
        return jobs.operator.dead_letters(days=1, limit=limit, reason=reason, last=day.date())
    return jobs.operator.dead_letters(days=days, limit=limit, reason=reason)
