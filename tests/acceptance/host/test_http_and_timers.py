"""HTTP routes and keys, timers by schedule and by hand."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.host.hosts import Host, World, running, world


@pytest.fixture(scope="module")
def here(azurite: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("app"), azurite) as made:
        yield made


@pytest.fixture(scope="module")
def host(here: World) -> Iterator[Host]:
    with running(here) as started:
        yield started


def test_a_function_needs_a_key_and_an_admin_one_the_master_key(host: Host) -> None:
    keys = host.ready["keys"]
    assert host.call("/api/echo/you")[0] == 401
    assert host.call("/api/echo/you", key="wrong")[0] == 401
    assert host.call("/api/echo/you", key=keys["function"])[0] == 202
    assert host.call("/api/echo/you?code=" + keys["function"])[0] == 202
    assert host.call("/api/echo/you", key=keys["master"])[0] == 202
    assert host.call("/api/guarded", key=keys["function"])[0] == 401
    assert host.call("/api/guarded", key=keys["master"])[0] == 200
    assert host.call("/api/open")[:2] == (200, b"\x00\xff")


def test_an_unknown_path_or_method_is_not_found(host: Host) -> None:
    key = host.ready["keys"]["function"]
    assert host.call("/open")[0] == 404
    assert host.call("/api/echo/you/word", key=key)[0] == 404
    assert host.call("/api/echo/you", key=key, method="DELETE")[0] == 404
    assert host.call("/api/open", method="HEAD")[0] == 404


def test_a_request_reaches_the_function_as_the_worker_passes_it(host: Host) -> None:
    key = host.ready["keys"]["function"]
    path = "/api/echo/you/7?a=1&a=2&b="
    status, body, headers = host.call(path, key=key, method="POST", body=b"hello")
    seen = json.loads(body)
    assert (status, seen["route"]) == (202, {"name": "you", "number": "7"})
    assert (seen["query"], seen["body"]) == ({"a": "1,2"}, "hello")
    assert seen["headers"]["x-functions-key"] == key
    assert headers["content-type"] == "application/json"
    assert "HttpOnly" in headers["set-cookie"]
    assert "taste=sweet" in headers["set-cookie"]


def test_a_line_break_in_a_path_is_a_character_like_any_other(host: Host) -> None:
    status, body, _ = host.call("/api/echo/y%0Aou", key=host.ready["keys"]["function"])
    assert (status, json.loads(body)["route"]["name"]) == (202, "y\nou")


def test_a_body_without_a_length_arrives_empty(host: Host) -> None:
    key = host.ready["keys"]["function"]
    _, body, _ = host.call("/api/echo/you", key=key, method="POST", body=iter([b"hello"]))
    assert json.loads(body)["body"] == ""


def test_a_failure_is_a_500(host: Host) -> None:
    assert host.call("/api/open?fail=1")[0] == 500


def test_a_timer_can_be_run_by_hand_with_the_master_key(here: World, host: Host) -> None:
    path = "/admin/functions/tick"
    key = host.ready["keys"]["master"]
    assert host.call(path, method="POST", body=b"{}")[0] == 401
    assert host.call("/admin/functions/tock", key=key, method="POST", body=b"{}")[0] == 404
    assert host.call(path, key=key, method="POST", body=b"{}")[0] == 202
    assert here.wait_seen("tick")[0]["past_due"] is False


def test_of_two_hosts_one_runs_a_timer_and_the_other_takes_over(
    azurite: str, tmp_path: Path
) -> None:
    every_second = {"TICK": "* * * * * *"}
    lock = ("--lock", "15")
    with world(tmp_path, azurite) as here, running(here, *lock, **every_second) as first:
        here.wait_seen("tick")
        with running(here, *lock, **every_second) as second:
            here.wait_seen("tick", times=len(here.seen("tick")) + 2)
            assert {each["pid"] for each in here.seen("tick")} == {first.ready["pid"]}
            first.child.stop()
            here.wait_seen("tick", pid=second.ready["pid"])
