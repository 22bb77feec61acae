"""The results as tables: Markdown, which reads as well in a terminal."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

from tests.benchmarks.bed import Seen
from tests.benchmarks.cases import WAYS, Case
from tests.benchmarks.results import Bound, Results, cpu, late, peak, told

#: Why each storage request of a job is made.
REASONS = {
    "put jobs": "the record: made, the intent to pay, the result, the event sent; its register: "
    "opened, ended",
    "delete jobs": "the register: no sweep need look at it any more",
    "send": "the lane's message, the event",
    "read jobs": "the record, once a task: messages hold ids and nothing else",
    "block": "one a megabyte: what bounds the memory",
    "commit images": "one a picture: visible once and whole",
    "put images": "the sidecar, for workflows that wait for a file; or a picture within one block",
}

_HEADS = {"ours": "ours", "copy": "raw copy", "obvious": "obvious", "openai": "openai SDK"}


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with its columns in line."""
    cells = [list(heads), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(heads))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def number(value: float | None) -> str:
    """A figure with as many digits as can be trusted."""
    if value is None:
        return "–"  # noqa: RUF001 (an empty cell)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def bounds_table(bounds: Iterable[Bound]) -> str:
    """What is promised, what was measured."""
    return table(
        ["what", "at most", "measured", ""],
        [
            [
                each.what,
                f"{each.limit:g} {each.unit}",
                "–" if each.measured is None else f"{each.measured:.3g} {each.unit}",  # noqa: RUF001 (an empty cell)
                each.verdict,
            ]
            for each in bounds
        ],
    )


def figures(results: Results, *, paced: bool) -> str:
    """One row a load: its figures by way, and the ratios."""
    shown: list[tuple[str, Callable[[Seen], float]]] = (
        [("event after ms", told), ("CPU ms/MB", cpu), ("late ms", late)]
        if paced
        else [("CPU ms/MB", cpu), ("peak MB", peak)]
    )
    heads = ["in flight", "reply"]
    heads += [f"{name}: {_HEADS[way]}" for name, _ in shown for way in WAYS]
    if not paced:
        heads += ["CPU / copy", "CPU / obvious", "MB/s"]
    return table(heads, [_row(results, case, shown) for case in results.cases(paced=paced)])


def _row(
    results: Results, case: Case, shown: Sequence[tuple[str, Callable[[Seen], float]]]
) -> list[str]:
    row = [str(case.in_flight), case.reply]
    row += [number(results.of(case, way, figure)) for _, figure in shown for way in WAYS]
    if not case.paced:
        for other in ("copy", "obvious"):
            ratio = results.ratio(case, other, cpu)
            row.append("–" if ratio is None else f"{ratio:.2f}")  # noqa: RUF001 (an empty cell)
        row.append(number(results.of(case, "ours", lambda seen: seen.megabytes_a_second)))
    return row


def requests_table(seen: Seen) -> str:
    """Storage requests of a job, with the reason of each."""
    rows = [[kind, f"{count:g}", REASONS.get(kind, "")] for kind, count in seen.requests.items()]
    return table(["request", "a job", "why"], rows)


def steps_table(seen: Seen) -> str:
    """The first job, step by step; the blocks of a picture in one line."""
    rows: list[list[str]] = []
    blocks: list[tuple[float, float]] = []
    for kind, begun, ended in seen.steps:
        if kind == "block":
            blocks.append((begun, ended))
        else:
            rows.append([kind, f"{begun * 1000:.0f}", f"{ended * 1000:.0f}"])
    if blocks:
        first, last = min(begun for begun, _ in blocks), max(ended for _, ended in blocks)
        rows.append([f"{len(blocks)} blocks", f"{first * 1000:.0f}", f"{last * 1000:.0f}"])
    rows.sort(key=lambda row: float(row[1]))
    return table(["step", "from ms", "to ms"], rows)


def starts_table(results: Results) -> str:
    """A cold start up to its first call."""
    steps = ("indexed", "opened", "accepted", "call")
    rows = []
    for name, starts in (("as it is", results.starts), ("all at the top", results.eager)):
        times = [number(median(start[step][0] for start in starts)) for step in steps]
        rows.append([name, *times, str(starts[0]["indexed"][1]), str(starts[0]["call"][1])])
    heads = [*(f"{step}, CPU ms" for step in steps), "modules when indexed", "modules at the call"]
    return table(["imports", *heads], rows)
