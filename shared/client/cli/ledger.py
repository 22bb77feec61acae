"""`ledger`: how fast the app calls, and what was spent."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from ...turns import Ledger
from ..accounting import spent_by_day
from ..listing import MOST
from .connection import client
from .showing import AsJson, console, dollars, now, print_json, table


def ledger(
    *,
    days: Annotated[int, typer.Option("--days", min=1, help="Up to today, UTC.")] = 7,
    as_json: AsJson = False,
) -> None:
    """Tell quota and spend: the pace of each pool, and what each day and model cost."""
    with client() as jobs:
        entries, pools = jobs.newest(limit=MOST), jobs.operator.pools()
    spent = spent_by_day(entries, today=now().date(), days=days)
    if as_json:
        quota = {name: each.model_dump(mode="json") for name, each in pools.items()}
        print_json({"pools": quota, "spent": [asdict(each) for each in spent]})
        return
    if pools:
        console().print(_pools(pools), "")
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


def _pools(pools: Mapping[str, Ledger]) -> Table:
    rows = table("pool", "a minute", "configured", "waiting", "", right=("a minute", "configured"))
    for name, ledger in pools.items():
        pace, tempo = ledger.pace, ledger.pace.tempo
        waiting = max(pace.promised, pace.promised_low) - pace.calling
        blocked = [
            f"[red]{whose or 'all'}: {circuit.reason}, {circuit.message}[/]"
            for whose, circuit in ledger.circuits.items()
        ]
        rows.add_row(
            name,
            f"{tempo.rpm:.1f}",
            f"{tempo.configured:g}",
            f"{max(0, round(waiting))}",
            "; ".join(blocked),
        )
    return rows
