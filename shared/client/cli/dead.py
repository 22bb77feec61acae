"""`dead`: what the app refused, gave up on or could not deliver."""

from typing import Annotated

import typer

from .connection import client
from .showing import AsJson, console, print_json, table

app = typer.Typer(
    name="dead",
    help="Dead letters: what was refused, given up on or not delivered.",
    no_args_is_help=True,
)
Names = Annotated[list[str], typer.Argument(help="As `dead list` shows them.")]


@app.command("list")
def list_letters(
    *,
    days: Annotated[int, typer.Option("--days", min=1, help="Up to today, UTC.")] = 7,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Of letters.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List them, the newest day first."""
    with client() as jobs:
        letters = jobs.dead_letters(days=days, limit=limit)
    if as_json:
        for each in letters:
            print_json(
                {"name": each.name, "reason": each.reason, "job_id": each.job_id, "said": each.said}
            )
        return
    rows = table("name", "job", "reason", "")
    for each in letters:
        rows.add_row(each.name, each.job_id or "", each.reason, each.said)
    console().print(rows)


@app.command()
def show(names: Names) -> None:
    """Print letters whole, as JSON."""
    with client() as jobs:
        for name in names:
            print_json(jobs.dead_letter(name).content)


@app.command()
def replay(names: Names) -> None:
    """Put their messages back on the jobs queue, as they were; the letters stay."""
    with client() as jobs:
        for name in names:
            jobs.send_again(name)
            console().print(f"{name} is on the queue again", soft_wrap=True)


@app.command()
def purge(names: Names) -> None:
    """Delete letters."""
    with client() as jobs:
        for name in names:
            jobs.purge(name)
            console().print(f"{name} is gone", soft_wrap=True)
