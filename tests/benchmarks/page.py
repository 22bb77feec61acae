"""The page `docs/benchmarks.md`: the measurements of a run, above a note that people write."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks.cases import ALONE, SMALL_JOBS
from tests.benchmarks.results import Results, bounds, idle, peak
from tests.benchmarks.tables import (
    bounds_table,
    figures,
    growth_table,
    knobs_table,
    number,
    requests_table,
    small_jobs_table,
    starts_table,
    steps_table,
)

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
CHART = ROOT / "docs" / "benchmarks.svg"
#: The text below this line is kept.
NOTE = "<!-- `make bench` prints everything above this line. The rest is written by hand. -->"

_LIBRARIES = ("aiohttp", "pybase64", "azure-storage-blob", "httpx", "openai")


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
        "## Limits\n\n" + bounds_table(bounds(results)),
        "## At full speed\n\n" + figures(results, paced=False),
        "## Replies at 40 MB/s, storage at 10 ms per request\n\n" + figures(results, paced=True),
    ]
    alone = [
        f"{case.jobs} jobs of {case.reply}, {case.in_flight} in flight: "
        f"{number(results.of(case, 'ours', peak))} MB over idle."
        for case in ALONE
        if results.seen.get((case, "ours"))
    ]
    idles = (results.median_of(way, idle) for way in ("ours", "copy"))
    alone.append("The idle worker: {} MB, and {} MB with the raw copy.".format(*map(number, idles)))
    parts += alone
    if any(case == SMALL_JOBS for case, _ in results.seen):
        parts.append("## Small jobs\n\n" + small_jobs_table(results))
    if one and (rounds := results.seen.get((one, "ours"))):
        parts += [
            "## Storage requests of a job of one 25 MB picture\n\n" + requests_table(rounds[0]),
            "## Steps of that job\n\n" + steps_table(rounds[0]),
        ]
    if results.growth:
        parts.append("## After many jobs, on Azurite\n\n" + growth_table(results.growth))
    if results.knobs:
        parts.append("## Settings\n\n" + knobs_table(results.knobs))
    if results.starts:
        parts.append("## A cold start\n\n" + starts_table(results))
    return "\n\n".join(parts)


def write(results: Results) -> None:
    """Write the page anew, keeping its note."""
    note = PAGE.read_text().partition(NOTE)[2] if PAGE.exists() else "\n"
    PAGE.write_text(f"{_HEAD}\n\n{report(results)}\n\n{NOTE}{note}")


_HEAD = """# Benchmarks

How fast a picture goes from the endpoint into storage, and how much memory that takes. `make bench`
prints and writes this page.

![Memory, CPU and latency of the ways](benchmarks.svg)

Five implementations are compared. Each runs in a separate process, and they take turns in each
round. Endpoint and storage are separate processes, and both connections use TLS.

- *Obvious* is the sample of the model's announcement in Python: the whole reply, decoded as a
  whole, one upload.
- *openai SDK* is the same with the model's SDK.
- *Raw copy* is the limit: it discards the reply and uploads as many bytes in the same blocks.
- *Least* is the raw copy with the required work of a job and no code of the app: base64, SHA-256
  and as many small requests.
- *Ours* accepts a message and generates its task, with records, claims and events.

Figures are medians over the rounds, and ratios are medians of the ratios of each round. A MB is
10^6 bytes of decoded picture. Peaks are resident memory above the idle worker's."""
