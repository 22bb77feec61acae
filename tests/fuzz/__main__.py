"""Fuzz all readers, two targets at a time, and print what was tried and found."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .oracles import Oracle
from .targets import TARGETS

_ROOT = Path(__file__).parents[2]
#: Processes at a time. Each target runs once in each, with another seed.
_PROCESSES = 2
_EDGES = re.compile(r" cov: ([0-9]+)")


@dataclass(frozen=True, slots=True)
class Result:
    """What one campaign has done."""

    name: str
    facts: Mapping[str, Any]
    edges: int
    #: Why the process ended before its last input.
    broken: str = ""


def main() -> None:
    """Run what the command line asks for; the exit code is 1 if something was found."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=5_000_000, help="in all (default: 5,000,000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", action="append", choices=TARGETS, help="only these")
    parser.add_argument("--out", type=Path, default=_ROOT / "out" / "fuzz", help="for findings")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    chosen = [TARGETS[name] for name in options.target or TARGETS]
    parts = _PROCESSES * sum(target.share for target in chosen)
    campaigns = [
        (target.name, max(1, options.inputs * target.share // parts), options.seed + number)
        for number in range(_PROCESSES)
        for target in chosen
    ]
    start = time.monotonic()
    with ThreadPoolExecutor(_PROCESSES) as pool:
        results = [*pool.map(lambda each: _run(*each, out=options.out), campaigns)]
    minutes = (time.monotonic() - start) / 60
    sys.stdout.write(_report(results, minutes))
    sys.exit(any(result.facts["findings"] or result.broken for result in results))


def _run(name: str, inputs: int, seed: int, *, out: Path) -> Result:
    """Run one campaign in a process of its own: libFuzzer ends the one it runs in."""
    file, log = out / f"{name}-{seed}", out / f"{name}-{seed}.log"
    for old in out.glob(f"{file.name}.*"):
        old.unlink()
    command = [sys.executable, "-m", "tests.fuzz.campaign", name, str(inputs), str(seed), str(file)]
    with log.open("wb") as written, tempfile.TemporaryDirectory() as folder:
        ended = subprocess.run(  # noqa: S603 - this program
            command,
            cwd=_ROOT,
            check=False,
            stdout=written,
            stderr=subprocess.STDOUT,
            env=os.environ | {"TMPDIR": folder},
        )
    text = log.read_text(errors="replace")
    written_to = file.with_suffix(".json")
    facts = json.loads(written_to.read_text()) if written_to.exists() else None
    broken = f"exit code {ended.returncode}, see {log}" if ended.returncode or not facts else ""
    edges = max(map(int, _EDGES.findall(text)), default=0)
    sys.stderr.write(f"{name}, seed {seed}: {broken or 'done'}\n")
    nothing = {"inputs": 0, "seconds": 0.0, "peak": 0.0, "grown": 0.0, "findings": []}
    return Result(name, facts or nothing, edges, broken)


def _report(results: list[Result], minutes: float) -> str:
    heads = ("inputs", "a second", "edges", "MiB", "grown", "found")
    lines = [f"{'target':<12}" + "".join(f"{head:>11}" for head in heads)]
    for name in dict.fromkeys(result.name for result in results):
        own = [result for result in results if result.name == name]
        inputs = sum(result.facts["inputs"] for result in own)
        rate = sum(result.facts["inputs"] / (result.facts["seconds"] or 1) for result in own)
        peak, grown = (max(result.facts[each] for result in own) for each in ("peak", "grown"))
        kinds = {each["kind"] for result in own for each in result.facts["findings"]}
        edges = max(result.edges for result in own)
        figures = (inputs, rate / len(own), edges, peak, grown, len(kinds))
        lines.append(f"{name:<12}" + "".join(f"{figure:>11,.0f}" for figure in figures))
    found = [each for result in results for each in result.facts["findings"]]
    counts = Counter[str]({oracle.value: 0 for oracle in Oracle})
    for each in found:
        counts[each["oracle"]] += each["times"]
    lines += ["", *(f"{times:>9,}  times not: {oracle}" for oracle, times in counts.items()), ""]
    told = {each["kind"]: each["told"] for each in found}
    lines += [f"FOUND {text}" for text in told.values()]
    lines += [f"BROKEN {result.name}: {result.broken}" for result in results if result.broken]
    total = sum(result.facts["inputs"] for result in results)
    return "\n".join([*lines, f"{total:,} inputs in {minutes:.1f} minutes, {len(told)} findings\n"])


if __name__ == "__main__":
    main()
