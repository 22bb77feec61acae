"""What came out: medians over the rounds, ratios between ways, and which bounds hold."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from tests.benchmarks.bed import Seen
from tests.benchmarks.cases import ALONE, CREEP, SMALL_JOBS, STEPS, Case, WayName
from tests.benchmarks.deployed import BEFORE
from tests.benchmarks.growth import Row
from tests.benchmarks.knobs import Knobs, Tried
from tests.benchmarks.worker import Taken

#: CPU milliseconds and modules at each step.
type Start = dict[str, tuple[float, int]]


@dataclass(slots=True)
class Results:
    """All rounds of all cases."""

    seen: defaultdict[tuple[Case, WayName], list[Seen]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: Cold starts as deployed, and those of an earlier version.
    starts: list[Start] = field(default_factory=list)
    starts_before: list[Start] = field(default_factory=list)
    #: The same by a managed identity.
    keyless: list[Start] = field(default_factory=list)
    keyless_before: list[Start] = field(default_factory=list)
    #: The libraries without the app.
    libraries: list[Start] = field(default_factory=list)
    knobs: dict[Knobs, Tried] = field(default_factory=dict)
    #: What 64 jobs took in the memory of a small instance, MB; None: not measured.
    confined: float | None = None
    growth: list[Row] = field(default_factory=list)

    def start_ms(self, step: str) -> float | None:
        """The median CPU time of a cold start up to a step."""
        return median(start[step][0] for start in self.starts) if self.starts else None

    def add(self, case: Case, way: WayName, seen: Seen) -> None:
        """Keep one round."""
        self.seen[case, way].append(seen)

    def of(self, case: Case, way: WayName, figure: Callable[[Seen], float]) -> float | None:
        """The median of a figure over the rounds; None if there were none."""
        rounds = self.seen.get((case, way))
        return median(map(figure, rounds)) if rounds else None

    def median_of(self, way: WayName, figure: Callable[[Seen], float]) -> float | None:
        """The median of a figure over all cases; None if there were none."""
        each = [figure(s) for (_, name), seen in self.seen.items() if name == way for s in seen]
        return median(each) if each else None

    def ratio(self, case: Case, other: WayName, figure: Callable[[Seen], float]) -> float | None:
        """Ours over another way, within each round; the median of those."""
        pairs = zip(
            self.seen.get((case, "ours"), ()), self.seen.get((case, other), ()), strict=False
        )
        ratios = [figure(ours) / figure(theirs) for ours, theirs in pairs]
        return median(ratios) if ratios else None

    def cases(self, *, paced: bool) -> list[Case]:
        """The cases that were measured side by side, in order."""
        found = dict.fromkeys(case for case, _ in self.seen)
        return [case for case in found if case.paced is paced and case not in {*ALONE, SMALL_JOBS}]


def cpu(seen: Seen) -> float:
    """CPU of the worker, milliseconds a decoded megabyte."""
    return seen.cpu_ms_per_mb


def peak(seen: Seen) -> float:
    """Peak of memory over the idle worker, MB."""
    return seen.taken.peak_mb


def idle(seen: Seen) -> float:
    """Memory of the worker before its first job that counts, MB."""
    return seen.taken.idle_mb


def told(seen: Seen) -> float:
    """From the last byte of a reply to its event, milliseconds; the median of the jobs."""
    return median(seen.told_after_ms)


def late(seen: Seen) -> float:
    """How late the loop was at worst, milliseconds."""
    return seen.taken.late_max_ms


@dataclass(frozen=True, slots=True)
class Bound:
    """A promise in figures, and what was measured of it."""

    what: str
    limit: float
    measured: float | None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """Whether it holds, in a word."""
        if self.measured is None:
            return "not measured"
        return "holds" if self.measured <= self.limit else "**does not hold**"


def bounds(results: Results) -> list[Bound]:
    """All bounds, in the order of the promises."""
    return [
        *_memory(results),
        *_cpu(results),
        *_latency(results),
        *_loop(results),
        *_starts(results),
        *_throughput(results),
    ]


def _worst(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None


def _memory(results: Results) -> list[Bound]:
    mine = [case for case, way in results.seen if way == "ours"]

    def worst(in_flight: int) -> float | None:
        return _worst([results.of(c, "ours", peak) for c in mine if c.in_flight == in_flight])

    def one(pictures: int, megabytes: int) -> float | None:
        return _worst(
            [
                results.of(c, "ours", peak)
                for c in mine
                if (c.pictures, c.megabytes, c.in_flight) == (pictures, megabytes, 1)
            ]
        )

    def growth(small: float | None, large: float | None) -> float | None:
        return None if small is None or large is None else large - small

    creep = [
        seen.taken.quarters_mb[-1] - seen.taken.quarters_mb[0]
        for seen in results.seen.get((CREEP, "ours"), [])
    ]
    return [
        Bound("peak memory over idle, 1 job", 8, worst(1), "MB"),
        Bound("the same, 24 jobs", 90, worst(24), "MB"),
        Bound("the same, 64 jobs of 4 pictures of 25 MB", 190, worst(64), "MB"),
        Bound("all that these 64 held in a cgroup of 300 MB", 300, results.confined, "MB"),
        Bound("growth from 1 to 10 pictures per reply", 2, growth(one(1, 25), one(10, 8)), "MB"),
        Bound("growth from 2 to 25 MB per picture", 2, growth(one(1, 2), one(1, 25)), "MB"),
        Bound("growth over the last 150 of 200 jobs", 2, _worst(creep), "MB"),
        Bound("memory of the idle worker", 55, results.median_of("ours", idle), "MB"),
    ]


def _cpu(results: Results) -> list[Bound]:
    cases = results.cases(paced=False)
    large = [case for case in cases if case.pictures * case.megabytes > 2]
    small = [case for case in cases if case not in large]
    naive = [results.ratio(case, "obvious", cpu) for case in large]
    return [
        Bound(
            "CPU over the raw copy, replies of 25 MB and more",
            1.4,
            _worst([results.ratio(case, "copy", cpu) for case in large]),
            "x",
        ),
        Bound(
            "CPU over the raw copy, replies of one picture of 2 MB",
            1.4,
            _worst([results.ratio(case, "copy", cpu) for case in small]),
            "x",
        ),
        Bound(
            "CPU over the least possible, replies of 25 MB and more",
            1.15,
            _worst([results.ratio(case, "least", cpu) for case in large]),
            "x",
        ),
        Bound(
            "the same, replies of one picture of 2 MB",
            1.3,
            _worst([results.ratio(case, "least", cpu) for case in small]),
            "x",
        ),
        Bound("CPU over the obvious way", 0.3, _worst(naive), "x"),
    ]


def _latency(results: Results) -> list[Bound]:
    alone = {c.reply: c for c in results.cases(paced=True) if c.in_flight == 1}
    told_after = {reply: results.of(case, "ours", told) for reply, case in alone.items()}
    ratios = [
        many / one
        for many, one in [(told_after.get("10 × 8 MB"), told_after.get("1 × 25 MB"))]  # noqa: RUF001 (as cases write it)
        if many and one
    ]
    return [
        Bound(
            "last byte to event, 5 round trips of 10 ms", 80, _worst([*told_after.values()]), "ms"
        ),
        Bound("the same, 10 pictures over 1", 1.2, _worst(ratios), "x"),
    ]


def _loop(results: Results) -> list[Bound]:
    rows = [seen.taken for seen in results.seen.get((STEPS, "ours"), [])]

    def of(figure: Callable[[Taken], float]) -> float | None:
        return median(map(figure, rows)) if rows else None

    return [
        Bound(
            "a step of the loop, 8 jobs at 40 MB/s, 99 of 100",
            10,
            of(lambda t: t.step_p99_ms),
            "ms",
        ),
        Bound("the same, at worst", 50, of(lambda t: t.step_max_ms), "ms"),
        Bound("lateness of the loop meanwhile, p99", 10, of(lambda t: t.late_p99_ms), "ms"),
        Bound("the same, at worst", 50, of(lambda t: t.late_max_ms), "ms"),
    ]


def _throughput(results: Results) -> list[Bound]:
    def seconds(seen: Seen) -> float:
        return seen.taken.wall_seconds

    return [
        Bound(
            "time for 2,000 small jobs, over the obvious way",
            1,
            results.ratio(SMALL_JOBS, "obvious", seconds),
            "x",
        ),
        Bound(
            "the same, over the openai SDK", 1, results.ratio(SMALL_JOBS, "openai", seconds), "x"
        ),
    ]


def _starts(results: Results) -> list[Bound]:
    def modules(step: str) -> int | None:
        return results.starts[0][step][1] if results.starts else None

    def ratio(starts: list[Start], before: list[Start]) -> float | None:
        each = zip(starts, before, strict=True)
        ratios = [start["call"][0] / other["call"][0] for start, other in each]
        return median(ratios) if ratios else None

    return [
        Bound("modules when the app is indexed", 440, modules("indexed")),
        Bound("modules at the first call", 600, modules("call")),
        Bound(
            f"CPU to the first call as deployed, over {BEFORE}",
            0.72,
            ratio(results.starts, results.starts_before),
            "x",
        ),
        Bound(
            "the same, by a managed identity",
            0.72,
            ratio(results.keyless, results.keyless_before),
            "x",
        ),
    ]
