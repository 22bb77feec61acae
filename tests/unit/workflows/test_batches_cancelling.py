"""A batch that is cancelled: nothing more begins, and it completes with what it has."""

import json

from shared.batches.record import PAGE_ENTRIES, BatchState
from shared.records.record import JobState
from shared.workflows.batches import cancel_batch
from shared.workflows.posted_lists import begin
from tests.simulation.manifests import JOB, Drop

#: Steps until the jobs of a page and of half of the next one have begun.
ONE_PAGE_AND_A_HALF = 600


def states(it: Drop) -> set[JobState]:
    return {stored.value.state for stored in it.world.stored_records.values()}


async def posted(it: Drop, count: int) -> None:
    body = json.dumps([JOB] * count).encode()
    await begin(body, None, it.world, it.scene.configuration)


async def test_the_running_jobs_of_a_cancelled_batch_are_cancelled_and_it_completes() -> None:
    it = Drop()
    await posted(it, 90)
    await cancel_batch(it.batch.batch_id, it.world, it.scene.configuration)
    it.scene.take_sent()
    await it.run()
    assert it.batch.state is BatchState.COMPLETED
    (event,) = it.events
    made, cancelled = event["data"]["succeeded"], event["data"]["cancelled"]
    assert cancelled > 0
    assert made + cancelled == 90
    assert len(it.world.endpoint.requests) == made


async def test_the_rest_of_a_file_is_not_read_once_its_batch_is_cancelled() -> None:
    it = Drop()
    rows = "".join(f"fox {number},gpt-image-2,low\n" for number in range(3 * PAGE_ENTRIES))
    it.drop("foxes.csv", "prompt,model,quality\n" + rows)
    await it.scene.run_until_death(ONE_PAGE_AND_A_HALF)
    assert (it.batch.state, it.batch.pages) == (BatchState.READING, 1)
    await cancel_batch(it.batch.batch_id, it.world, it.scene.configuration)
    it.scene.take_sent()
    await it.run()
    assert it.batch.state is BatchState.COMPLETED
    (event,) = it.events
    assert event["data"]["entries"] == event["data"]["cancelled"] == 2 * PAGE_ENTRIES
    assert "cancelled" in event["data"]["file_faults"][0]["message"]
    assert states(it) == {JobState.CANCELLED}


async def test_a_completed_batch_stays_as_it_is() -> None:
    it = Drop()
    await posted(it, 2)
    it.scene.take_sent()
    await it.run()
    before = it.batch
    await cancel_batch(before.batch_id, it.world, it.scene.configuration)
    assert it.batch == before
    assert states(it) == {JobState.SUCCEEDED}
