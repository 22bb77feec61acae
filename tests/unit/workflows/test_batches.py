"""A manifest becomes jobs, each once, and one event when the last of them has ended."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from local.contracts.schemas import ROOT, batch_schema, result_schema
from tests.simulation.manifests import JOB, Drop, as_cloudevent, lines, notice
from tests.simulation.scene import png

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


@pytest.mark.parametrize(("written", "pictures"), [("jsonl", 3), ("csv", 5)])
async def test_the_examples_of_the_page_are_made(written: str, pictures: int) -> None:
    example = re.findall(rf"^```{written}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    it = Drop()
    it.drop(f"foxes.{written}", example[0])
    await it.run()
    data = it.events[0]["data"]
    assert (data["entries"], data["succeeded"], data["images"]) == (2, 2, pictures)


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


async def test_a_manifest_that_was_replaced_or_deleted_before_its_message_is_left_alone() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    it.world.seed("manifests", "foxes.jsonl", lines(JOB, JOB).encode())
    it.drop("gone.jsonl", lines(JOB))
    del it.world.container("manifests").stored["gone.jsonl"]
    await it.run()
    assert not it.world.stored_batches
    assert [report.what for report in it.scene.reports] == ["manifest_gone", "manifest_gone"]


async def test_all_jobs_of_a_file_are_of_the_tenant_of_its_folder() -> None:
    it = Drop()
    it.world.seed("inputs", "shop/a.png", png(1200, 800))
    it.world.seed("inputs", "press/a.png", png(1200, 800))
    edits = [{**JOB, "inputs": [f"{folder}/a.png"]} for folder in ("shop", "press")]
    named = [{**JOB, "tenant": each} for each in ("shop", "press")]
    it.drop("tenants/shop/foxes.jsonl", lines(JOB, *named, *edits))
    await it.run()
    (event,) = it.events
    assert (event["tenant"], event["data"]["tenant"]) == ("shop", "shop")
    Draft202012Validator(batch_schema()).validate(event)
    assert [result["state"] for result in it.results] == [
        *("succeeded", "succeeded", "rejected", "succeeded", "rejected")
    ]
    assert {result["tenant"] for result in it.results} == {"shop"}
    assert {record.job.tenant for record in it.scene.records()} == {"shop"}
    codes = [result["code"] for result in it.results if result["state"] == "rejected"]
    assert codes == ["not_allowed", "not_allowed"]


@pytest.mark.parametrize("name", ["tenants/Shop/foxes.jsonl", "tenants/foxes.jsonl"])
async def test_nothing_of_a_file_is_made_whose_folder_is_no_tenants(name: str) -> None:
    it = Drop()
    it.drop(name, lines(JOB))
    await it.run()
    data = it.events[0]["data"]
    assert (data["entries"], data["tenant"]) == (0, None)
    assert "is not the name of a tenant" in data["file_faults"][0]["message"]
    assert not it.scene.records()


async def test_a_tenant_that_is_not_served_is_rejected_row_by_row() -> None:
    it = Drop(TENANTS='[{"name": "press"}]', UNKNOWN_TENANTS="reject")
    it.drop("tenants/shop/foxes.csv", "prompt,tenant\na fox,\nan owl,press\n")
    await it.run()
    assert [result["code"] for result in it.results] == ["not_allowed", "not_allowed"]
