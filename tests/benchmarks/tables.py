"""The results as tables: Markdown, which reads as well in a terminal."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median

from tests.benchmarks.bed import Seen
from tests.benchmarks.cases import SMALL_JOBS, WAYS, WayName
from tests.benchmarks.deployed import BEFORE
from tests.benchmarks.growth import Row
from tests.benchmarks.knobs import Knobs, Tried
from tests.benchmarks.results import Bound, Results, cpu, late, peak, told

#: Why each request of a job is made; the first, the second ... of its kind.
REASONS = {
    "put index entry": (
        "a sweep finds the job, even if its messages are lost",
        "the job's entry in lists of ended jobs",
    ),
    "put record": (
        "the job is accepted, and its id is new",
        "the intent to pay, before the call",
        "the result, before the event",
        "the event is published: no sweep sends it again",
    ),
    "send": ("starts the task", "the event"),
    "read record": ("a message has only ids",),
    "find picture": ("nothing is paid for that storage would refuse, or that is there already",),
    "read ledger": ("who waits before the job; at most once a second",),
    "put ledger": ("the quota is the speed limit: a reservation shared with all hosts",),
    "the call": ("on a new connection: a request that fails on a kept one may have been read",),
    "block": ("one per megabyte: this limits the memory",),
    "commit picture": ("the picture becomes visible, complete",),
    "put picture": ("within one block: the picture becomes visible, complete",),
    "put sidecar": ("receivers of the event find the file",),
    "delete index entry": ("no sweep checks the job again",),
}

_HEADS: dict[WayName, str] = {
    "ours": "ours",
    "copy": "raw copy",
    "least": "least",
    "obvious": "obvious",
    "openai": "openai SDK",
}
#: What of the ways is shown beside the CPU.
_SIDE_BY_SIDE = tuple(way for way in WAYS if way != "least")


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
    shown: list[tuple[str, Callable[[Seen], float], tuple[WayName, ...]]] = (
        [
            ("event after ms", told, _SIDE_BY_SIDE),
            ("CPU ms/MB", cpu, _SIDE_BY_SIDE),
            ("late ms", late, _SIDE_BY_SIDE),
        ]
        if paced
        else [("CPU ms/MB", cpu, WAYS), ("peak MB", peak, _SIDE_BY_SIDE)]
    )
    over: tuple[WayName, ...] = () if paced else ("copy", "least", "obvious")
    heads = ["in flight", "reply"]
    heads += [f"{name}: {_HEADS[way]}" for name, _, ways in shown for way in ways]
    heads += [f"CPU / {_HEADS[other]}" for other in over] + ([] if paced else ["MB/s"])
    rows = []
    for case in results.cases(paced=paced):
        row = [str(case.in_flight), case.reply]
        row += [number(results.of(case, way, figure)) for _, figure, ways in shown for way in ways]
        for other in over:
            ratio = results.ratio(case, other, cpu)
            row.append("–" if ratio is None else f"{ratio:.2f}")  # noqa: RUF001 (an empty cell)
        if not paced:
            row.append(number(results.of(case, "ours", lambda seen: seen.megabytes_a_second)))
        rows.append(row)
    return table(heads, rows)


def requests_table(seen: Seen) -> str:
    """Storage requests of a job, with the reason of each."""
    rows = [
        [kind, f"{count:g}", "; ".join(REASONS.get(kind, ()))]
        for kind, count in seen.requests.items()
    ]
    return table(["request", "per job", "why"], rows)


def steps_table(seen: Seen) -> str:
    """The first job, step by step; the blocks of a picture in one line."""
    rows: list[tuple[float, float, str, str]] = []
    times: Counter[str] = Counter()
    for kind, begun, ended in seen.steps:
        why = REASONS.get(kind, ())
        if kind != "block":
            rows.append((begun, ended, kind, why[times[kind]] if times[kind] < len(why) else ""))
        times[kind] += 1
    if blocks := [step for step in seen.steps if step[0] == "block"]:
        first, last = min(begun for _, begun, _ in blocks), max(ended for *_, ended in blocks)
        rows.append((first, last, f"{len(blocks)} blocks", REASONS["block"][0]))
    return table(
        ["step", "from ms", "to ms", "why"],
        [
            [kind, f"{begun * 1000:.0f}", f"{ended * 1000:.0f}", why]
            for begun, ended, kind, why in sorted(rows)
        ],
    )


def knobs_table(tried: Mapping[Knobs, Tried]) -> str:
    """What settings of the uploads do, and their defaults."""
    rows = []
    for knobs, seen in tried.items():
        flat, paced, many = seen
        rows.append(
            [
                *(f"{knobs.block_bytes / (1 << 20):g}", str(knobs.in_flight), str(knobs.pool)),
                *(number(cpu(flat)), number(peak(flat)), number(told(paced))),
                *(number(peak(many)), number(many.megabytes_a_second)),
                "the default" if knobs == Knobs() else "",
            ]
        )
    heads = ["block MiB", "in flight", "pool", "CPU ms/MB", "peak MB", "event after ms"]
    return table([*heads, "peak MB, 24 jobs", "MB/s, 24 jobs", ""], rows)


def growth_table(rows: Iterable[Row]) -> str:
    """What a job, a sweep and a page of the list take after so many jobs."""
    cells = [
        [
            f"{row.past:,}",
            *(
                text
                for cost in (row.job, row.sweep, row.page, row.write)
                for text in (number(cost.milliseconds), f"{cost.requests:g}")
            ),
        ]
        for row in rows
    ]
    heads = (
        f"{what}, {unit}"
        for what in ("job", "sweep", "page", "one write")
        for unit in ("ms", "requests")
    )
    return table(["jobs before", *heads], cells)


def small_jobs_table(results: Results) -> str:
    """Jobs a second and CPU a job, where the picture and the endpoint take next to nothing."""
    rows = []
    for way in WAYS:
        speed = results.of(SMALL_JOBS, way, lambda seen: seen.load.jobs / seen.taken.wall_seconds)
        if speed is None:
            continue
        cost = results.of(SMALL_JOBS, way, lambda seen: seen.taken.cpu_seconds / seen.load.jobs)
        rows.append([_HEADS[way], number(speed), number(cost and cost * 1000)])
    heads = [f"{SMALL_JOBS.jobs:,} jobs of {SMALL_JOBS.reply}, {SMALL_JOBS.in_flight} in flight"]
    return table([*heads, "jobs/s", "CPU ms per job"], rows)


def starts_table(results: Results) -> str:
    """A cold start up to its first call."""
    steps = ("indexed", "opened", "accepted", "call")
    rows = []
    for name, starts in (
        ("as deployed", results.starts),
        (BEFORE, results.starts_before),
        ("as deployed, by a managed identity", results.keyless),
        (f"{BEFORE}, by a managed identity", results.keyless_before),
    ):
        times = [number(median(start[step][0] for start in starts)) for step in steps]
        rows.append([name, *times, str(starts[0]["indexed"][1]), str(starts[0]["call"][1])])
    floor = median(start["call"][0] for start in results.libraries)
    modules = str(results.libraries[0]["call"][1])
    rows.append(["the libraries alone", *("–" for _ in steps[1:]), number(floor), "–", modules])  # noqa: RUF001 (empty cells)
    heads = [*(f"{step}, CPU ms" for step in steps), "modules when indexed", "modules at the call"]
    return table(["app", *heads], rows)
