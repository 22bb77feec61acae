"""The chart of the page: memory, CPU and latency of the ways, as SVG."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.benchmarks.cases import WAYS, Case, WayName
from tests.benchmarks.results import Results, cpu, peak, told

_LOOK: dict[WayName, tuple[str, str]] = {
    "ours": ("Image Jobs", "#0067b8"),
    "copy": ("raw copy (the limit)", "#9aa5b1"),
    "least": ("least", "#5f6c7b"),
    "obvious": ("obvious", "#d1495b"),
    "openai": ("openai SDK", "#e9a23b"),
}
_STYLE = {
    "font.family": ["sans-serif"],
    "font.size": 9,
    "svg.fonttype": "none",
    "svg.hashsalt": "benchmarks",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#7b8794",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e4e7eb",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
}


def draw(results: Results, path: Path) -> None:
    """Write the chart."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 3.6), layout="constrained", facecolor="white")
        memory, work, wait = figure.subplots(1, 3)
        _memory(memory, results)
        eight = [case for case in results.cases(paced=False) if case.in_flight == 8]
        _bars(work, results, eight or results.cases(paced=False), cpu)
        work.set_title("CPU, ms a megabyte\n8 jobs in flight")
        alone = [case for case in results.cases(paced=True) if case.in_flight == 1]
        _bars(wait, results, alone, told)
        wait.set_yscale("log")
        wait.set_title("From last byte to event, ms\nreply at 40 MB/s, storage at 10 ms")
        handles, labels = work.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _memory(axes: Any, results: Results) -> None:  # noqa: ANN401 (matplotlib has no types)
    for way in WAYS:
        points = [
            (case.in_flight, value)
            for case, whose in results.seen
            if whose == way
            and not case.paced
            and (case.pictures, case.megabytes) == (4, 25)
            and (value := results.of(case, way, peak)) is not None
        ]
        if points:
            name, colour = _LOOK[way]
            axes.plot(*zip(*sorted(points), strict=True), "o-", color=colour, label=name, lw=2)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([1, 8, 24, 64], ["1", "8", "24", "64"])
    axes.set_xlabel("jobs in flight")
    axes.set_title("Peak memory over idle, MB\nreplies of four 25 MB pictures")


def _bars(axes: Any, results: Results, cases: list[Case], figure: Any) -> None:  # noqa: ANN401 (likewise)
    ways = [way for way in WAYS if any((case, way) in results.seen for case in cases)]
    width = 0.8 / max(1, len(ways))
    for place, way in enumerate(ways):
        name, colour = _LOOK[way]
        values = [results.of(case, way, figure) or 0 for case in cases]
        xs = [number + (place - (len(ways) - 1) / 2) * width for number in range(len(cases))]
        axes.bar(xs, values, width, color=colour, label=name)
    axes.set_xticks(range(len(cases)), [case.reply for case in cases], fontsize=8)
