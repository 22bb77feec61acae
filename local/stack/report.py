"""A trial at the terminal: run it, show a table of the result, list what is wrong."""

from collections.abc import Callable, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from local.stack.stack import ROOT


def run_and_report[T](
    name: str,
    what: str,
    run: Callable[[Callable[[str], None]], T],
    *,
    table: Callable[[T], Table],
    wrong: Callable[[T], Sequence[str]],
) -> int:
    """Run a trial, print its table and every sentence about a fault; return 0 without faults.

    The hosts' log goes to `out/{name}.log`.
    """
    path = ROOT / "out" / f"{name}.log"
    path.parent.mkdir(exist_ok=True)
    console = Console()
    console.print(f"{what}; log of the hosts: out/{path.name}")
    with path.open("w") as log:
        result = run(lambda line: print(line, file=log, flush=True))
    console.print(table(result))
    sentences = wrong(result)
    for sentence in sentences:
        console.print(f"[red]{sentence}[/]")
    return 1 if sentences else 0


def add_zero_rows(table: Table, counts: Mapping[str, int | Sequence[int]]) -> None:
    """Add a section of counts that must be zero, one a column: green when they are, else red."""
    table.add_section()
    for name, count in counts.items():
        row = [count] if isinstance(count, int) else count
        table.add_row(name, *(f"[{'red' if each else 'green'}]{each}[/]" for each in row))
