"""A manifest becomes jobs, each once, and one event when the last of them has ended."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.contracts.schemas import ROOT, batch_schema, result_schema
from shared.batches.manifest import Continuation
from shared.batches.record import PAGE_ENTRIES, BatchState
from shared.errors import StoreUnavailable
from tests.simulation.manifests import JOB, Drop, as_cloudevent, lines, notice

PAGE = (ROOT / "docs" / "batches.md").read_text("utf-8")


async def test_a_manifest_becomes_a_job_a_line_and_one_event_at_the_end() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(*({**JOB, "n": n} for n in (1, 2, 3))))
    await it.run()
    (event,) = it.events
    data = event["data"]
    assert (data["entries"], data["succeeded"], data["images"]) == (3, 3, 6)
    assert event["subject"] == f"batches/{it.batch.batch_id}"
    records = [stored.value for stored in it.world.stored_records.values()]
    spent = sum(attempt.cost_usd or 0 for each in records for attempt in each.attempts)
    assert data["cost_usd"] == pytest.approx(spent)
    assert data["cost_known_by"] == "usage"
    assert [(result["entry"], result["line"]) for result in it.results] == [(1, 1), (2, 2), (3, 3)]
    assert [len(result["images"]) for result in it.results] == [1, 2, 3]
    assert data["results"]["blob"] in it.world.results
    assert data["results"]["url"].endswith(data["results"]["blob"])


async def test_the_event_and_the_results_are_as_their_schemas_say() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB, {"prompt": ""}, {**JOB, "job_id": "fox-1"}))
    await it.run()
    (event,) = it.events
    Draft202012Validator(batch_schema()).validate(event)
    for result in it.results:
        Draft202012Validator(result_schema()).validate(result)


@pytest.mark.parametrize("shape", [dict, as_cloudevent])
async def test_event_grid_may_speak_in_either_schema(
    shape: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> None:
    it = Drop()
    it.world.seed("manifests", "a b/Küste.json", json.dumps([JOB, JOB]).encode())
    it.report(shape(notice(it.world, "a b/Küste.json")))
    await it.run()
    assert it.events[0]["data"]["succeeded"] == 2
    assert it.events[0]["data"]["manifest"]["blob"] == "a b/Küste.json"


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


@pytest.mark.parametrize(("written", "pictures"), [("jsonl", 3), ("csv", 5)])
async def test_the_examples_of_the_page_are_made(written: str, pictures: int) -> None:
    example = re.findall(rf"^```{written}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    it = Drop()
    it.drop(f"foxes.{written}", example[0])
    await it.run()
    data = it.events[0]["data"]
    assert (data["entries"], data["succeeded"], data["images"]) == (2, 2, pictures)


async def test_a_list_that_fills_its_pages_is_closed_though_a_line_break_follows() -> None:
    it = Drop()
    it.drop("foxes.json", json.dumps([JOB] * PAGE_ENTRIES) + "\n")
    await it.run()
    data = it.events[0]["data"]
    assert (data["succeeded"], data["file_faults"]) == (PAGE_ENTRIES, [])


async def test_a_message_that_comes_again_and_again_begins_each_job_once() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB, JOB), times=5)
    await it.run()
    it.report(notice(it.world, "foxes.jsonl"))
    await it.run()
    assert len(it.world.stored_records) == 2
    assert len(it.world.endpoint.requests) == 2
    assert {event["id"] for event in it.events} == {it.events[0]["id"]}
    assert len(it.world.results) == 1


async def test_another_version_of_a_manifest_is_another_batch() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    await it.run()
    it.drop("foxes.jsonl", lines(JOB, JOB))
    await it.run()
    assert len(it.world.stored_batches) == 2
    assert len(it.world.stored_records) == 3


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


async def test_a_manifest_that_was_replaced_or_deleted_before_its_message_is_left_alone() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    it.world.seed("manifests", "foxes.jsonl", lines(JOB, JOB).encode())
    it.drop("gone.jsonl", lines(JOB))
    del it.world.container("manifests").stored["gone.jsonl"]
    await it.run()
    assert not it.world.stored_batches
    assert [report.what for report in it.scene.reports] == ["manifest_gone", "manifest_gone"]
