"""Where a job stands, until it has ended."""

import json
from datetime import timedelta

import pytest

from shared.client import following
from shared.client.ledger import newest_jobs
from shared.client.results import JobEnded, NoSuchJob, Quote, Receipt, Status, StillRunning
from shared.client.sync_storage import run_coroutine
from shared.errors import ConflictingJob, Rejected, UnreadableRecord
from shared.records.dead_letter import dead_letter_name
from shared.records.index_entry import index_entry_of, to_metadata
from shared.records.record import JobRecord, JobState
from tests.builders.ended_jobs import record
from tests.fakes.account import BEGAN, FakeStorage
from tests.unit.client.test_submission import FIELDS_ONLY

SETTINGS = FIELDS_ONLY.settings


def stored(*records: JobRecord) -> FakeStorage:
    return FakeStorage(
        blobs={f"jobs/{one.job_id}.json": one.model_dump_json().encode() for one in records}
    )


def receipt_of(one: JobRecord, *, fingerprint: str = "") -> Receipt:
    return Receipt(one.job_id, fingerprint or one.fingerprint, "digest", BEGAN, Quote(None))


def test_a_status_tells_what_the_record_does() -> None:
    one = record()
    status = run_coroutine(following.status_of(one.job_id, stored(one), SETTINGS))
    assert status.record == one
    assert (status.job_id, status.state, status.ended) == (one.job_id, JobState.SUCCEEDED, True)
    assert (status.calls, status.calls_ended, status.calls_running) == (2, 2, 0)
    assert len(status.images) == len(one.pictures)
    assert status.costs.cost_usd is not None


def test_a_job_that_has_no_record_is_unknown() -> None:
    with pytest.raises(NoSuchJob, match="'none' has no record in jobs/"):
        run_coroutine(following.status_of("none", FakeStorage(), SETTINGS))


def test_waiting_ends_with_the_job_and_looks_less_and_less_often() -> None:
    one = record()
    storage = FakeStorage()

    def meanwhile() -> None:
        if len(storage.waits) == 12:
            storage.blobs.update(stored(one).blobs)

    storage.meanwhile = meanwhile
    status = run_coroutine(following.wait_for(one.job_id, storage, SETTINGS, within=None))
    assert status.ended
    assert storage.waits == sorted(storage.waits)
    assert (storage.waits[0], storage.waits[-1]) == (following.FIRST_LOOK, following.LONGEST_LOOK)


def test_waiting_ends_in_time_though_the_job_goes_on() -> None:
    running = record().model_copy(update={"state": JobState.RUNNING})
    for storage in (FakeStorage(), stored(running)):
        with pytest.raises(StillRunning, match="within 7 s"):
            run_coroutine(following.wait_for(running.job_id, storage, SETTINGS, within=7))
        assert storage.time - BEGAN == timedelta(seconds=7)


def test_a_refused_message_is_found_by_its_receipt() -> None:
    one = record()
    receipt = receipt_of(one)
    letter = {
        "reason": "unsupported_request",
        "faults": [{"field": "size", "message": "too wide"}],
    }
    name = dead_letter_name("digest", BEGAN)
    storage = FakeStorage(blobs={f"dead-letters/{name}": json.dumps(letter).encode()})
    with pytest.raises(Rejected, match="size: too wide") as refused:
        run_coroutine(following.wait_for(receipt, storage, SETTINGS, within=None))
    assert (refused.value.code, refused.value.job_id) == ("unsupported_request", one.job_id)
    storage.blobs[f"dead-letters/{name}"] = b'{"reason": "poisoned"}'
    with pytest.raises(Rejected, match="poisoned"):
        run_coroutine(following.status_of(receipt, storage, SETTINGS))


def test_the_record_of_another_job_of_this_id_is_a_conflict() -> None:
    one = record()
    with pytest.raises(ConflictingJob, match="other content"):
        run_coroutine(
            following.status_of(receipt_of(one, fingerprint="f" * 64), stored(one), SETTINGS)
        )
    assert run_coroutine(following.status_of(receipt_of(one), stored(one), SETTINGS)).ended


def test_a_record_of_a_later_version_is_told_as_such() -> None:
    storage = FakeStorage(blobs={"jobs/fox.json": b'{"version": 2}'})
    with pytest.raises(UnreadableRecord, match="use the version of the app"):
        run_coroutine(following.status_of("fox", storage, SETTINGS))


def test_a_result_is_a_job_with_all_of_its_pictures() -> None:
    done = Status(record())
    assert following.succeeded(done) is done
    failed = Status(record().model_copy(update={"state": JobState.FAILED}))
    with pytest.raises(JobEnded, match="failed") as ended:
        following.succeeded(failed)
    assert ended.value.status is failed


def test_several_jobs_are_looked_at_in_order() -> None:
    one = record()
    found = run_coroutine(following.statuses_of([one.job_id, "none"], stored(one), SETTINGS))
    assert [type(each) for each in found] == [Status, NoSuchJob]


def test_the_newest_jobs_are_listed_once_each_and_by_state() -> None:
    storage = FakeStorage()
    for minute in range(4):
        one = record().model_copy(
            update={"job_id": f"fox-{minute}", "accepted_at": BEGAN + timedelta(minutes=minute)}
        )
        entry = index_entry_of(one)
        running = entry.model_copy(update={"state": JobState.RUNNING})
        for prefix, each in (("ended", entry), ("open", running)):
            if prefix == "open" or minute % 2:
                name = f"jobs/{prefix}/{each.name}"
                storage.blobs[name] = b""
                storage.metadata[name] = {"entry": to_metadata(each)}
    jobs = run_coroutine(newest_jobs(storage, SETTINGS, limit=3, state=None))
    assert [(job.job_id, job.state) for job in jobs] == [
        ("fox-3", "succeeded"),
        ("fox-2", "running"),
        ("fox-1", "succeeded"),
    ]
    ended = run_coroutine(newest_jobs(storage, SETTINGS, limit=9, state=JobState.SUCCEEDED))
    assert [job.job_id for job in ended] == ["fox-3", "fox-1"]
