"""A page of a manifest: each entry becomes a job, or is stored with its faults."""

import json

import pytest

from shared.batches.entries import TOO_LONG, ManifestEntry
from shared.batches.manifest import Continuation
from shared.batches.record import PAGE_ENTRIES, BatchState, Manifest
from shared.errors import InvalidJob, StoreUnavailable
from shared.workflows.batch_entries import job_of_entry, take_page
from tests.builders.ended_jobs import AT
from tests.simulation.manifests import JOB, Drop, lines


async def test_each_bad_entry_is_told_by_its_number_and_the_good_ones_are_made() -> None:
    it = Drop()
    bad = (
        '{"prompt": "a", "n": 99}',
        "no json",
        '{"prompt": "a", "model": "unheard-of"}',
    )
    it.drop("foxes.jsonl", "\n".join([json.dumps(JOB), *bad, json.dumps(JOB)]))
    await it.run()
    data = it.events[0]["data"]
    assert (data["entries"], data["succeeded"], data["rejected"]) == (5, 2, 3)
    assert [(fault["entry"], fault["field"]) for fault in data["faults"]][:2] == [(2, "n"), (3, "")]
    told = [(result["state"], result["code"]) for result in it.results]
    assert told == [
        ("succeeded", None),
        ("rejected", "invalid_job"),
        ("rejected", "malformed_message"),
        ("rejected", "unsupported_request"),
        ("succeeded", None),
    ]
    assert all(result["faults"] for result in it.results if result["state"] == "rejected")


async def test_a_result_has_the_tenant_of_its_entry_unless_it_is_default_or_unreadable() -> None:
    it = Drop()
    shop = {**JOB, "tenant": "shop"}
    it.drop("foxes.jsonl", lines(shop, {**shop, "n": 99}, JOB, {**JOB, "n": 99}) + "\nno json")
    await it.run()
    assert [result.get("tenant") for result in it.results] == ["shop", "shop", None, None, None]
    assert [result["state"] for result in it.results[:2]] == ["succeeded", "rejected"]


async def test_a_list_that_fills_its_pages_is_closed_though_a_line_break_follows() -> None:
    it = Drop()
    it.drop("foxes.json", json.dumps([JOB] * PAGE_ENTRIES) + "\n")
    await it.run()
    data = it.events[0]["data"]
    assert (data["succeeded"], data["file_faults"]) == (PAGE_ENTRIES, [])


async def test_an_entry_whose_job_was_begun_elsewhere_is_told_and_not_paid_again() -> None:
    it = Drop()
    it.scene.submit({**JOB, "job_id": "fox-1"})
    await it.run()
    it.drop("foxes.jsonl", lines({**JOB, "job_id": "fox-1"}, {**JOB, "job_id": "fox-2"}))
    await it.run()
    data = it.events[0]["data"]
    assert (data["succeeded"], data["repeated"]) == (2, 1)
    assert [result["repeated"] for result in it.results] == [True, False]
    assert data["cost_usd"] == pytest.approx(it.results[1]["cost_usd"])
    assert len(it.world.endpoint.requests) == 2


async def test_one_job_twice_in_a_manifest_is_made_and_counted_once() -> None:
    it = Drop()
    same = {**JOB, "job_id": "fox-1"}
    it.drop("foxes.jsonl", lines(same, same, {**same, "n": 2}))
    await it.run()
    data = it.events[0]["data"]
    assert (data["succeeded"], data["repeated"], data["rejected"]) == (2, 1, 1)
    assert it.results[2]["code"] == "conflict"
    assert data["cost_usd"] == pytest.approx(it.results[0]["cost_usd"])


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("foxes.txt", "{}", "'.txt' is not the extension of a manifest"),
        ("foxes", "{}", "'' is not the extension of a manifest"),
        ("foxes.csv", "promt\na fox\n", "no field of a job is called 'promt'"),
        ("foxes.csv", "prompt\n", "holds no job"),
        ("foxes.json", "", "holds no job"),
        ("foxes.json", "[{}", "the list is not closed"),
    ],
)
async def test_a_manifest_that_is_none_ends_at_once_and_says_why(
    name: str, body: str, said: str
) -> None:
    it = Drop()
    it.drop(name, body)
    await it.run()
    (event,) = it.events
    assert any(said in wrong["message"] for wrong in event["data"]["file_faults"])
    assert event["data"]["succeeded"] == 0
    assert event["data"]["cost_usd"] == 0


async def test_a_manifest_that_changes_while_it_is_read_says_where_reading_stopped() -> None:
    it = Drop()
    long = {**JOB, "prompt": "a fox " * 900}
    it.drop("foxes.jsonl", lines(*[long] * (PAGE_ENTRIES + 5)))
    it.world.steps.failing["batches.replace"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await it.scene.deliver(it.scene.waiting.pop())
    assert it.batch.state is BatchState.READING
    it.world.seed("manifests", "foxes.jsonl", b"{}")
    it.report(Continuation(batch_id=it.batch.batch_id, step=0).model_dump())
    await it.run()
    (event,) = it.events
    (wrong,) = event["data"]["file_faults"]
    assert "was changed or deleted" in wrong["message"]
    assert event["data"]["succeeded"] == PAGE_ENTRIES


def entry(number: int = 1, **job: object) -> ManifestEntry:
    return ManifestEntry(number, number, json.dumps(JOB | job).encode())


def test_the_job_of_an_entry_has_the_same_id_each_time_and_another_in_another_version() -> None:
    manifest = Manifest(container="m", name="a.jsonl", version="1", bytes=9, modified_at=AT)
    first = job_of_entry(entry(), manifest)
    assert job_of_entry(entry(), manifest) == first
    later = manifest.model_copy(update={"version": "2"})
    others = [job_of_entry(entry(), later), job_of_entry(entry(2), manifest)]
    assert len({first.job_id, *(job.job_id for job in others)}) == 3
    assert job_of_entry(entry(job_id="fox-1"), manifest).job_id == "fox-1"


def test_an_entry_that_is_a_fault_is_no_job() -> None:
    manifest = Manifest(container="m", name="a.jsonl", version="1", bytes=9, modified_at=AT)
    with pytest.raises(InvalidJob) as caught:
        job_of_entry(ManifestEntry(1, 1, fault=TOO_LONG), manifest)
    assert caught.value.faults == (TOO_LONG,)


async def test_a_page_that_is_stored_already_is_not_taken_again() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB, JOB))
    it.world.steps.failing["batches.replace"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await it.scene.deliver(it.scene.waiting[0])
    pages = [name for name in it.world.container("jobs").stored if "/entries/" in name]
    before = len(it.world.stored_records)
    record = await take_page(it.batch, it.world, it.scene.configuration)
    assert (before, len(it.world.stored_records)) == (2, 2)
    assert record.reading.entries == 2
    assert [name for name in it.world.container("jobs").stored if "/entries/" in name] == pages
