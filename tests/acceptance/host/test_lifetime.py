"""How a host ends, and what happens to its running invocations."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.stack.processes import DidNotStart
from tests.acceptance.host.hosts import START_SECONDS, World, running, start, world
from tests.simulation.waiting import until


@pytest.fixture
def here(azurite: str, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, azurite) as made:
        yield made


def test_what_a_killed_host_ran_is_delivered_again(here: World) -> None:
    here.send({"label": "killed", "nap": 60})
    with running(here, "--hide", "2") as host:
        here.wait_seen("killed", step="start")
        host.child.kill()
    with running(here, "--hide", "2"):
        (_, second) = here.wait_seen("killed", times=2, step="start")
        assert second["count"] == 2


def test_sigterm_lets_what_runs_finish(here: World) -> None:
    here.send({"label": "drained", "nap": 1})
    with running(here, "--drain", "20") as host:
        here.wait_seen("drained", step="start")
        os.kill(host.child.pid, signal.SIGTERM)
        assert host.child.process.wait(START_SECONDS) == 0
    assert here.seen("drained", step="end")
    assert here.left() == 0


def test_what_does_not_finish_within_the_drain_time_is_cut_off(here: World) -> None:
    here.send({"label": "cut", "nap": 60})
    with running(here, "--drain", "0.2") as host:
        here.wait_seen("cut", step="start")
        os.kill(host.child.pid, signal.SIGTERM)
        assert host.child.process.wait(START_SECONDS) == 143
    assert here.left() == 1


def test_a_second_signal_ends_it_at_once(here: World) -> None:
    here.send({"label": "impatient", "nap": 60})
    with running(here, "--drain", "60") as host:
        here.wait_seen("impatient", step="start")
        os.kill(host.child.pid, signal.SIGTERM)
        until(lambda: any("Draining" in line for line in host.log), "drain")
        os.kill(host.child.pid, signal.SIGTERM)
        assert host.child.process.wait(START_SECONDS) == 143


def test_an_app_that_cannot_be_imported_does_not_start(here: World) -> None:
    (here.app / "function_app.py").write_text("raise RuntimeError('a setting is missing')\n")
    child = start(here, log=[])
    with pytest.raises(DidNotStart, match="RuntimeError: a setting is missing"):
        child.wait_ready(START_SECONDS)
    assert child.kill() == 1


def test_a_missing_setting_stops_only_the_function_that_needs_it(here: World) -> None:
    with running(here, TICK="%NOWHERE%") as host:
        by_name = {each["name"]: each for each in host.ready["functions"]}
        assert "NOWHERE" in by_name["tick"]["error"]
        assert by_name["work"]["trigger"] == "queue"
