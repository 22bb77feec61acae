"""Records of jobs that ended, as tests of events need them, and the events they tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.catalogue.pricing import TokenEstimate, Usage
from shared.events.cloud_events import build, to_json
from shared.images_api.outcomes import OutcomeKind
from shared.records.record import (
    Attempt,
    Failure,
    JobRecord,
    JobState,
    Picture,
    TaskRecord,
    TaskState,
)
from shared.routing.plan import Adjustment, Plan
from shared.vocabulary import EventType
from tests.builders.messages import read

AT = datetime(2026, 11, 30, 17, 0, tzinfo=UTC)
DONE_AT = AT + timedelta(seconds=40)
URL = "http://127.0.0.1:10000/devstoreaccount1/images/"
USAGE = Usage(input_tokens=10, output_tokens=200, output_image_tokens=200, total_tokens=210)

#: Types of events for operators, which are not about one job.
OPERATOR_EVENTS = frozenset(
    {EventType.CIRCUIT_OPENED, EventType.CIRCUIT_CLOSED, EventType.STORAGE_BLOCKED}
)


def plan(*, n: int = 2, **changes: Any) -> Plan:  # noqa: ANN401 - any field of it
    facts: dict[str, Any] = {
        "model": "gpt-image-2",
        "deployments": ("first", "second"),
        "asked_size": "16:9",
        "asked_quality": "auto",
        "asked_model": "auto",
        "asked_routing": "auto",
        "routing": "bucket",
        "width": 1536,
        "height": 864,
        "quality": "medium",
        "tier": None,
        "bucket": 48,
        "n": n,
        "format": "png",
        "content_type": "image/png",
        "compression": None,
        "background": None,
        "parameters": {},
        "stream": True,
        "calls": n,
        "per_call": 1,
        "pictures": n,
        "tokens": TokenEstimate(bucket=1000),
        "estimate_usd": 0.1,
        "estimate_basis": "the higher count",
        "expected_seconds": 30.0,
        "call_limit_seconds": 420,
        "adjustments": (
            Adjustment(field="size", asked="16:9", decided="1536x864", reason="on the grid"),
        ),
        "reasons": ("the only model",),
        "warnings": (),
    }
    return Plan(**(facts | changes))


def task(index: int = 0, job_id: str = "fox", **changes: Any) -> TaskRecord:  # noqa: ANN401 - any field of it
    facts: dict[str, Any] = {"first": index, "blobs": (f"{job_id}/default/{index}.png",)}
    return TaskRecord(index=index, **(facts | changes))


def picture(blob: str, index: int = 0) -> Picture:
    return Picture(
        blob=blob,
        url=URL + blob,
        container="images",
        index=index,
        content_type="image/png",
        width=1536,
        height=864,
        bytes=3_000_000,
        sha256="0" * 64,
    )


def attempt(start: float = 1, **changes: Any) -> Attempt:  # noqa: ANN401 - any field of it
    facts: dict[str, Any] = {
        "token": 1,
        "deployment": "first",
        "client_request_id": "fox.1.0.1",
        "started_at": AT + timedelta(seconds=start),
        "deadline_at": AT + timedelta(seconds=480),
        "limit_seconds": 420,
        "estimate_usd": 0.05,
        "ended_at": AT + timedelta(seconds=start + 20),
        "kind": OutcomeKind.DONE,
        "cost_usd": 0.0123456789,
        "cost_usd_at_most": changes.get("cost_usd", 0.0123456789),
        "cost_known_by": "usage",
        "usage": USAGE,
        "request_id": "req-1",
    }
    return Attempt(**(facts | changes))


def record(job: dict[str, Any] | None = None, **changes: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    asked = read({"job_id": "fox", "prompt": "a fox"} | (job or {}))
    planned = changes.pop("plan", None) or plan()
    facts: dict[str, Any] = {
        "job_id": asked.job_id,
        "fingerprint": asked.fingerprint,
        "state": JobState.SUCCEEDED,
        "job": asked,
        "plans": (planned,),
        "tasks": tuple(
            task(
                index,
                asked.job_id,
                state=TaskState.DONE,
                attempts=(attempt(1 + index),),
                pictures=(picture(f"{asked.job_id}/default/{index}.png", index),),
            )
            for index in range(planned.n)
        ),
        "accepted_at": AT,
        "updated_at": DONE_AT,
    }
    return JobRecord(**(facts | changes))


def told(record: JobRecord, event_type: EventType) -> dict[str, Any]:
    picture = record.pictures[0].blob if event_type is EventType.PICTURE_STORED else None
    event = build(record, event_type, source="/image-jobs", time=DONE_AT, picture=picture)
    document: dict[str, Any] = json.loads(to_json(event))
    return document


def failed(*attempts: Attempt, failure: Failure | None = None, **changes: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    one = task(state=TaskState.FAILED, attempts=attempts, failure=failure, **changes)
    return record(plan=plan(n=1), tasks=(one,), state=JobState.FAILED)
