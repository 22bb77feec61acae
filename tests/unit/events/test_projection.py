"""What events say of a job, and that one told again has the same id."""

import json
from dataclasses import dataclass

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from shared.catalogue.pricing import Usage
from shared.errors import ConflictingJob, Fault, InvalidJob, MalformedMessage, Rejected
from shared.events.cloud_events import build, rejected, to_json
from shared.events.projection import event_id
from shared.images_api.replies import Moderation
from shared.records.record import Attempt, Failure, JobState, TaskState
from shared.vocabulary import (
    EventType,
)
from tests.builders.ended_jobs import (
    AT,
    DONE_AT,
    OPERATOR_EVENTS,
    URL,
    attempt,
    failed,
    picture,
    record,
    task,
    told,
)


def test_a_success_has_its_pictures_its_routing_and_its_parts() -> None:
    event = told(record(), EventType.SUCCEEDED)
    data = event.pop("data")
    assert event == {
        "specversion": "1.0",
        "id": event_id("fox", "image.job.succeeded", 1),
        "type": "image.job.succeeded",
        "source": "/image-jobs",
        "subject": "jobs/fox",
        "time": "2026-11-30T17:00:40Z",
        "datacontenttype": "application/json",
        "tenant": "default",
    }
    assert data.pop("images")[1] == {
        "url": URL + "fox/default/1.png",
        "blob": "fox/default/1.png",
        "container": "images",
        "locale": None,
        "index": 1,
        "part": 0,
        "model": "gpt-image-2",
        "size": "16:9",
        "revised_prompt": None,
        "content_type": "image/png",
        "width": 1536,
        "height": 864,
        "bytes": 3_000_000,
        "sha256": "0" * 64,
        "renditions": [],
    }
    assert data.pop("routing")["asked"] == {
        "size": "16:9",
        "quality": "auto",
        "model": "auto",
        "routing": "auto",
        "n": 2,
    }
    (part,) = data.pop("parts")
    assert part.pop("routing")["decided"]["bucket"] == 48
    assert part == {
        "part": 0,
        "calls": 2,
        "calls_failed": 0,
        "images": 2,
        "estimate_usd": 0.1,
        "cost_usd": 0.024691,
        "cost_usd_at_most": 0.024691,
        "cost_known_by": "usage",
    }


def test_a_success_has_the_usage_the_cost_and_the_times_of_the_whole_job() -> None:
    told_of = record({"tags": {"campaign": "winter"}, "tenant": "shop"})
    data = told(told_of, EventType.SUCCEEDED)["data"]
    totals = {name: data[name] for name in data if name not in {"images", "routing", "parts"}}
    assert totals == {
        "job_id": "fox",
        "model": "gpt-image-2",
        "deployment": "first",
        "usage": {
            "input_tokens": 20,
            "input_text_tokens": None,
            "input_image_tokens": None,
            "output_tokens": 400,
            "output_image_tokens": 400,
            "output_text_tokens": None,
            "total_tokens": 420,
        },
        "cost_usd": 0.024691,
        "cost_usd_at_most": 0.024691,
        "cost_known_by": "usage",
        "usages_ignored": 0,
        "attempts": 2,
        "unpaid_retries": 0,
        "possible_duplicate_charge": False,
        "timings": {
            "accepted_at": "2026-11-30T17:00:00Z",
            "started_at": "2026-11-30T17:00:01Z",
            "finished_at": "2026-11-30T17:00:40Z",
            "total_seconds": 40.0,
            "calling_seconds": 40.0,
        },
        "tenant": "shop",
        "tags": {"campaign": "winter"},
        "run": 1,
        "reused": None,
        "contact_sheet": None,
        "omitted": {"images": 0, "parts": 0, "failures": 0, "reasons": 0},
        "sidecar": "fox/job.json",
    }


def test_an_event_told_again_is_the_same_and_a_replay_is_another() -> None:
    one = record()
    assert to_json(build(one, EventType.SUCCEEDED, source="/x", time=DONE_AT)) == to_json(
        build(one, EventType.SUCCEEDED, source="/x", time=DONE_AT)
    )
    ids = {
        told(record(run=run), event_type)["id"]
        for run in (1, 2)
        for event_type in EventType
        if event_type not in {EventType.REJECTED, *OPERATOR_EVENTS}
    }
    assert len(ids) == 14


def test_a_trace_is_continued() -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    assert told(record({"traceparent": trace}), EventType.SUCCEEDED)["traceparent"] == trace


def test_an_accepted_job_tells_its_routing_and_estimate() -> None:
    data = told(record(), EventType.ACCEPTED)["data"]
    assert data["routing"]["decided"]["bucket"] == 48
    assert data["routing"]["adjustments"][0]["reason"] == "on the grid"
    assert (data["tasks"], data["estimate_usd"], data["expected_seconds"]) == (2, 0.1, 30.0)


def test_a_failure_tells_its_code_and_the_parts_that_worked() -> None:
    moderation = Moderation(stage="output", categories=("violence",) * 50)
    refused = Failure(code="content_refused", message="no", moderation=moderation)
    half = record(
        state=JobState.FAILED,
        tasks=(
            task(
                state=TaskState.FAILED,
                attempts=(attempt(2, cost_usd=0.0, cost_known_by=None, usage=None),),
                failure=refused,
                unpaid_retries=3,
            ),
            task(1, attempts=(attempt(),), pictures=(picture("fox/default/1.png", 1),)),
        ),
    )
    data = told(half, EventType.FAILED)["data"]
    assert (data["code"], data["retryable"]) == ("content_refused", False)
    assert data["moderation"] == {"stage": "output", "categories": ["violence"] * 12}
    assert [image["index"] for image in data["images"]] == [1]
    assert [failure["indexes"] for failure in data["failures"]] == [[0]]
    assert (data["attempts"], data["unpaid_retries"]) == (1, 3)
    assert (data["cost_usd"], data["cost_known_by"]) == (0.012346, "usage")
    assert data["request_ids"] == ["req-1", "req-1"]


UNKNOWN = attempt(2, cost_usd=0.0, cost_usd_at_most=0.05, cost_known_by="estimate", usage=None)


@dataclass(frozen=True)
class Spent:
    id: str
    attempts: tuple[Attempt, ...]
    cost_usd: float | None
    at_most: float | None
    known_by: str | None


@pytest.mark.parametrize(
    "case",
    [
        Spent("nothing was called", (), 0.0, 0.0, None),
        Spent("nothing was paid", (attempt(cost_usd=0.0),), 0.0, 0.0, None),
        Spent("unknown, by estimate", (UNKNOWN,), 0.0, 0.05, "estimate"),
        Spent(
            "one of each",
            (attempt(), UNKNOWN, attempt(2, cost_usd=0.05, cost_known_by="estimate")),
            0.062346,
            0.112346,
            "estimate",
        ),
        Spent("no price", (attempt(), attempt(2, cost_usd=None)), None, None, None),
    ],
    ids=lambda case: case.id,
)
def test_costs_add_up_and_say_how_they_are_known(case: Spent) -> None:
    data = told(failed(*case.attempts), EventType.FAILED)["data"]
    assert (data["cost_usd"], data["cost_usd_at_most"]) == (case.cost_usd, case.at_most)
    assert data["cost_known_by"] == case.known_by


def test_an_event_says_how_many_usages_were_ignored() -> None:
    doubted = attempt(usage=None, usage_ignored="too much", cost_known_by="estimate")
    data = told(failed(attempt(), doubted), EventType.FAILED)["data"]
    assert data["usages_ignored"] == 1


def test_a_part_of_the_usage_that_one_call_left_out_is_unknown() -> None:
    other = Usage(input_tokens=1, output_tokens=2, total_tokens=3)
    usage = told(failed(attempt(), attempt(2, usage=other)), EventType.FAILED)["data"]["usage"]
    assert (usage["output_tokens"], usage["output_image_tokens"]) == (202, None)


def test_a_possible_duplicate_charge_is_told() -> None:
    data = told(failed(attempt(), possible_duplicate_charge=True), EventType.FAILED)["data"]
    assert data["possible_duplicate_charge"] is True


@pytest.mark.parametrize(
    ("event_type", "code"),
    [
        (EventType.FAILED, "unclassified"),
        (EventType.PARKED, "outcome_unknown"),
        (EventType.CANCELLED, "cancelled"),
    ],
)
def test_an_end_without_a_reason_is_told_all_the_same(event_type: EventType, code: str) -> None:
    assert told(failed(), event_type)["data"]["code"] == code


def test_a_code_of_another_version_does_not_stop_an_event() -> None:
    later = failed(failure=Failure(code="of_tomorrow", message="what happened"))
    data = told(later, EventType.FAILED)["data"]
    assert (data["code"], data["message"]) == ("unclassified", "what happened")


def test_a_rejection_names_every_fault() -> None:
    rejection = InvalidJob([Fault("n", "11 is too big"), Fault("", "odd")], job_id="fox")
    event = rejected(rejection, digest="d" * 64, source="/image-jobs", time=AT)
    assert event.get_subject() == "jobs/fox"
    assert event.get_data() == {
        "job_id": "fox",
        "code": "invalid_job",
        "faults": [{"field": "n", "message": "11 is too big"}, {"field": "", "message": "odd"}],
        "faults_found": 2,
        "digest": "d" * 64,
        "tenant": None,
        "tags": {},
    }


def test_a_rejection_without_an_id_is_about_its_message() -> None:
    event = rejected(MalformedMessage([Fault("", "x")]), digest="d" * 64, source="/x", time=AT)
    assert event.get_subject() == "messages/" + "d" * 64


def test_two_conflicts_with_one_job_are_two_events() -> None:
    conflict = ConflictingJob([Fault("job_id", "taken")], job_id="fox")
    ids = {
        rejected(conflict, digest=digest * 64, source="/x", time=AT).get_id() for digest in "aab"
    }
    assert len(ids) == 2


def test_a_rejected_message_has_no_record_to_build_from() -> None:
    with pytest.raises(ValueError, match="not built from a record; see cloud_events"):
        build(record(), EventType.REJECTED, source="/x", time=AT)


def test_an_unknown_rejection_is_an_invalid_job() -> None:
    event = rejected(Rejected([Fault("", "x")]), digest="d" * 64, source="/x", time=AT)
    assert json.loads(to_json(event))["data"]["code"] == "invalid_job"


def test_the_library_reads_what_it_wrote() -> None:
    event = build(record(), EventType.SUCCEEDED, source="/image-jobs", time=DONE_AT)
    again = JSONFormat().read(CloudEvent, to_json(event))
    assert again.get_attributes() == event.get_attributes()
    assert again.get_data() == event.get_data()
