"""The queue trigger as the storage extension has it, over one running host."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.host.hosts import Host, World, running, world
from tests.simulation.waiting import until


@pytest.fixture(scope="module")
def here(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("app")
    with world(directory, azurite, queues={"maxDequeueCount": 3}) as made:
        yield made


@pytest.fixture(scope="module")
def host(here: World) -> Iterator[Host]:
    disabled = {"AzureWebJobs.poisoned.Disabled": "true"}
    with running(here, "--hide", "2", **disabled) as started:
        yield started


def test_a_message_is_run_once_and_deleted(here: World, host: Host) -> None:
    here.send({"label": "once"})
    here.wait_seen("once", step="end", count=1)
    until(lambda: here.left() == 0, "empty queue")
    assert len(here.seen("once", step="start")) == 1
    assert any("[work " in line and "working on once" in line for line in host.log)


def test_a_failed_message_comes_back_with_a_higher_count(here: World, host: Host) -> None:
    here.send({"label": "twice", "failures": 1})
    here.wait_seen("twice", step="end", count=2)
    assert any("Traceback" in line and "failing twice as requested" in line for line in host.log)


def test_after_the_last_try_the_body_goes_to_the_poison_queue(here: World, host: Host) -> None:
    order = {"label": "hopeless", "failures": 99}
    here.send(order)
    until(lambda: json.dumps(order) in here.texts("work-poison"), "poison message")
    until(lambda: here.left() == 0, "deleted original")
    assert [each["count"] for each in here.seen("hopeless")] == [1, 2, 3]
    assert host.child.process.poll() is None


@pytest.mark.usefixtures("host")
def test_an_id_in_a_json_body_overwrites_the_message_id(here: World) -> None:
    here.send({"label": "overwritten", "ID": 7})
    (seen,) = here.wait_seen("overwritten", step="start")
    assert seen["id"] == "7"


@pytest.mark.usefixtures("host")
def test_a_long_run_is_renewed_even_when_it_blocks_its_loop(here: World) -> None:
    here.send({"label": "long", "block": 3})
    here.wait_seen("long", step="end")
    until(lambda: here.left() == 0, "deleted message")
    assert len(here.seen("long", step="start")) == 1


@pytest.mark.usefixtures("host")
def test_text_that_looks_like_json_becomes_several_messages(here: World) -> None:
    here.send('send:["one", {"two": 2}]', "texts")
    until(lambda: len(here.texts("written")) == 2, "two messages")
    assert here.texts("written") == ["one", '{\n  "two": 2\n}']


@pytest.mark.usefixtures("host")
def test_text_in_braces_that_is_no_json_fails_the_function(here: World) -> None:
    here.send("send:{oh no}", "texts")
    until(lambda: here.texts("texts-poison") == ["send:{oh no}"], "poison message")


def test_base64_is_decoded_and_anything_else_goes_to_poison_unrun(
    azurite: str, tmp_path: Path
) -> None:
    queues = {"messageEncoding": "base64"}
    disabled = {"AzureWebJobs.poisoned.Disabled": "true"}
    with world(tmp_path, azurite, queues=queues) as here:
        here.send("plain text!")
        order = {"label": "encoded", "onward": {"to": "you"}}
        here.send(base64.b64encode(json.dumps(order).encode()).decode())
        with running(here, **disabled):
            here.wait_seen("encoded", step="end")
            assert here.wait_seen("relay")[0]["body"] == '{"to": "you"}'
            until(lambda: here.texts("work-poison") == ["plain text!"], "poison message")


def test_an_output_wakes_its_listener_on_the_same_host(azurite: str, tmp_path: Path) -> None:
    queues = {"maxPollingInterval": "00:05:00"}
    with world(tmp_path, azurite, queues=queues) as here, running(here):
        for number in range(3):
            here.send({"label": f"wake {number}", "onward": number})
            here.wait_seen("relay", body=str(number))


def test_a_poison_queue_has_no_poison_queue_and_waits(azurite: str, tmp_path: Path) -> None:
    queues = {"maxDequeueCount": 1}
    with world(tmp_path, azurite, queues=queues) as here:
        here.send({"label": "again", "failures": 99})
        with running(here, "--hide", "1"):
            here.wait_seen("poisoned", count=2)
            assert here.texts("work-poison-poison") == []


def test_several_hosts_share_a_queue(azurite: str, tmp_path: Path) -> None:
    queues = {"batchSize": 1, "newBatchThreshold": 0}
    with world(tmp_path, azurite, queues=queues) as here, running(here), running(here):
        for _ in range(6):
            here.send({"label": "shared", "nap": 0.3})
        seen = here.wait_seen("shared", times=6, step="end")
        assert len({each["pid"] for each in seen}) == 2
        assert len(here.seen("shared", step="start")) == 6
