"""Queues and announcements: the same on a fake and on real queues."""

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from cloudevents.core.v1.event import CloudEvent

from shared.adapters.publisher import EventPublisher
from shared.adapters.storage.queues import MAX_DELAY_SECONDS, MAX_MESSAGE_BYTES, visibility
from shared.errors import NoSuchQueue, StoreUnavailable, TooLarge
from shared.events.cloud_events import to_json
from shared.events.delivery import read_delivery
from shared.ports import Queues
from tests.contract.conftest import Account
from tests.fakes.sinks import FakeSink
from tests.fakes.world import FakeClock, FakeQueues

JSON = '{"prompt": "a lighthouse & <a> Küste, 海"}'.encode()


@pytest.fixture
async def queues(real: Account | None) -> Queues:
    return real.queues if real else FakeQueues()


@pytest.fixture
async def queue(real: Account | None, queues: Queues) -> str:
    if isinstance(queues, FakeQueues):
        queues.missing.add("no-such-queue")
    return await real.queue() if real else "image-jobs"


async def bodies(queues: Queues, real: Account | None, queue: str) -> list[bytes]:
    """What can be seen on the queue now."""
    if isinstance(queues, FakeQueues):
        return [sent.body for sent in queues.sent if sent.queue == queue and not sent.delay]
    assert real is not None
    peeked = await real.client.queues.get_queue_client(queue).peek_messages(32)
    return [message.content.encode() for message in peeked]


async def test_a_message_arrives_as_it_was_sent(
    queues: Queues, real: Account | None, queue: str
) -> None:
    await queues.send(queue, JSON)
    assert await bodies(queues, real, queue) == [JSON]


async def test_a_delayed_message_is_not_seen_yet(
    queues: Queues, real: Account | None, queue: str
) -> None:
    await queues.send(queue, JSON, delay=timedelta(days=7))
    assert await bodies(queues, real, queue) == []


async def test_the_oldest_message_that_waits_is_told_and_none_of_the_hidden(
    queues: Queues, queue: str
) -> None:
    assert await queues.oldest(queue) is None
    await queues.send(queue, JSON, delay=timedelta(days=1))
    assert await queues.oldest(queue) is None
    await queues.send(queue, JSON)
    sent_at = await queues.oldest(queue)
    assert sent_at is not None
    assert abs(datetime.now(UTC) - sent_at) < timedelta(minutes=2)


async def test_a_queue_that_is_not_there_cannot_be_looked_at(
    queues: Queues, real: Account | None, queue: str
) -> None:
    del real, queue
    with pytest.raises(NoSuchQueue, match="no-such-queue"):
        await queues.oldest("no-such-queue")


async def test_the_largest_message_fits(queues: Queues, real: Account | None, queue: str) -> None:
    body = b"&" * MAX_MESSAGE_BYTES
    await queues.send(queue, body)
    assert await bodies(queues, real, queue) == [body]


async def test_a_message_one_byte_larger_is_told(queues: Queues, queue: str) -> None:
    with pytest.raises(TooLarge, match="65,537 bytes"):
        await queues.send(queue, b"x" * (MAX_MESSAGE_BYTES + 1))


async def test_a_queue_that_does_not_exist_is_told(queues: Queues, queue: str) -> None:
    assert queue
    with pytest.raises(NoSuchQueue, match="no-such-queue"):
        await queues.send("no-such-queue", JSON)


async def test_a_message_never_expires(account: Account) -> None:
    queue = await account.queue()
    await account.queues.send(queue, JSON)
    client = account.client.queues.get_queue_client(queue)
    message = await client.receive_message()
    assert message is not None
    assert message.expires_on is not None
    assert message.expires_on.year == 9999


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (timedelta(), 0),
        (timedelta(milliseconds=1), 1),
        (timedelta(seconds=2.5), 3),
        (timedelta(seconds=-5), 0),
        (timedelta(days=8), MAX_DELAY_SECONDS),
    ],
)
def test_a_delay_is_brought_to_what_a_queue_takes(delay: timedelta, seconds: int) -> None:
    assert visibility(delay) == seconds


EVENT = CloudEvent(
    {"id": "1", "source": "/image-jobs", "type": "image.job.failed", "subject": "jobs/job-1"},
    {"job_id": "job-1"},
)


def announcing(queues: Queues, events_queue: str, *sinks: FakeSink) -> EventPublisher:
    return EventPublisher(queues, events_queue, events_queue, FakeClock(), sinks)


async def test_an_event_goes_to_the_events_queue_and_to_the_reply_queue(
    queues: Queues, real: Account | None, queue: str
) -> None:
    publisher = announcing(queues, queue)
    await publisher.publish(EVENT, reply_to=None)
    await publisher.publish(EVENT, reply_to=queue)
    assert await bodies(queues, real, queue) == [to_json(EVENT)] * 3


async def test_a_reply_queue_that_does_not_exist_is_passed_over(
    queues: Queues, real: Account | None, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    publisher = announcing(queues, queue)
    with caplog.at_level(logging.WARNING):
        await publisher.publish(EVENT, reply_to="no-such-queue")
    assert await bodies(queues, real, queue) == [to_json(EVENT)]
    assert "no-such-queue" in caplog.text


async def test_an_events_queue_that_does_not_exist_is_told(queues: Queues, queue: str) -> None:
    assert queue
    with pytest.raises(StoreUnavailable):
        await announcing(queues, "no-such-queue").publish(EVENT, reply_to=None)


async def test_each_sink_that_wants_an_event_has_a_dispatch_of_its_own(
    queues: Queues, real: Account | None, queue: str
) -> None:
    sinks = FakeSink("one"), FakeSink("two"), FakeSink("three", types={"image.job.parked"})
    await announcing(queues, queue, *sinks).publish(EVENT, reply_to=None)
    event, *dispatches = await bodies(queues, real, queue)
    assert event == to_json(EVENT)
    sent = [read_delivery(body) for body in dispatches]
    assert [dispatch.sink for dispatch in sent] == ["one", "two"]
    assert {(dispatch.tries, dispatch.since) for dispatch in sent} == {(0, FakeClock().now())}
    assert all(dispatch.event == json.loads(event) for dispatch in sent)
