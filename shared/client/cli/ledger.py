"""`ledger`: what was spent."""

from dataclasses import asdict
from typing import Annotated

import typer

from ..accounting import spent_by_day
from ..listing import MOST
from .connection import client
from .showing import AsJson, console, dollars, now, print_json, table


def ledger(
    *,
    days: Annotated[int, typer.Option("--days", min=1, help="Up to today, UTC.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Tell what was spent, by day and model."""
    with client() as jobs:
        entries = jobs.newest(limit=MOST)
    spent = spent_by_day(entries, today=now().date(), days=days)
    if as_json:
        for each in spent:
            print_json(asdict(each))
        return
    rows = table("day", "model", "jobs", "pictures", "USD", "", right=("jobs", "pictures", "USD"))
    for each in spent:
        unknown = f"[yellow]and {each.unpriced} jobs of unknown cost[/]" if each.unpriced else ""
        figures = (str(each.jobs), str(each.pictures), dollars(each.usd))
        rows.add_row(f"{each.day}", each.models, *figures, unknown)
    console().print(rows)
    total = sum(each.usd for each in spent)
    console().print(f"[bold]{dollars(total)}[/] in {days} days")
    if len(entries) == MOST:
        console().print(f"Only the newest {MOST:,} jobs were counted.", style="yellow")
