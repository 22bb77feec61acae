"""Orders over HTTP: a job is cancelled, released, failed, replayed, as a caller sees it."""

from collections.abc import Iterator

import pytest

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import RunningStack, running_stack
from tests.simulation.waiting import until

FOX = {"prompt": "a fox in the snow", "model": "gpt-image-2", "size": "1536x1024", "quality": "low"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


@pytest.fixture(scope="module")
def caller(stack: RunningStack) -> Caller:
    return caller_of(stack)


def test_a_job_is_cancelled_while_it_is_called_for(stack: RunningStack, caller: Caller) -> None:
    job = {**FOX, "job_id": "http-11", "prompt": "a fox [[fault-once:slow-headers,6]]"}
    caller.call("POST", "/api/jobs", job)
    until(lambda: b'"calling"' in (stack.blob("jobs", "http-11.json") or b""), "call under way")
    cancelled = caller.call("DELETE", "/api/jobs/http-11?result=drop&reason=no%20fox")
    assert (cancelled.status, cancelled.json["cancelling"]) == (202, True)
    told = caller.ended("/api/jobs/http-11")
    assert (told["state"], told["cancelling"], told["images"]) == ("cancelled", False, [])


def test_a_parked_job_is_released_once_however_often_the_order_comes(caller: Caller) -> None:
    job = {**FOX, "job_id": "http-12", "prompt": "a fox [[fault-once:cut]]", "on_unknown": "park"}
    caller.call("POST", "/api/jobs", job)
    parked = caller.ended("/api/jobs/http-12")
    assert (parked["state"], parked["run"]) == ("parked", 1)
    order = "/api/jobs/http-12/release?run=1"
    assert [caller.call("POST", order).status for _ in range(2)] == [202, 202]
    told = caller.ended("/api/jobs/http-12")
    assert (told["state"], told["run"]) == ("succeeded", 2)
    assert told["possible_duplicate_charge"] is True
    assert caller.call("POST", order).status == 200


def test_a_failed_job_is_replayed_and_a_parked_one_failed(caller: Caller) -> None:
    lost = {
        **FOX,
        "job_id": "http-13",
        "prompt": "two foxes [[fault-once:cut]]",
        "on_unknown": "park",
    }
    caller.call("POST", "/api/jobs", lost)
    caller.ended("/api/jobs/http-13")
    failed = caller.call("POST", "/api/jobs/http-13/fail?reason=too%20late")
    assert (failed.status, failed.json.get("state")) == (200, "failed"), failed.json
    assert "too late" in failed.json["failure"]["message"]
    assert caller.call("POST", "/api/jobs/http-13/replay").status == 202
    told = caller.ended("/api/jobs/http-13")
    assert (told["state"], told["run"]) == ("succeeded", 3)


def test_an_order_that_makes_no_sense_is_refused(caller: Caller) -> None:
    caller.call("POST", "/api/jobs", {**FOX, "job_id": "http-14"})
    caller.ended("/api/jobs/http-14")
    refused = caller.call("POST", "/api/jobs/http-14/replay")
    assert (refused.status, refused.json["code"]) == (409, "wrong_state")
    assert caller.call("DELETE", "/api/jobs/nobody").json["code"] == "no_such_job"
    query = caller.call("DELETE", "/api/jobs/http-14?result=burn&run=x").json
    assert [fault["field"] for fault in query["faults"]] == ["run", "result"]
