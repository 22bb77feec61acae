"""Events fit their message, whatever a job holds."""

import json
from typing import Literal

import pytest

from shared.errors import Fault, InvalidJob
from shared.events.cloud_events import alarm_event, build, rejected, to_json
from shared.events.data import MAX_EVENT_BYTES
from shared.images_api.replies import Moderation
from shared.jobs.parsing import MAX_MESSAGE_BYTES
from shared.limits.pool_ledger import Alarm
from shared.records.record import Failure
from shared.routing.plan import Adjustment
from shared.vocabulary import EventType
from tests.builders.ended_jobs import (
    AT,
    DONE_AT,
    OPERATOR_EVENTS,
    attempt,
    picture,
    plan,
    record,
    task,
)


@pytest.mark.parametrize(
    "event_type", [kind for kind in EventType if kind not in {EventType.REJECTED, *OPERATOR_EVENTS}]
)
def test_the_largest_legal_job_fits_its_events(event_type: EventType) -> None:
    flood = "狐" * 5_000
    tags = {f"{i:02}".join("ab") + "k" * 60: "🦊" * 11 for i in range(20)}
    job = {
        "job_id": "j" * 64,
        "prompt": "x",
        "n": 10,
        "tags": tags,
        "size": "4k 16:9" + " " * 30,
        "traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01",
    }
    far = f"https://{'a' * 24}.z99.blob.storage.azure.net/{'c' * 63}/"
    planned = plan(
        n=10,
        asked_size=job["size"],
        reasons=(flood,) * 50,
        warnings=(flood,) * 50,
        adjustments=(Adjustment(field=flood, asked=flood, decided=flood, reason=flood),) * 50,
        estimate_basis=flood,
        deployments=("d" * 64,),
    )
    largest = record(
        job,
        plans=(planned,),
        tasks=tuple(
            task(
                index,
                "j" * 64,
                attempts=(attempt(request_id=flood, message=flood, deployment="d" * 64),) * 3,
                pictures=tuple(
                    picture(blob, index).model_copy(update={"url": far + blob})
                    for blob in [f"{'j' * 64}/default/{index}.png"]
                ),
                failure=Failure(
                    code="content_refused",
                    message=flood,
                    moderation=Moderation(stage=None, categories=(flood,) * 50),
                ),
            )
            for index in range(10)
        ),
    )
    one = largest.pictures[9].blob if event_type is EventType.PICTURE_STORED else None
    body = to_json(build(largest, event_type, source="s" * 1_000, time=DONE_AT, picture=one))
    assert len(body) <= MAX_EVENT_BYTES < MAX_MESSAGE_BYTES


@pytest.mark.parametrize("kind", ["opened", "closed"])
def test_the_longest_alarm_fits_its_event(kind: Literal["opened", "closed"]) -> None:
    alarm = Alarm(
        kind=kind,
        pool="p" * 64,
        deployment="d" * 64,
        reason="misconfigured",
        message="狐" * 5_000,
        opened_at=AT,
        time=DONE_AT,
    )
    assert len(to_json(alarm_event(alarm, source="s" * 1_000))) <= MAX_EVENT_BYTES


def test_the_longest_list_of_faults_fits_its_event() -> None:
    flood = [Fault("狐" * 500, "🦊" * 5_000)] * 3_000
    event = rejected(
        InvalidJob(flood, job_id="j" * 64), digest="d" * 64, tenant="t" * 40, source="/x", time=AT
    )
    assert len(to_json(event)) <= MAX_EVENT_BYTES
    data = json.loads(to_json(event))["data"]
    assert (len(data["faults"]), data["faults_found"]) == (40, 3_000)
