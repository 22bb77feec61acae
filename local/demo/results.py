"""The results of the demo jobs, and the tables that show them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from local.demo.jobs import DemoJob

_MARKS = {
    "image.job.succeeded": "[green]✔[/] succeeded",
    "image.job.failed": "[red]✘[/] failed",
    "image.job.rejected": "[yellow]✘[/] rejected",
    "image.job.parked": "[yellow]‖[/] parked",
}


@dataclass(slots=True)
class Result:
    """One job of the demo and its progress."""

    job: DemoJob
    state: str = "queued"
    seconds: float = 0.0
    event: dict[str, Any] | None = None
    files: list[Path] = field(default_factory=list)

    @property
    def as_expected(self) -> bool:
        """Whether the job ended with the expected event."""
        return self.event is not None and self.event["type"] == self.job.end_event

    @property
    def data(self) -> dict[str, Any]:
        """The data of the end event; empty before it."""
        return self.event["data"] if self.event else {}


def progress(results: list[Result]) -> Table:
    """Return the live table: one line per job."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("job")
    table.add_column("request")
    table.add_column("state", min_width=16)
    table.add_column("s", justify="right")
    for result in results:
        message = result.job.message
        request = " ".join(
            _words(name, message[name])
            for name in ("model", "models", "size", "quality", "fit")
            if name in message
        )
        state = _MARKS.get(result.event["type"]) if result.event else _progress_mark(result.state)
        table.add_row(result.job.job_id, request or "auto", state, f"{result.seconds:.1f}")
    return table


def _words(name: str, value: object) -> str:
    return f"{len(value)} {name.removesuffix('s')}s" if isinstance(value, list) else str(value)


def _progress_mark(state: str) -> str:
    return {"queued": "[dim]· queued[/]", "calling": "[cyan]▶ calling[/]"}.get(
        state, f"[blue]○ {state}[/]"
    )


def summary(results: list[Result], out: Path) -> Table:
    """Return the final table: decision, cost and files of each job; it fits 80 columns."""
    table = Table(box=None, padding=(0, 2, 1, 0), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for result in results:
        lines = [*_decision(result.data), _figures(result), *_files(result, out)]
        table.add_row(f"[bold]{result.job.job_id}[/]", "\n".join(filter(None, lines)))
    return table


def _decision(data: dict[str, Any]) -> list[str]:
    decided = (data.get("routing") or {}).get("decided")
    if not decided:
        return []
    size = f"{decided['width']}x{decided['height']}"
    tier = f"{decided['routing']} {decided.get('tier') or decided.get('bucket') or ''}"
    return [f"{decided['model']} {size} {decided.get('quality') or ''}, {tier}"]


def _figures(result: Result) -> str:
    usage = result.data.get("usage") or {}
    cost = result.data.get("cost_usd")
    figures = [
        f"{usage['output_tokens']:,} tokens" if "output_tokens" in usage else "",
        f"${cost:.4f}" if cost else "",
        f"{result.seconds:.1f} s",
    ]
    return f"[dim]{', '.join(filter(None, figures))}[/]"


def _files(result: Result, out: Path) -> list[str]:
    notes = [str(path.relative_to(out.parent.parent)) for path in result.files]
    routing = result.data.get("routing") or {}
    notes += [f"[yellow]{escape(item['reason'])}[/]" for item in routing.get("adjustments", ())]
    notes += [f"[yellow]{escape(warning)}[/]" for warning in routing.get("warnings", ())]
    if not result.files:
        faults = result.data.get("faults", ())
        notes += [escape(f"{fault['field']}: {fault['message']}") for fault in faults]
        if "code" in result.data and not faults:
            notes.append(escape(f"{result.data['code']}: {result.data.get('message', '')}"))
    return notes
