"""A file dropped into a container becomes pictures and one event, also when the host dies."""

import json
from collections.abc import Iterator

import pytest

from local.chaos.batch import BatchOptions, run_batch
from tests.acceptance.running_stack import Json, RunningStack, running_stack
from tests.simulation.waiting import until

#: Lines of the batch during which the host is killed: two pages. `make batch` takes ten.
COUNT = 200


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
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


@pytest.mark.usefixtures("azurite")
@pytest.mark.timeout(240)
def test_a_batch_ends_right_though_its_host_was_killed_while_it_read_made_and_collected() -> None:
    log: list[str] = []
    made = run_batch(BatchOptions(lines=COUNT, seed=1, patience=150), log.append)
    assert made.wrong == [], "\n".join(log[-200:])
    read, began, *_ = made.killed_at
    assert read.startswith("reading: 1 pages read")
    assert began.startswith("running")
    assert made.counts["repeated"] > 0
