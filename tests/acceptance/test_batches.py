"""A file dropped into a container becomes pictures and one event, also when the host dies."""

import csv
import io
import json
import os
import signal
from collections.abc import Iterator

import pytest

from tests.acceptance.running_stack import Json, RunningStack, running_stack
from tests.waiting import until

#: Entries of the batch during which the host is killed.
COUNT = 60


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    # A message whose reader died is seen again after this long.
    with running_stack("--restart", "--hide", "4") as stack:
        yield stack


def drop(stack: RunningStack, name: str, body: str) -> None:
    stack.blobs.get_blob_client("manifests", name).upload_blob(body.encode())


def batch_event(stack: RunningStack, name: str) -> Json:
    """Wait for the event of the batch that a manifest started."""

    def look() -> list[Json]:
        return [
            event
            for event in stack.read_events()
            if event["type"] == "image.batch.completed"
            and event["data"]["manifest"]["blob"] == name
        ]

    return until(look, f"end of the batch {name}", seconds=90)[0]


def results(stack: RunningStack, event: Json) -> list[Json]:
    place = event["data"]["results"]
    body = stack.blob(place["container"], place["blob"])
    assert body is not None
    return [json.loads(line) for line in body.splitlines()]


def test_a_dropped_file_becomes_pictures_results_in_order_and_one_event(
    stack: RunningStack,
) -> None:
    drop(
        stack,
        "winter/foxes.jsonl",
        '{"job_id": "dropped-1", "prompt": "a fox", "quality": "low"}\n'
        '{"job_id": "dropped-2", "prompt": "", "n": 99}\n'
        '{"prompt": "a hare", "quality": "low", "n": 2}\n',
    )
    event = batch_event(stack, "winter/foxes.jsonl")
    data = event["data"]
    assert (data["entries"], data["succeeded"], data["rejected"]) == (3, 2, 1)
    assert data["images"] == 3
    first, bad, last = results(stack, event)
    assert [first["job_id"], bad["state"], len(last["images"])] == ["dropped-1", "rejected", 2]
    assert [fault["field"] for fault in bad["faults"]] == ["prompt", "n"]
    (image,) = first["images"]
    assert stack.blob(image["container"], image["blob"]) is not None
    assert data["cost_usd"] == pytest.approx(first["cost_usd"] + last["cost_usd"], abs=1e-6)


def test_a_batch_ends_right_after_a_host_was_killed_in_its_middle(stack: RunningStack) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(["job_id", "prompt", "quality", "tag_n"])
    for n in range(COUNT):
        writer.writerow([f"row-{n}", f"fox {n}, in the snow", "low" if n != 7 else "loud", n])
    drop(stack, "rows.csv", out.getvalue())
    # Jobs have begun, and the page that knows of them is not written.
    until(lambda: stack.blob("jobs", "row-20.json"), "a job of the batch")
    os.kill(stack.ready["pids"]["hosts"][0], signal.SIGKILL)
    event = batch_event(stack, "rows.csv")
    told = results(stack, event)
    assert [result["entry"] for result in told] == list(range(1, COUNT + 1))
    assert [result["job_id"] for result in told if result["state"] == "succeeded"] == [
        f"row-{n}" for n in range(COUNT) if n != 7
    ]
    assert told[7]["state"] == "rejected"
    assert told[7]["line"] == 9
    data = event["data"]
    assert (data["succeeded"], data["rejected"], data["repeated"]) == (COUNT - 1, 1, 0)
    twice = [f"row-{n}" for n in range(COUNT) if len(stack.billed(f"row-{n}")) > 1]
    flagged = [result["job_id"] for result in told if result["possible_duplicate_charge"]]
    assert set(twice) <= set(flagged)
