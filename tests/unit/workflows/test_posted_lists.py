"""A list over HTTP is a batch: started once, and completed also without its caller."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared.batches.reader import MAX_JOBS
from shared.batches.record import BatchState
from shared.errors import MalformedMessage, StoreUnavailable
from shared.http_api.batch_documents import SubmittedList, describe_begun, describe_rejected
from shared.http_api.job_documents import describe_job
from shared.http_api.problems import Refused
from shared.workflows.posted_lists import Begun, begin
from tests.simulation.manifests import JOB, Drop
from tests.simulation.steps import Crash

FOXES: list[dict[str, Any]] = [
    {**JOB, "job_id": "fox-1"},
    {**JOB, "n": 99},
    {**JOB, "prompt": "a hare"},
]
#: Effects on the world until a list of three is answered.
MOST_STEPS = 21


async def post(it: Drop, *jobs: Mapping[str, Any], key: str | None = None) -> SubmittedList:
    made = await begin(json.dumps(jobs).encode(), key, it.world, it.scene.configuration)
    it.scene.take_sent()
    if isinstance(made, Begun):
        return describe_begun(made.stored.value, made.page)
    return describe_rejected(made)


async def cut_off(it: Drop, at: int) -> None:
    """Post, and die at this step."""
    it.world.steps.crash_at = at
    with pytest.raises(Crash):
        await post(it, *FOXES)
    it.world.steps.crash_at = None
    it.scene.take_sent()


def whole(it: Drop) -> None:
    """The batch ended as it must, and each job was made once."""
    (event,) = {event["id"]: event for event in it.events}.values()
    assert it.batch.state is BatchState.COMPLETED
    data = event["data"]
    assert (data["succeeded"], data["rejected"], data["repeated"]) == (2, 1, 0)
    assert [result["state"] for result in it.results] == ["succeeded", "rejected", "succeeded"]
    assert len(it.world.stored_records) == 2
    assert len(it.world.endpoint.requests) == 2


async def test_a_list_is_answered_with_each_job_by_its_place_and_ends_in_one_event() -> None:
    it = Drop()
    told = await post(it, *FOXES)
    assert (told.accepted, told.refused) == (2, 1)
    first, bad, last = told.jobs
    assert (first.job_id, first.path, first.problem) == ("fox-1", "/api/jobs/fox-1", None)
    assert bad.problem is not None
    assert (bad.index, bad.problem.status, bad.problem.code) == (1, 400, "invalid_job")
    assert [fault.field for fault in bad.problem.faults] == ["n"]
    assert last.job_id in it.world.stored_records
    assert told.batch is not None
    assert (told.batch.read, told.batch.waits_for, told.batch.results_path) == (3, 1, None)
    assert describe_job(it.scene.record("fox-1")).batch_id == told.batch.batch_id
    await it.run()
    whole(it)
    assert it.batch.waits_for is None
    assert it.events[0]["data"]["manifest"]["container"] == "jobs"


async def test_the_longest_list_is_read_to_its_end_whatever_space_is_around_it() -> None:
    it = Drop()
    body = b"\n " + json.dumps([JOB] * MAX_JOBS, indent=2).encode() + b"\r\n"
    made = await begin(body, None, it.world, it.scene.configuration)
    assert isinstance(made, Begun)
    assert describe_begun(made.stored.value, made.page).accepted == MAX_JOBS
    await it.run()
    data = it.events[0]["data"]
    assert (data["succeeded"], data["file_faults"]) == (MAX_JOBS, [])


async def test_a_job_that_is_far_too_long_hides_none_that_comes_after_it() -> None:
    it = Drop()
    told = await post(it, JOB, {**JOB, "prompt": "x" * 600_000}, {**JOB, "prompt": "a hare"})
    assert (told.accepted, told.refused) == (2, 1)
    assert [job.problem and job.problem.code for job in told.jobs] == [
        None,
        "malformed_message",
        None,
    ]
    assert it.world.steps.taken.count("batch_pages.read") == 3
    await it.run()
    assert (it.events[0]["data"]["succeeded"], it.events[0]["data"]["file_faults"]) == (2, [])


async def test_an_id_of_another_job_is_told_by_its_place_and_its_id() -> None:
    it = Drop()
    await post(it, {**JOB, "job_id": "fox-1"})
    told = await post(it, JOB, {**JOB, "job_id": "fox-1", "n": 2})
    problem = told.jobs[1].problem
    assert problem is not None
    assert (problem.status, problem.code, problem.job_id) == (409, "conflict", "fox-1")


@pytest.mark.parametrize("at", range(MOST_STEPS))
async def test_a_list_cut_off_anywhere_is_completed_by_a_retry_and_made_once(at: int) -> None:
    it = Drop()
    await cut_off(it, at)
    await post(it, *FOXES)
    await it.run()
    whole(it)


@pytest.mark.parametrize("at", range(MOST_STEPS))
async def test_a_list_cut_off_and_never_sent_again_is_made_whole_or_not_at_all(at: int) -> None:
    it = Drop()
    await cut_off(it, at)
    await it.run()
    if it.world.stored_batches:
        whole(it)
    else:
        assert not it.world.stored_records


@pytest.mark.parametrize("at", range(MOST_STEPS))
async def test_a_retry_long_after_the_message_that_carried_on_changes_nothing(at: int) -> None:
    it = Drop()
    await cut_off(it, at)
    await it.run()
    told = await post(it, *FOXES)
    await it.run()
    whole(it)
    assert told.accepted == 2


async def test_the_cuts_reach_every_step_of_a_list() -> None:
    it = Drop()
    await post(it, *FOXES)
    assert len(it.world.steps.taken) == MOST_STEPS


async def test_a_list_that_failed_in_the_middle_is_taken_up_by_its_message() -> None:
    it = Drop()
    it.world.steps.failing["records.create"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await post(it, *FOXES)
    it.scene.take_sent()
    await it.run()
    whole(it)


async def test_the_same_list_sent_again_is_the_batch_that_it_was() -> None:
    it = Drop()
    first, again = await post(it, *FOXES), await post(it, *FOXES)
    await it.run()
    late = await post(it, *FOXES)
    await it.run()
    assert first.jobs == again.jobs == late.jobs
    whole(it)
    assert late.batch is not None
    assert (late.batch.state, late.batch.counts.entries) == ("completed", 3)
    assert late.batch.results_path == f"{late.batch.path}/results"


async def test_with_another_key_the_same_list_is_another_batch() -> None:
    it = Drop()
    one, two = await post(it, JOB, key="one"), await post(it, JOB, key="two")
    assert one.jobs[0].job_id != two.jobs[0].job_id
    await it.run()
    assert len(it.events) == 2


async def test_a_key_belongs_to_one_list_also_where_nothing_was_begun_of_it() -> None:
    it = Drop()
    await post(it, JOB, key="one")
    with pytest.raises(Refused) as refusal:
        await post(it, JOB, JOB, key="one")
    assert refusal.value.problem.code == "batch_conflict"
    it.world.steps.failing["batches.create"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await post(it, JOB, key="two")
    with pytest.raises(Refused):
        await post(it, JOB, JOB, key="two")
    await it.run()
    assert len(it.world.stored_records) == 1


async def test_a_list_without_a_job_that_can_be_made_leaves_nothing() -> None:
    it = Drop()
    told = await post(it, {}, {**JOB, "model": "unheard-of"})
    assert (told.accepted, told.refused, told.batch) == (0, 2, None)
    codes = [job.problem and job.problem.code for job in told.jobs]
    assert codes == ["invalid_job", "unsupported_request"]
    with pytest.raises(MalformedMessage):
        await begin(b"{}", None, it.world, it.scene.configuration)
    assert it.world.steps.taken == ["batches.read"]
