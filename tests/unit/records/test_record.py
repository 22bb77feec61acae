"""What a job is divided into, and what a record says of it."""

import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from shared.records.record import JobRecord, plan_tasks
from tests.builders.ended_jobs import AT, picture, record, task
from tests.builders.routed import job_of, plans
from tests.builders.strategies import deployment

MAI = deployment("MAI-Image-2.6")


def test_several_pictures_are_one_call_where_the_model_makes_several() -> None:
    (one,) = plan_tasks(job_of(n=3), plans(n=3))
    assert one.blobs == tuple(f"job-1/default/{index}.png" for index in range(3))


def test_several_pictures_are_several_calls_where_the_model_makes_one() -> None:
    tasks = plan_tasks(job_of(n=3), plans(MAI, n=3))
    assert [(each.index, each.first, each.blobs) for each in tasks] == [
        (index, index, (f"job-1/default/{index}.png",)) for index in range(3)
    ]


def test_pictures_are_named_by_locale_format_and_run() -> None:
    asked: dict[str, Any] = {"n": 2, "locales": ("de", "ja"), "format": "jpeg"}
    tasks = plan_tasks(job_of(**asked), plans(**asked), run=3)
    assert [(each.locale, each.blobs) for each in tasks] == [
        (locale, (f"job-1/run-3/{locale}/0.jpg", f"job-1/run-3/{locale}/1.jpg"))
        for locale in ("de", "ja")
    ]


def test_a_task_knows_which_of_its_pictures_are_missing() -> None:
    blobs = ("fox/default/2.png", "fox/default/3.png")
    half = task(1, first=2, blobs=blobs, pictures=(picture(blobs[0], 2),))
    assert [(slot.index, slot.blob) for slot in half.missing] == [(1, blobs[1])]


def test_what_a_job_stores_is_labelled_with_its_tenant_unless_that_is_the_default() -> None:
    assert record({"tenant": "shop"}).labels["tenant"] == "shop"
    assert set(record().labels) == {"job_id", "fingerprint"}
    assert "tenant" not in record().job.model_dump()  # a version before tenants reads the record


def test_a_record_of_a_later_version_is_not_read() -> None:
    later = record().model_dump(mode="json") | {"version": 3}
    with pytest.raises(ValidationError, match="version"):
        JobRecord.model_validate(later)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"run": 0}, "run"),
        ({"tasks": [{"index": 1, "blobs": []}]}, "tasks[0] has the index 1"),
        ({"tasks": [{"index": 0, "part": 1, "blobs": []}]}, "the part 1 of 1"),
        ({"version": 1, "plans": 3}, "is of an earlier version, and damaged"),
    ],
)
def test_a_damaged_record_is_not_read(change: dict[str, Any], place: str) -> None:
    damaged = record().model_dump(mode="json") | change
    with pytest.raises(ValidationError, match=re.escape(place)):
        JobRecord.model_validate(damaged)


@pytest.mark.parametrize(
    "change", [{"deployments": []}, {"calls": 0}, {"per_call": 0}, {"pictures": 0}]
)
def test_a_record_whose_plan_can_not_be_followed_is_not_read(change: dict[str, Any]) -> None:
    damaged = record().model_dump(mode="json")
    damaged["plans"][0] |= change
    with pytest.raises(ValidationError, match=next(iter(change))):
        JobRecord.model_validate(damaged)


def test_a_job_is_given_up_at_its_deadline_or_a_lifetime_after_its_run_began() -> None:
    hour, day = timedelta(hours=1), timedelta(days=1)
    assert record().give_up_at(day) == AT + day
    deadline = {"deadline": (AT + hour).isoformat()}
    assert record(deadline).give_up_at(day) == AT + hour
    late = record(deadline, run_started_at=AT + 2 * hour)
    assert late.give_up_at(day) == AT + 2 * hour + day
