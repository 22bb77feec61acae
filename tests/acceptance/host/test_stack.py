"""`python -m local up`: one line when ready, and never a process left behind."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.stack.processes import Child
from local.stack.stack import read_ready
from tests.acceptance.host.hosts import ROOT, START_SECONDS
from tests.simulation.waiting import until

PYTHON = sys.executable


@contextmanager
def stack(*options: str) -> Iterator[tuple[Child[dict[str, Any]], dict[str, Any], list[str]]]:
    log: list[str] = []
    child = Child(
        "up",
        [PYTHON, "-m", "local", "up", *options],
        ready=read_ready,
        directory=ROOT,
        log=log.append,
    )
    try:
        yield child, child.wait_ready(2 * START_SECONDS), log
    finally:
        child.kill()


def runs(pid: int) -> bool:
    """Whether there is such a process, and no zombie."""
    found = subprocess.run(  # noqa: S603 - a system program
        ["ps", "-o", "stat=", "-p", str(pid)],  # noqa: S607 - where it is differs
        capture_output=True,
        text=True,
        check=False,
    )
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def pids(ready: dict[str, Any]) -> list[int]:
    return [*ready["pids"]["hosts"], ready["pids"]["azurite"], ready["pids"]["foundry"]]


@pytest.mark.usefixtures("azurite")
def test_a_host_that_dies_is_restarted_and_a_killed_stack_leaves_no_process() -> None:
    with stack("--restart") as (child, ready, log):
        os.kill(ready["pids"]["hosts"][0], signal.SIGKILL)
        (restart,) = until(lambda: [line for line in log if "restarted, pid" in line], "restart")
        fresh = int(restart.rsplit(" ", 1)[1])
        assert runs(fresh)
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: not any(map(runs, [*pids(ready), fresh])), "end of all parts")


@pytest.mark.usefixtures("azurite")
def test_a_part_that_dies_takes_the_rest_with_it() -> None:
    with stack() as (child, ready, log):
        os.kill(ready["pids"]["azurite"], signal.SIGKILL)
        assert child.process.wait(START_SECONDS) == 1
        until(lambda: not any(map(runs, pids(ready))), "end of all parts")
        assert any("azurite ended with exit code -9: stopping the rest" in line for line in log)


@pytest.mark.usefixtures("azurite")
def test_the_next_stack_of_a_folder_has_the_same_addresses_and_keys(tmp_path: Path) -> None:
    with stack("--folder", str(tmp_path)) as (_, first, _log):
        pass
    until(lambda: not any(map(runs, pids(first))), "end of all parts")
    with stack("--folder", str(tmp_path)) as (_, second, _log):
        for name in ("storage", "foundry", "host", "keys"):
            assert second[name] == first[name]


@pytest.mark.usefixtures("azurite")
def test_a_terminal_shows_how_to_go_on_in_another_shell(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    up = subprocess.Popen(  # noqa: S603 - our own program
        [PYTHON, "-m", "local", "up", "--folder", str(tmp_path / ".dev")],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        os.close(theirs)
        output = ""
        while "Press Ctrl-C to stop everything." not in output:
            output += os.read(ours, 4096).decode()
        use = ["source .dev/env", "image-jobs doctor --send", USE_KEY, USE_SAS]
        used = subprocess.run(  # noqa: S603 - likewise
            ["bash", "-euc", "\n".join(use)],  # noqa: S607 - where it is differs
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert used.returncode == 0, used.stderr
        assert "sending to image-jobs" in used.stdout
        assert "/api/gallery#key=" in output
        assert '"ready"' not in output
    finally:
        up.terminate()
        up.wait(START_SECONDS)
        os.close(ours)


USE_KEY = 'curl -fsS "$HOST/api/jobs" -H "x-functions-key: $KEY" -o /dev/null'
USE_SAS = 'curl -fsS -X PUT "$MANIFESTS/a.jsonl?$SAS" -H "x-ms-blob-type: BlockBlob" -d ""'


def test_a_stack_under_core_tools_is_one_host() -> None:
    found = subprocess.run(  # noqa: S603 - our own program
        [PYTHON, "-m", "local", "up", "--host", "func", "--hosts", "2"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert found.returncode == 1
    assert "use --host builtin for several" in found.stderr
