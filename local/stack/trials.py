"""A trial at the terminal: what is tried, a table of what it came to, and what must not be so."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from local.stack.stack import ROOT


def tried[T](
    name: str,
    what: str,
    run: Callable[[Callable[[str], None]], T],
    *,
    table: Callable[[T], Table],
    wrong: Callable[[T], Sequence[str]],
) -> int:
    """Run it, show its table and every sentence of what is wrong; 0 when nothing is.

    What the hosts say meanwhile is kept in `out/{name}.log`.
    """
    log = ROOT / "out" / f"{name}.log"
    log.parent.mkdir(exist_ok=True)
    console = Console()
    console.print(f"{what}; the hosts' log: out/{log.name}")
    with log.open("w") as kept:
        came_to = run(lambda line: print(line, file=kept, flush=True))
    console.print(table(came_to))
    sentences = wrong(came_to)
    for sentence in sentences:
        console.print(f"[red]{sentence}[/]")
    return 1 if sentences else 0
