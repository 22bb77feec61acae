"""The page `docs/benchmarks.md`: what a run measured, above a note that people write."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.cases import ALONE
from tests.benchmarks.results import Results, bounds, peak
from tests.benchmarks.tables import (
    bounds_table,
    figures,
    growth_table,
    knobs_table,
    number,
    requests_table,
    starts_table,
    steps_table,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "benchmarks.svg"
#: What stands below this line is kept.
NOTE = "<!-- What follows is written by hand; what stands above is printed by `make bench`. -->"

_LIBRARIES = ("httpx", "httpx-aiohttp", "aiohttp", "pybase64", "azure-storage-blob", "openai")


def machine() -> str:
    """What this ran on, in one line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    cores = len(os.sched_getaffinity(0))
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return f"{cores} cores of {model}, Python {platform.python_version()}; {libraries}"


def report(results: Results) -> str:
    """All tables of a run."""
    cases = results.cases(paced=True)
    one = next((c for c in cases if c.in_flight == 1 and c.reply == "1 × 25 MB"), None)  # noqa: RUF001 (as cases write it)
    parts = [
        f"Measured on {datetime.now(UTC):%Y-%m-%d} on {machine()}.",
        "## What is promised\n\n" + bounds_table(bounds(results)),
        "## As fast as it goes\n\n" + figures(results, paced=False),
        "## Replies at 40 MB/s, storage at 10 ms a request\n\n" + figures(results, paced=True),
    ]
    alone = [
        f"{case.jobs} jobs of {case.reply}, {case.in_flight} in flight: "
        f"{number(results.of(case, 'ours', peak))} MB over idle."
        for case in ALONE
        if results.seen.get((case, "ours"))
    ]
    parts += alone
    if one and (rounds := results.seen.get((one, "ours"))):
        parts += [
            "## Storage requests of a job of one 25 MB picture\n\n" + requests_table(rounds[0]),
            "## Its steps\n\n" + steps_table(rounds[0]),
        ]
    if results.growth:
        parts.append("## After many jobs, on Azurite\n\n" + growth_table(results.growth))
    if results.knobs:
        parts.append("## The knobs\n\n" + knobs_table(results.knobs))
    if results.starts:
        parts.append("## A cold start\n\n" + starts_table(results))
    return "\n\n".join(parts)


def write(results: Results) -> None:
    """Write the page anew, keeping its note."""
    note = PAGE.read_text().partition(NOTE)[2] if PAGE.exists() else "\n"
    PAGE.write_text(f"{_HEAD}\n\n{report(results)}\n\n{NOTE}{note}")


_HEAD = """# Benchmarks

How fast the way of a picture is, and how flat its memory: `make bench` prints and writes this page.

![Memory, CPU and latency of the ways](benchmarks.svg)

Five ways from the reply of the images endpoint into blob storage, each in a process of its own,
round by round in turn; endpoint and storage are processes of their own, TLS is on both legs.
*Obvious* is the announcement's sample in Python: the whole reply, decoded whole, one upload.
*openai SDK* is the same with the model's SDK. *Raw copy* is the limit: the reply thrown away, as
many bytes of nothing uploaded in the same blocks. *Least* is the raw copy and what is promised of
a job without a line of the app: base64, SHA-256, as many small requests. *Ours* takes in a message
and generates its task, records, claims and events included. Figures are medians over the rounds,
ratios medians of each round's; a MB is 10^6 bytes of decoded picture, peaks are resident memory
over the idle worker's."""
