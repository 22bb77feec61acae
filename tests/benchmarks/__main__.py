"""Measures everything and writes `docs/benchmarks.md`: `python -m tests.benchmarks --help`."""

import argparse
import hashlib
import sys
import time

from tests.benchmarks.bed import Bed, Seen, running
from tests.benchmarks.cases import ALONE, CASES, LATENCY_MS, RATE, WAYS, Case, WayName
from tests.benchmarks.chart import draw
from tests.benchmarks.knobs import try_all
from tests.benchmarks.page import CHART, report, write
from tests.benchmarks.replies import picture
from tests.benchmarks.results import Results, cpu, peak
from tests.benchmarks.worker import Load


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
    results = Results()
    with running() as bed:
        for way in ways:
            _verify(bed, way)
        bed.start(eager=True)  # compiles what the measured ones import
        results.modules = bed.modules()
        for turn in range(options.rounds):
            results.starts.append(bed.start(eager=False))
            results.eager.append(bed.start(eager=True))
            results.keyless.append(bed.start(eager=False, keyless=True))
            results.keyless_eager.append(bed.start(eager=True, keyless=True))
            for case in (*CASES, *ALONE):
                if options.in_flight and case.in_flight not in options.in_flight:
                    continue
                for way in ways:
                    if turn < case.rounds_of(way) and (case not in ALONE or way == "ours"):
                        results.add(case, way, _measure(bed, case, way))
        if options.growth:
            results.growth = bed.grown()
        if not options.no_knobs:
            results.knobs = try_all(lambda case, knobs: _measure(bed, case, "ours", knobs))
    sys.stdout.write(f"\n{report(results)}\n")
    if not options.no_page:
        draw(results, CHART)
        write(results)


def _measure(bed: Bed, case: Case, way: WayName, knobs: dict[str, str] | None = None) -> Seen:
    begun = time.monotonic()
    pace = "paced" if case.paced else ""
    seen = bed.measure(
        Load(
            way=way,
            addresses=bed.addresses,
            pictures=case.pictures,
            picture_bytes=case.megabytes * 1_000_000,
            rate=RATE if case.paced else None,
            in_flight=case.in_flight,
            jobs=case.jobs,
            steps=case.steps,
            knobs=knobs or {},
        ),
        latency_ms=LATENCY_MS if case.paced else 0.0,
    )
    sys.stdout.write(
        f"{case.in_flight:3} in flight  {case.reply:10}  {pace:5}  {way:8} "
        f"{cpu(seen):6.2f} ms/MB  +{peak(seen):6.1f} MB  {time.monotonic() - begun:5.1f} s\n"
    )
    sys.stdout.flush()
    return seen


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
