"""Fuzz one target in this process, guided by the coverage of `shared`, and write what was seen.

Half of the inputs are made by the target's grammar. The others are changes that libFuzzer makes to
the inputs which reached new code. A finding does not stop the campaign: each kind is kept once.
"""

import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import atheris

with atheris.instrument_imports(include=["shared"]):
    from .targets import TARGETS
    from .targets.target import MAX_BYTES
from .oracles import Finding, Oracle

#: Share of the inputs that the grammar makes.
_MADE = 0.5
_WRITE_EVERY = 1_000
#: Memory is compared with what it was after this share of the inputs: caches are full then.
_WARM = 0.25
#: Peak memory may grow by this much after that, MiB: libFuzzer keeps its own inputs.
_MOST_GROWTH = 128


class Campaign:
    """The inputs and findings of one process."""

    def __init__(self, name: str, inputs: int, out: Path) -> None:
        self._target, self._inputs, self._out = TARGETS[name], inputs, out
        self._done = 0
        self._findings = Counter[tuple[str, str]]()
        self._examples: dict[str, tuple[str, bytes]] = {}
        self._warm: float | None = None
        self._start = time.monotonic()

    def read(self, data: bytes) -> None:
        """Try one input."""
        self._done += 1
        if self._done == int(_WARM * self._inputs):
            self._warm = _peak()
        try:
            self._target.read(data)
        except Finding as finding:
            self._keep(finding.oracle, finding.kind, str(finding), data)
        except Exception as error:  # noqa: BLE001 - a reader that the target calls by itself
            kind = f"{self._target.name} raises {type(error).__name__}"
            self._keep(Oracle.ERRORS, kind, traceback.format_exc(), data)
        # libFuzzer ends the process after its last input, and lets Python do nothing then.
        if self._done % _WRITE_EVERY == 0 or self._done == self._inputs:
            self._write()

    def make(self, data: bytes, max_size: int, seed: int) -> bytes:
        """Return the next input, as libFuzzer asks for it."""
        rng = Random(seed)
        if rng.random() < _MADE:
            return self._target.next_input(rng)[:max_size]
        changed: bytes = atheris.Mutate(data, max_size)
        return changed

    def _keep(self, oracle: Oracle, kind: str, told: str, data: bytes) -> None:
        self._findings[oracle, kind] += 1
        if kind not in self._examples or len(data) < len(self._examples[kind][1]):
            self._examples[kind] = told, data

    def _write(self) -> None:
        grown = _peak() - self._warm if self._warm else 0.0
        if grown > _MOST_GROWTH:
            self._keep(Oracle.MEMORY, f"{self._target.name} grows", f"by {grown:.0f} MiB", b"")
        result: dict[str, Any] = {
            "inputs": self._done,
            "seconds": time.monotonic() - self._start,
            "peak": _peak(),
            "grown": grown,
            "findings": [
                {"oracle": oracle, "kind": kind, "times": times, "told": self._examples[kind][0]}
                for (oracle, kind), times in self._findings.items()
            ],
        }
        self._out.with_suffix(".json").write_text(json.dumps(result))
        for number, (_, data) in enumerate(self._examples.values()):
            self._out.with_suffix(f".{number}").write_bytes(data)


def _peak() -> float:
    """Return the most memory that the process had, MiB."""
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main(name: str, inputs: str, seed: str, out: str) -> None:
    """Run the campaign of a target."""
    campaign = Campaign(name, int(inputs), Path(out))
    known = Path(__file__).with_name("corpus") / name
    with tempfile.TemporaryDirectory() as found:
        flags = [f"-runs={inputs}", f"-seed={seed}", f"-max_len={MAX_BYTES}", "-len_control=0"]
        folders = [found, *([str(known)] if known.exists() else [])]
        command = [sys.argv[0], *flags, "-timeout=60", "-rss_limit_mb=4096", *folders]
        atheris.Setup(command, campaign.read, custom_mutator=campaign.make)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
