"""Records that version 1 of the app has stored are read as records of version 2."""

from pathlib import Path

import pytest

from shared.events.projection import data_of
from shared.http_api.job_documents import describe_job
from shared.records.record import JobRecord, JobState, TaskState, plan_tasks
from shared.vocabulary import EventType

STORED = sorted((Path(__file__).parent / "fixtures" / "version-1").glob("*.json"))


def read(name: str) -> JobRecord:
    (path,) = [path for path in STORED if path.stem == name]
    return JobRecord.model_validate_json(path.read_bytes())


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_record_is_read_and_written_as_version_2(path: Path) -> None:
    record = JobRecord.model_validate_json(path.read_bytes())
    assert record.version == 2
    assert JobRecord.model_validate_json(record.model_dump_json()) == record
    for task in record.tasks:
        plan = record.plans[task.part]
        assert len(task.blobs) <= plan.per_call
        assert {picture.blob for picture in task.pictures} <= set(task.blobs)
        assert [each.index for each in task.pictures] == [
            task.first + task.blobs.index(each.blob) for each in task.pictures
        ]
        assert {(each.container, each.locale) for each in task.pictures} <= {
            ("images", task.locale)
        }
    for part, plan in enumerate(record.plans):
        own = [task for task in record.tasks if task.part == part]
        assert (plan.calls, plan.pictures) == (len(own), sum(len(task.blobs) for task in own))
    for event_type in (EventType.ACCEPTED, EventType.SUCCEEDED, EventType.FAILED):
        assert data_of(record, event_type, time=record.updated_at)
    assert describe_job(record).run == record.run


def test_the_tasks_are_those_that_version_2_plans() -> None:
    for name in ("matrix", "finished", "edit", "calling"):
        record = read(name)
        fresh = plan_tasks(record.job, record.plans)
        assert [(each.part, each.locale, each.first, each.blobs) for each in record.tasks] == [
            (each.part, each.locale, each.first, each.blobs) for each in fresh
        ]


@pytest.mark.parametrize(
    ("name", "run", "runs_of_events"),
    [
        ("accepted-with-event", 1, [1, 1]),
        ("released", 2, [1, 2]),
        ("cancelled", 2, [1, 2]),
        ("replayed", 2, [1, 2]),
        ("remade", 3, [1, 2, 3]),
        # Its generation is 2: it was released before it was replayed.
        ("released-and-remade", 3, [1, 2, 3]),
    ],
)
def test_a_run_counts_every_time_a_job_was_taken_up(
    name: str, run: int, runs_of_events: list[int]
) -> None:
    record = read(name)
    assert record.run == run
    assert (record.run_started_at is None) is (run == 1)
    assert [entry.run for entry in record.outbox] == runs_of_events


def test_pictures_made_again_keep_the_names_they_were_stored_by() -> None:
    record = read("remade")
    assert [picture.blob for picture in record.pictures] == ["fox-1/generation-3/de/0.png"]
    assert record.tasks[1].missing[0].blob == "fox-1/generation-3/en/0.png"
    assert len(record.past) == 4


@pytest.mark.parametrize("base", ["https://a.blob.core.windows.net", "https://cdn.example/x/y"])
def test_the_container_is_read_off_the_url_of_any_account(base: str) -> None:
    stored = (STORED[0].parent / "succeeded.json").read_text("utf-8")
    moved = stored.replace("https://account.example/images/", f"{base}/art/")
    (picture,) = JobRecord.model_validate_json(moved).pictures
    assert (picture.container, picture.url) == ("art", f"{base}/art/{picture.blob}")


def test_a_call_under_way_and_a_finish_begun_are_kept() -> None:
    calling = read("calling").tasks[0]
    assert calling.state is TaskState.CALLING
    assert calling.current
    assert calling.current.client_request_id == "fox-1.1.0.1"
    finishing = read("finishing")
    assert finishing.awaits_finish
    assert finishing.finishing
    assert finishing.finishing.rendered
    assert read("failed").state is JobState.FAILED
