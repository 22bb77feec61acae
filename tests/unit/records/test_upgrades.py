"""Records that earlier versions of the app have stored are read."""

from pathlib import Path

import pytest

from shared.events.projection import data_of, spending_of
from shared.http_api.job_documents import describe_job
from shared.images_api.replies import Moderation
from shared.records.record import Attempt, JobRecord, JobState, TaskState, plan_tasks
from shared.vocabulary import EventType

FIXTURES = Path(__file__).parent / "fixtures"
STORED = sorted((FIXTURES / "version-1").glob("*.json"))


def read(name: str, version: str = "version-1") -> JobRecord:
    return JobRecord.model_validate_json((FIXTURES / version / f"{name}.json").read_bytes())


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


@pytest.mark.parametrize(
    ("name", "costs"),
    [
        ("succeeded", [(0.03005, 0.03005, "usage")]),
        ("refused", [(0.0, 0.0, None)]),
        ("parked", [(0.0, 0.05285, "estimate")]),
        ("retried", [(0.0, 0.05285, "estimate"), (0.03005, 0.03005, "usage")]),
        ("calling", [(0.0, 0.05285, "estimate")]),
    ],
)
def test_a_charge_of_version_2_is_read_as_a_range(
    name: str, costs: list[tuple[float, float, str | None]]
) -> None:
    found = read(name, "version-2")
    assert [
        (each.cost_usd, each.cost_usd_at_most, each.cost_known_by) for each in found.attempts
    ] == costs
    total = spending_of(found)
    assert total.cost_usd == pytest.approx(sum(least for least, _, _ in costs))
    assert total.cost_usd_at_most == pytest.approx(sum(most for _, most, _ in costs))
    assert JobRecord.model_validate_json(found.model_dump_json()) == found


def test_a_paid_call_without_usage_stays_certain_and_one_without_a_price_unknown() -> None:
    (stored,) = read("parked", "version-2").attempts
    old = stored.model_dump(exclude={"cost_usd_at_most"}) | {"charged": "yes", "cost_usd": None}
    paid = Attempt.model_validate(old)
    assert paid.cost_usd == paid.cost_usd_at_most == stored.estimate_usd
    unpriced = Attempt.model_validate(old | {"estimate_usd": None, "charged": "unknown"})
    assert (unpriced.cost_usd, unpriced.cost_usd_at_most) == (None, None)


def test_categories_of_version_2_are_read_as_a_moderation_of_an_unknown_stage() -> None:
    failure = read("refused", "version-2").failure
    assert failure is not None
    assert failure.moderation == Moderation(stage=None, categories=("violence",))
    lost = read("parked", "version-2").failure
    assert lost is not None
    assert lost.moderation is None
