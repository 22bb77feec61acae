"""Measures everything and writes `docs/benchmarks.md`: `python -m tests.benchmarks --help`."""

import argparse
import hashlib
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.benchmarks import deployed
from tests.benchmarks.bed import Bed, Seen, running
from tests.benchmarks.cases import (
    ALONE,
    CASES,
    LATENCY_MS,
    RATE,
    SIXTY_FOUR,
    SMALL_INSTANCE_MB,
    SMALL_JOBS,
    WAYS,
    Case,
    WayName,
)
from tests.benchmarks.chart import draw
from tests.benchmarks.knobs import try_all
from tests.benchmarks.page import CHART, report, write
from tests.benchmarks.replies import picture
from tests.benchmarks.results import Results, cpu, peak
from tests.benchmarks.worker import Load

#: Cold starts of each kind.
STARTS = 11
#: The raw copy stores and sends as much whatever the picture: no job is as small.
NEVER = {(SMALL_JOBS, "copy")}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="at most so many rounds (default: 3)")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"default: {','.join(WAYS)}")
    parser.add_argument("--in-flight", type=int, action="append", help="only these loads")
    parser.add_argument("--no-knobs", action="store_true", help="leave the settings alone")
    parser.add_argument(
        "--growth", action="store_true", help="also after 10,000 jobs, on Azurite (5 minutes more)"
    )
    parser.add_argument("--no-page", action="store_true", help="print, and leave the page alone")
    options = parser.parse_args()
    ways = [way for way in WAYS if way in options.ways.split(",")]
    cases = [c for c in (*CASES, *ALONE) if c.in_flight in (options.in_flight or [c.in_flight])]
    results, begun = Results(), time.monotonic()
    with running() as bed:
        for way in ways:
            _verify(bed, way)
        _start(bed, results)
        for turn in range(options.rounds):
            _compare(bed, results, turn, cases, ways)
        if options.growth:
            results.growth = bed.grown()
        if not options.no_knobs:
            results.knobs = try_all(lambda case, knobs: _measure(bed, case, "ours", knobs))
    sys.stdout.write(f"\n{report(results)}\n")
    sys.stdout.write(f"\nThis took {(time.monotonic() - begun) / 60:.0f} minutes.\n")
    if not options.no_page:
        draw(results, CHART)
        write(results)


def _compare(bed: Bed, results: Results, turn: int, cases: list[Case], ways: list[WayName]) -> None:
    """Measure each case by each of the ways that have a turn in this round."""
    for case in (*cases, SMALL_JOBS):
        for way in ways:
            is_compared = case not in ALONE or way == "ours"
            if is_compared and turn < case.rounds_of(way) and (case, way) not in NEVER:
                seen = _confine(bed, results) if case == SIXTY_FOUR else _measure(bed, case, way)
                results.add(case, way, seen)


def _start(bed: Bed, results: Results) -> None:
    """Measure cold starts side by side: they are short, and one alone tells little."""
    with TemporaryDirectory() as now, TemporaryDirectory() as earlier:
        app, before = deployed.unpack_package(Path(now)), deployed.unpack_before(Path(earlier))
        for _ in range(STARTS):
            results.starts.append(bed.start(app))
            results.starts_before.append(bed.start(before))
            results.keyless.append(bed.start(app, keyless=True))
            results.keyless_before.append(bed.start(before, keyless=True))
            results.libraries.append(bed.start_libraries(app))


def _confine(bed: Bed, results: Results) -> Seen:
    """Measure 64 jobs in the memory of a small instance, where this machine lets us."""
    try:
        seen, results.confined = bed.confine(_load(bed, SIXTY_FOUR, "ours"), SMALL_INSTANCE_MB)
    except PermissionError:
        return _measure(bed, SIXTY_FOUR, "ours")
    return seen


def _measure(bed: Bed, case: Case, way: WayName, knobs: dict[str, str] | None = None) -> Seen:
    begun = time.monotonic()
    pace = "paced" if case.paced else ""
    seen = bed.measure(_load(bed, case, way, knobs), latency_ms=LATENCY_MS if case.paced else 0.0)
    sys.stdout.write(
        f"{case.in_flight:3} in flight  {case.reply:10}  {pace:5}  {way:8} "
        f"{cpu(seen):6.2f} ms/MB  +{peak(seen):6.1f} MB  {time.monotonic() - begun:5.1f} s\n"
    )
    sys.stdout.flush()
    return seen


def _load(bed: Bed, case: Case, way: WayName, knobs: dict[str, str] | None = None) -> Load:
    return Load(
        way=way,
        addresses=bed.addresses,
        pictures=case.pictures,
        picture_bytes=int(case.megabytes * 1_000_000),
        rate=RATE if case.paced else None,
        in_flight=case.in_flight,
        jobs=case.jobs,
        steps=case.steps,
        knobs=knobs or {},
    )


def _verify(bed: Bed, way: WayName) -> None:
    """Make sure that a way stores what the endpoint sent, before it is measured."""
    size = 2_500_000
    load = Load(way=way, addresses=bed.addresses, pictures=3, picture_bytes=size)
    seen = bed.measure(load, verify=True)
    expected = hashlib.sha256(picture(size)).hexdigest()
    if way not in {"copy", "least"} and seen.digests.count(expected) != load.pictures:
        raise RuntimeError(f"{way} did not store the pictures that were sent")


if __name__ == "__main__":
    main()
