"""Events published over queues: the same in memory and on Azurite."""

import json
import logging

import pytest
from cloudevents.core.v1.event import CloudEvent

from shared.errors import StoreUnavailable
from shared.events.cloud_events import to_json
from shared.events.delivery import read_delivery
from shared.ports import Queues
from shared.stores.publisher import MOST_QUEUES, QUEUE_MISSING_FOR, Publisher
from tests.contract.conftest import Account
from tests.contract.test_queues import bodies
from tests.fakes.memory import MemoryQueues
from tests.fakes.sinks import FakeSink
from tests.fakes.world import FakeClock

EVENT = CloudEvent(
    {"id": "1", "source": "/image-jobs", "type": "image.job.failed", "subject": "jobs/job-1"},
    {"job_id": "job-1"},
)


def publisher_to(queues: Queues, events_queue: str, *sinks: FakeSink) -> Publisher:
    return Publisher(queues, events_queue, events_queue, FakeClock(), sinks)


async def test_an_event_goes_to_the_events_queue_and_to_the_reply_queue(
    queues: Queues, real: Account | None, queue: str
) -> None:
    publisher = publisher_to(queues, queue)
    await publisher.publish(EVENT, reply_to=None)
    await publisher.publish(EVENT, reply_to=queue)
    assert await bodies(queues, real, queue) == [to_json(EVENT)] * 3


async def test_a_reply_queue_that_does_not_exist_is_passed_over(
    queues: Queues, real: Account | None, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = publisher_to(queues, queue)
    with caplog.at_level(logging.WARNING):
        await publisher.publish(EVENT, reply_to="no-such-queue")
    assert await bodies(queues, real, queue) == [to_json(EVENT)]
    assert "no-such-queue" in caplog.text


async def test_a_reply_queue_that_does_not_exist_is_found_out(queues: Queues, queue: str) -> None:
    publisher = publisher_to(queues, queue)
    assert await publisher.is_missing("no-such-queue")
    assert not await publisher.is_missing(queue)


async def test_a_flood_of_jobs_does_not_cost_a_look_each() -> None:
    looks: list[str] = []

    async def look(operation: str, queue: str) -> None:
        looks.append(f"{operation} {queue}")

    publisher = publisher_to(MemoryQueues(missing={"replies-b"}, before=look), "events")
    for _ in range(50):
        assert not await publisher.is_missing("replies-a")
        assert await publisher.is_missing("replies-b")
    assert looks == ["oldest replies-a", "oldest replies-b"]


async def test_a_reply_queue_that_was_made_meanwhile_is_found() -> None:
    queues, clock = MemoryQueues(missing={"replies-a"}), FakeClock()
    publisher = Publisher(queues, "events", "deliveries", clock)
    assert await publisher.is_missing("replies-a")
    queues.missing.clear()
    clock.advance(QUEUE_MISSING_FOR)
    assert not await publisher.is_missing("replies-a")


async def test_a_process_remembers_a_bounded_number_of_reply_queues() -> None:
    publisher = publisher_to(MemoryQueues(), "events")
    for nth in range(MOST_QUEUES + 5):
        await publisher.is_missing(f"replies-{nth}")
    assert len(publisher.known_queues) <= MOST_QUEUES


async def test_a_queue_is_not_missing_because_storage_does_not_say() -> None:
    async def fail(operation: str, queue: str) -> None:
        raise StoreUnavailable(f"{operation} {queue}: 403 AuthorizationPermissionMismatch")

    publisher = publisher_to(MemoryQueues(before=fail), "events")
    assert not await publisher.is_missing("replies-a")


async def test_an_events_queue_that_does_not_exist_is_told(queues: Queues, queue: str) -> None:
    assert queue
    with pytest.raises(StoreUnavailable):
        await publisher_to(queues, "no-such-queue").publish(EVENT, reply_to=None)


async def test_each_sink_that_wants_an_event_has_a_delivery(
    queues: Queues, real: Account | None, queue: str
) -> None:
    sinks = FakeSink("one"), FakeSink("two"), FakeSink("three", types={"image.job.parked"})
    await publisher_to(queues, queue, *sinks).publish(EVENT, reply_to=None)
    event, *deliveries = await bodies(queues, real, queue)
    assert event == to_json(EVENT)
    sent = [read_delivery(body) for body in deliveries]
    assert [delivery.sink for delivery in sent] == ["one", "two"]
    assert {(delivery.tries, delivery.since) for delivery in sent} == {(0, FakeClock().now())}
    assert all(delivery.event == json.loads(event) for delivery in sent)


async def test_a_callback_has_a_delivery_with_its_url(
    queues: Queues, real: Account | None, queue: str
) -> None:
    hook = "https://hooks.example/in"
    publisher = publisher_to(queues, queue, FakeSink("one"))
    await publisher.publish(EVENT, reply_to=None, callback=hook)
    _, *deliveries = await bodies(queues, real, queue)
    sent = [read_delivery(body) for body in deliveries]
    assert [(each.sink, each.url) for each in sent] == [("one", None), ("callback", hook)]
    assert b"url" not in deliveries[0], "a version before knows no such member"
