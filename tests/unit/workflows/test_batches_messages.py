"""One message at a time moves a batch, whatever comes, comes again, or dies."""

from datetime import timedelta
from typing import Any

import pytest

from shared.batches.record import PAGE_ENTRIES
from shared.jobs.parsing import Message
from shared.records.dead_letter import read_dead_letter
from shared.records.record import JobState
from shared.workflows.batches import LONGEST_WAIT, advance, cancel_batch
from shared.workflows.finishing import BLOB_AGAIN
from tests.simulation.manifests import JOB, Drop, lines
from tests.simulation.scene import Delivery


@pytest.mark.parametrize(
    "message",
    [
        {"eventType": "Microsoft.Storage.BlobDeleted", "subject": "x", "data": {}},
        {"eventType": "Microsoft.Storage.BlobCreated", "data": {"api": "CreateFile"}},
        {
            "eventType": "Microsoft.Storage.BlobCreated",
            "subject": "/blobServices/default/containers/images/blobs/x.json",
            "data": {},
        },
    ],
)
async def test_an_event_of_something_else_starts_nothing(message: dict[str, Any]) -> None:
    it = Drop()
    it.report(message)
    await it.run()
    assert [report.what for report in it.scene.reports] == ["ignored"]


@pytest.mark.parametrize(
    "message",
    [{}, {"eventType": "Microsoft.Storage.BlobCreated", "subject": "/x"}, {"batch_id": 1}],
)
async def test_a_message_that_says_nothing_is_kept(message: dict[str, Any]) -> None:
    it = Drop()
    it.report(message)
    await it.run()
    assert [report.what for report in it.scene.reports] == ["malformed"]
    assert len(it.world.letters) == 1


async def test_what_the_platform_gave_up_on_is_kept_and_the_batch_goes_on() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    it.scene.waiting[0].queue = "image-manifests-poison"
    await it.run()
    assert len(it.world.letters) == 1
    assert it.events[0]["data"]["succeeded"] == 1


async def test_a_batch_of_several_pages_keeps_its_order() -> None:
    it = Drop()
    count = 2 * PAGE_ENTRIES + 7
    rows = "".join(f"fox {n},gpt-image-2,low,{n}\n" for n in range(count))
    it.drop("foxes.csv", "prompt,model,quality,tag_n\n" + rows)
    await it.run()
    assert [result["tags"]["n"] for result in it.results] == [str(n) for n in range(count)]
    assert it.events[0]["data"]["succeeded"] == count
    assert (it.batch.pages, it.batch.collected) == (3, 3)


async def test_while_its_jobs_run_a_batch_is_looked_at_less_and_less_often() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    message = it.scene.waiting.pop().message
    waits = []
    for _ in range(12):
        await advance(message, it.world, it.scene.configuration)
        (back,) = [each for each in it.world.queues.sent if each.queue == "image-manifests"]
        it.world.queues.sent.clear()
        waits.append(back.delay.total_seconds())
        it.world.clock.advance(back.delay)
        message = Message(back.body, "m", it.world.clock.now())
    assert waits == sorted(waits)
    assert waits[0] <= 1
    assert waits[-1] == LONGEST_WAIT


#: A run of the batch below takes fewer steps than this.
MOST_STEPS = 110


@pytest.mark.parametrize("crash_at", range(MOST_STEPS))
async def test_a_process_that_dies_at_any_step_loses_no_line_and_pays_none_twice(
    crash_at: int,
) -> None:
    it = Drop(ON_UNKNOWN_OUTCOME="fail")
    it.world.steps.crash_at = crash_at
    it.drop("foxes.jsonl", lines(JOB, {"prompt": ""}, {**JOB, "job_id": "fox-2"}))
    await it.run()
    data = it.events[0]["data"]
    assert (data["entries"], data["rejected"]) == (3, 1)
    assert data["succeeded"] + data["failed"] == 2
    assert len({event["id"] for event in it.events}) == 1
    assert len(it.world.stored_records) == 2
    assert len(it.world.endpoint.requests) <= 2
    assert [result["repeated"] for result in it.results] == [False] * 3
    assert it.batch.sent_at


async def test_the_crashes_reach_every_step_of_a_batch() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB, {"prompt": ""}, {**JOB, "job_id": "fox-2"}))
    await it.run()
    assert len(it.world.steps.taken) < MOST_STEPS


async def test_many_messages_of_one_batch_become_one() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB), times=20)
    began = it.world.clock.now()
    waiting: list[Delivery] = []
    # The tasks are not delivered, so the batch waits.
    while it.world.clock.now() < began + timedelta(hours=1):
        it.scene.take_sent()
        waiting = [each for each in it.scene.waiting if each.queue == "image-manifests"]
        first = min(waiting, key=lambda each: each.due)
        it.scene.waiting.remove(first)
        await it.scene.deliver(first)
    assert len(waiting) == 1


async def test_a_batch_whose_record_is_leased_waits_and_then_goes_on() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    await it.scene.deliver(it.scene.waiting.pop())
    (back,) = [each for each in it.world.queues.sent if each.queue == "image-manifests"]
    message = Message(back.body, "m", it.world.clock.now() + back.delay)
    (name,) = [n for n in it.world.container("jobs").stored if n.endswith("/batch.json")]
    it.world.container("jobs").leased.add(name)
    report = await advance(message, it.world, it.scene.configuration)
    assert report.what == "waiting"
    assert name in report.facts["why"]
    assert it.world.queues.sent[-1].body == back.body
    assert it.world.queues.sent[-1].delay == BLOB_AGAIN
    it.world.container("jobs").leased.clear()
    await it.run()
    assert it.events[0]["data"]["succeeded"] == 1


async def test_a_batch_whose_record_is_damaged_is_kept_once() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines(JOB))
    await it.scene.deliver(it.scene.waiting.pop())
    (name,) = [n for n in it.world.container("jobs").stored if n.endswith("/batch.json")]
    it.world.seed("jobs", name, b"{")
    await it.run()
    assert [report.what for report in it.scene.reports][-1] == "failed"
    (letter,) = map(read_dead_letter, it.world.letters.values())
    assert "cannot read" in letter.why


async def test_a_leased_job_does_not_keep_a_batch_from_being_cancelled() -> None:
    it = Drop()
    it.drop("foxes.jsonl", lines({**JOB, "job_id": "one"}, {**JOB, "job_id": "two"}))
    await it.scene.deliver(it.scene.waiting.pop())
    it.world.container("jobs").leased.add("one.json")
    await cancel_batch(it.batch.batch_id, it.world, it.scene.configuration)
    it.scene.take_sent()
    it.scene.waiting = [each for each in it.scene.waiting if each.queue == "image-manifests"]
    for _ in range(3):
        await it.scene.deliver(it.scene.waiting.pop(0))
        it.scene.take_sent()
    assert it.world.record("two").state is JobState.CANCELLED
    it.world.container("jobs").leased.clear()
    await it.run()
    assert it.world.record("one").state is JobState.CANCELLED
    assert it.events[0]["data"]["cancelled"] == 2
