"""The upgrade trial: hosts of an earlier version and of this one work on the same jobs."""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from local.chaos.audit import Audit, audit
from local.chaos.run import ChaosOptions, disturb, submit, table, wait
from local.chaos.target import OPTIONS, Target, start_target
from local.stack.report import run_and_report
from local.stack.settings import QUEUES, queues_of
from local.stack.stack import ROOT

#: Two hosts of each version; one of the version before that is killed is replaced by this one.
_HOSTS: Final = 4
#: Longest wait for the end, seconds.
_PATIENCE: Final = 180.0


@dataclass(frozen=True, slots=True)
class UpgradeOptions:
    """The commit of the version before, and the size of the trial."""

    before: str
    jobs: int
    seed: int
    #: Jobs arrive, and hosts are killed, for so long.
    seconds: float = 20.0


@contextmanager
def earlier_version(commit: str) -> Iterator[Path]:
    """Yield a working copy of a commit, with its own packages where they differ from ours."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "before"
        _run("git", "worktree", "add", "--quiet", "--detach", str(copy), commit)
        try:
            needed = "requirements-dev.txt"
            if (copy / needed).read_bytes() != (ROOT / needed).read_bytes():
                _run("make", "--directory", str(copy), ".venv/.stamp")
            yield copy
        finally:
            _run("git", "worktree", "remove", "--force", str(copy))


def _run(*command: str) -> None:
    # Inside a recipe of make, its variables would reach the make of the other copy.
    environment = {name: os.environ[name] for name in os.environ if not name.startswith("MAKE")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def run_upgrade(options: UpgradeOptions, log: Callable[[str], None]) -> Audit:
    """Run both versions over one storage, kill hosts of both, and return the audit."""
    chance = random.Random(options.seed)  # noqa: S311 - kills, not secrets
    seconds = options.seconds
    sizes = (options.jobs, _HOSTS, seconds, options.seed, _PATIENCE)
    chaos = ChaosOptions(*sizes, kill_every=seconds / 8)
    at_work: set[bool] = set()

    def read(line: str) -> None:
        log(line)
        if "INFO image_jobs" in line:
            at_work.add("-before]" in line)

    with earlier_version(options.before) as copy:
        before = ("--before", str(copy))
        with start_target(_HOSTS, (*OPTIONS, *before), read) as target:
            began = time.monotonic()
            while len(at_work) < 2 and time.monotonic() < began + _PATIENCE:  # noqa: PLR2004 (both versions sweep)
                time.sleep(0.1)
            submitted = submit(target, chaos, chance)
            disturb(target, chaos, chance, (Target.kill_host,))
            wait(target, set(submitted), _PATIENCE, queues={*QUEUES, *queues_of(copy)})
            log(f"{len(submitted)} jobs in {time.monotonic() - began:.0f} s")
            return audit(target.observe(submitted))


def main(options: UpgradeOptions) -> int:
    """Run the trial and print its table; return 0 when everything that must be zero is zero."""
    what = f"{options.jobs} jobs, two hosts of {options.before} and two of this version"
    return run_and_report(
        "upgrade",
        what,
        partial(run_upgrade, options),
        table=partial(table, title="Result of the upgrade trial"),
        wrong=lambda found: found.wrong,
    )
