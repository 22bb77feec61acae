"""Where a job is, until it has ended."""

import json
from datetime import timedelta

import pytest

from shared.client import AsyncImageJobs, batches, jobs
from shared.client.results import JobEnded, NoSuchJob, Quote, Receipt, Status, StillRunning
from shared.errors import ConflictingJob, Fault, InvalidJob, Rejected, UnreadableRecord
from shared.records.dead_letter import DeadLetter, DeadLetterKind, dead_letter_name
from shared.records.index_entry import index_entry_of, to_metadata
from shared.records.record import JobRecord, JobState
from tests.builders.connections import BEGAN, STORAGE, MemoryConnection
from tests.builders.ended_jobs import record


def stored(*records: JobRecord) -> MemoryConnection:
    return MemoryConnection(
        blobs={f"jobs/{one.job_id}.json": one.model_dump_json().encode() for one in records}
    )


def receipt_of(one: JobRecord, *, fingerprint: str = "") -> Receipt:
    return Receipt(one.job_id, fingerprint or one.fingerprint, "digest", BEGAN, Quote(None))


async def test_a_status_tells_what_the_record_does() -> None:
    one = record()
    status = await jobs.read_status(one.job_id, stored(one))
    assert status.record == one
    assert (status.job_id, status.state, status.ended) == (one.job_id, JobState.SUCCEEDED, True)
    assert (status.calls, status.calls_ended, status.calls_running) == (2, 2, 0)
    assert len(status.images) == len(one.pictures)
    assert status.costs.cost_usd is not None


async def test_a_job_that_has_no_record_is_unknown() -> None:
    with pytest.raises(NoSuchJob, match="'none' has no record in jobs/"):
        await jobs.read_status("none", MemoryConnection())


@pytest.mark.parametrize(
    "job_id", ["../../etc", "batches/fox/batch", "", "-fox", "fox\n", "x" * 65]
)
async def test_no_path_is_made_of_what_is_no_id(job_id: str) -> None:
    app = MemoryConnection()
    with pytest.raises(InvalidJob, match="is no id; an id has 1 to 64 of"):
        await jobs.read_status(job_id, app)
    with pytest.raises(InvalidJob, match=r"batch_id: .* is no id"):
        await batches.read_batch(job_id, app)


async def test_waiting_ends_with_the_job_and_looks_less_and_less_often() -> None:
    one = record()
    app = MemoryConnection()

    def meanwhile() -> None:
        if len(app.clock.waits) == 12:
            app.put(f"jobs/{one.job_id}.json", one.model_dump_json())

    app.clock.meanwhile = meanwhile
    status = await jobs.wait_for_job(one.job_id, app, within=None)
    assert status.ended
    assert app.clock.waits == sorted(app.clock.waits)
    assert (app.clock.waits[0], app.clock.waits[-1]) == (jobs.FIRST_WAIT, jobs.LONGEST_WAIT)


async def test_waiting_ends_in_time_though_the_job_goes_on() -> None:
    running = record().model_copy(update={"state": JobState.RUNNING})
    for app in (MemoryConnection(), stored(running)):
        with pytest.raises(StillRunning, match="within 7 s"):
            await jobs.wait_for_job(running.job_id, app, within=7)
        assert app.clock.time - BEGAN == timedelta(seconds=7)


async def test_a_refused_message_is_found_by_its_receipt() -> None:
    one = record()
    receipt = receipt_of(one)
    letter = {
        "reason": "unsupported_request",
        "faults": [{"field": "size", "message": "too wide"}],
    }
    name = dead_letter_name("digest", BEGAN)
    app = MemoryConnection({f"dead-letters/{name}": json.dumps(letter).encode()})
    with pytest.raises(Rejected, match="size: too wide") as refused:
        await jobs.wait_for_job(receipt, app, within=None)
    assert (refused.value.code, refused.value.job_id) == ("unsupported_request", one.job_id)
    app.put(f"dead-letters/{name}", b'{"reason": "poisoned"}')
    with pytest.raises(Rejected, match="poisoned"):
        await jobs.read_status(receipt, app)


async def test_the_record_of_another_job_of_this_id_is_a_conflict() -> None:
    one = record()
    with pytest.raises(ConflictingJob, match="other content"):
        await jobs.read_status(receipt_of(one, fingerprint="f" * 64), stored(one))
    assert (await jobs.read_status(receipt_of(one), stored(one))).ended


async def test_a_record_of_a_later_version_is_told_as_such() -> None:
    app = MemoryConnection({"jobs/fox.json": b'{"version": 2}'})
    with pytest.raises(UnreadableRecord, match=r"this version cannot read 'fox.json'"):
        await jobs.read_status("fox", app)


def client_of(app: MemoryConnection) -> AsyncImageJobs:
    client = AsyncImageJobs(environ=STORAGE)
    client._connection = app
    return client


async def test_a_result_is_a_job_with_all_of_its_pictures() -> None:
    one = record()
    assert await client_of(stored(one)).result(one.job_id) == Status(one)
    failed = one.model_copy(update={"state": JobState.FAILED})
    with pytest.raises(JobEnded, match="failed") as ended:
        await client_of(stored(failed)).result(one.job_id)
    assert ended.value.status == Status(failed)


async def test_the_states_of_several_jobs_come_in_order() -> None:
    one = record()
    found = await client_of(stored(one)).status_many([one.job_id, "none"])
    assert [type(each) for each in found] == [Status, NoSuchJob]


async def test_the_newest_jobs_are_listed_once_each_and_by_state() -> None:
    app = MemoryConnection()
    for minute in range(4):
        one = record().model_copy(
            update={"job_id": f"fox-{minute}", "accepted_at": BEGAN + timedelta(minutes=minute)}
        )
        entry = index_entry_of(one)
        running = entry.model_copy(update={"state": JobState.RUNNING})
        for prefix, each in (("ended", entry), ("open", running)):
            if prefix == "open" or minute % 2:
                app.put(f"jobs/{prefix}/{each.name}", metadata={"entry": to_metadata(each)})
    found = await client_of(app).newest(limit=3)
    assert [(job.job_id, job.state) for job in found] == [
        ("fox-3", "succeeded"),
        ("fox-2", "running"),
        ("fox-1", "succeeded"),
    ]
    ended = await client_of(app).newest(limit=9, state=JobState.SUCCEEDED)
    assert [job.job_id for job in ended] == ["fox-3", "fox-1"]


async def test_a_rejected_job_is_told_by_its_id_and_waited_for_no_longer() -> None:
    app = MemoryConnection()
    letter = DeadLetter(
        kind=DeadLetterKind.MESSAGE,
        reason="invalid_job",
        at=BEGAN,
        job_id="fox",
        faults=(Fault("n", "11 is too big"),),
        message_base64="e30=",
    )
    await app.dead_letters.put(letter)
    with pytest.raises(Rejected, match="n: 11 is too big"):
        await jobs.wait_for_job("fox", app, within=60)
    assert app.clock.waits == []
