"""What goes wrong on the platform, as its source and its users describe it."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.host.hosts import START_SECONDS, World, running, world
from tests.simulation.waiting import until

#: A failed message comes back after this many seconds, a lost one much later.
QUEUES = {"visibilityTimeout": "00:00:01"}


@pytest.fixture
def here(azurite: str, tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, azurite, queues=QUEUES) as made:
        yield made


def test_a_worker_starts_as_a_placeholder_elsewhere_with_the_app_last_on_its_path(
    here: World,
) -> None:
    with running(here):
        (seen,) = here.wait_seen("import")
    assert seen["directory"] != str(here.app)
    assert seen["path"][-1] == str(here.app)
    assert seen["path"].count(str(here.app)) == 1


def test_what_a_dead_worker_ran_fails_and_a_new_one_gets_it(here: World) -> None:
    here.send({"label": "first", "nap": 60})
    with running(here, "--hide", "600") as host:
        (first,) = here.wait_seen("first", step="start")
        os.kill(first["worker"], signal.SIGKILL)
        (second,) = here.wait_seen("first", step="start", count=2)
        assert second["worker"] != first["worker"]
        assert second["pid"] == first["pid"] == host.ready["pid"]
        (_, again) = here.wait_seen("import", times=2)
        assert (again["directory"], again["path"][0]) == (str(here.app), str(here.app))


def test_after_the_third_death_of_its_worker_the_host_ends_to_be_started_again(
    here: World,
) -> None:
    here.send({"label": "deadly", "nap": 60})
    with running(here, "--hide", "600") as host:
        for count in (1, 2, 3):
            (seen,) = here.wait_seen("deadly", step="start", count=count)
            os.kill(seen["worker"], signal.SIGKILL)
        assert host.child.process.wait(START_SECONDS) == 82
    with running(here):
        here.wait_seen("deadly", step="start", count=4)


def timeouts(log: list[str]) -> int:
    return sum("exceeded by function work" in line for line in log)


def test_a_run_past_the_function_timeout_ends_the_others_of_its_worker(here: World) -> None:
    here.write_host_json(QUEUES, functionTimeout="00:00:03")
    with running(here, "--hide", "600") as host:
        here.send({"label": "slow", "nap": 60})
        here.wait_seen("slow", step="start")
        here.send({"label": "other", "nap": 60})
        here.wait_seen("other", step="start", count=2)
        assert timeouts(host.log) == 1
        here.wait_seen("slow", step="start", count=2)
        assert host.child.process.poll() is None


def test_under_older_hosts_the_others_wait_for_their_own_timeouts(here: World) -> None:
    here.write_host_json({"visibilityTimeout": "00:10:00"}, functionTimeout="00:00:03")
    with running(here, "--hide", "600", "--keep-others") as host:
        here.send({"label": "slow", "nap": 60})
        here.wait_seen("slow", step="start")
        here.send({"label": "other", "nap": 60})
        until(lambda: timeouts(host.log) == 2, "a time-out for each")
        here.send({"label": "next"})
        here.wait_seen("next", step="end")


def test_a_drain_cuts_what_has_just_begun_where_it_is_and_lets_the_rest_finish(
    here: World,
) -> None:
    with running(here, "--hide", "600", "--drain", "30", "--cut-young") as host:
        here.send({"label": "old", "nap": 6})
        here.wait_seen("old", step="start")
        time.sleep(1.1)  # the age from which a drain lets it finish
        here.send({"label": "young", "nap": 4})
        here.wait_seen("young", step="start")
        os.kill(host.child.pid, signal.SIGTERM)
        assert host.child.process.wait(START_SECONDS) == 0
    assert here.seen("old", step="end")
    assert not here.seen("young", step="end")
    with running(here):
        here.wait_seen("young", step="end", count=2)


@pytest.mark.parametrize(("operation", "status"), [("receive", 403), ("renew", 503)])
def test_storage_that_refuses_ends_the_host_and_the_next_one_loses_nothing(
    here: World, operation: str, status: int
) -> None:
    refusals = here.app / "refusals.json"
    options = ("--hide", "2", "--refusals", str(refusals))
    with running(here, *options) as host:
        here.send({"label": "refused", "nap": 4})
        here.wait_seen("refused", step="start")
        refusals.write_text(json.dumps({operation: status}))
        assert host.child.process.wait(START_SECONDS) == 82
        until(lambda: any(f"{operation}: {status}" in line for line in host.log), "the reason")
    refusals.unlink()
    with running(here, *options):
        here.wait_seen("refused", step="end", count=2)
        until(lambda: here.left() == 0, "empty queue")


def test_a_poison_function_starts_when_its_first_message_comes(here: World) -> None:
    here.write_host_json({"maxDequeueCount": 1})
    with running(here, "--cold", "2"):
        here.send({"label": "hopeless", "failures": 99})
        until(lambda: here.texts("work-poison"), "poison message")
        began = time.monotonic()
        here.wait_seen("poisoned")
        assert time.monotonic() - began > 1


def test_an_instance_of_a_group_runs_its_functions_and_names_the_others(here: World) -> None:
    with running(here, "--functions", "(relay|tick)$") as host:
        assert {each["name"] for each in host.ready["functions"]} == {"relay", "tick"}
        assert "work" in {each["name"] for each in host.ready["elsewhere"]}
        here.send({"to": "relay"}, "onward")
        here.wait_seen("relay")
