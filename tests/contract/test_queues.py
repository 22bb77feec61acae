"""Queues: the same in memory and on Azurite, by the adapters of the app and of the client."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.storage.queues import MAX_DELAY_SECONDS, visibility
from shared.errors import NoSuchQueue, StoreUnavailable, TooLarge
from shared.jobs.parsing import MAX_MESSAGE_BYTES
from shared.ports import Queues
from shared.stores import waiting_tasks
from shared.stores.ledgers import PoolLedgers
from tests.contract.conftest import Account, real_by
from tests.fakes.memory import MemoryQueues
from tests.fakes.world import SETTINGS

MINUTE = timedelta(minutes=1)
JSON = '{"prompt": "a lighthouse & <a> Küste, 海"}'.encode()


@pytest.fixture(params=["memory", "rest", "sync", "async"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    async with real_by(request.param, request) as made:
        yield made


async def bodies(queues: Queues, real: Account | None, queue: str) -> list[bytes]:
    """What can be seen on the queue now."""
    if isinstance(queues, MemoryQueues):
        seen = await queues.receive(queue, limit=32, hidden=timedelta())
        return [message.text.encode() for message in seen]
    assert real is not None
    peeked = await real.client.queues.get_queue_client(queue).peek_messages(32)
    return [message.content.encode() for message in peeked]


async def test_a_message_is_taken_by_one_and_gone_when_it_is_deleted(
    queues: Queues, queue: str
) -> None:
    sent = await queues.send(queue, JSON)
    (taken,) = await queues.receive(queue, limit=32, hidden=MINUTE)
    assert (taken.message_id, taken.text.encode()) == (sent.message_id, JSON)
    assert timedelta() < taken.until - datetime.now(UTC) < 2 * MINUTE
    assert await queues.receive(queue, limit=32, hidden=MINUTE) == []
    await queues.delete(queue, taken)
    await queues.delete(queue, taken)  # it is gone: nothing to do


async def test_what_was_sent_is_known_by_its_id_and_time(queues: Queues, queue: str) -> None:
    sent = await queues.send(queue, JSON)
    assert sent.message_id
    assert sent.receipt
    assert abs(datetime.now(UTC) - sent.inserted_at) < timedelta(minutes=2)


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


async def test_what_is_visible_is_peeked_at_and_stays_and_everything_is_counted(
    queues: Queues, queue: str
) -> None:
    assert (await queues.peek(queue, limit=32), await queues.count(queue)) == ([], 0)
    for _ in range(3):
        await queues.send(queue, JSON)
    await queues.send(queue, b"hidden", delay=timedelta(days=1))
    assert await queues.peek(queue, limit=2) == [JSON.decode()] * 2
    assert await queues.peek(queue, limit=32) == [JSON.decode()] * 3
    assert await queues.count(queue) == 4
    with pytest.raises(NoSuchQueue, match="no-such-queue"):
        await queues.peek("no-such-queue", limit=1)
    with pytest.raises(NoSuchQueue, match="no-such-queue"):
        await queues.count("no-such-queue")


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


async def test_a_lane_of_the_version_before_is_emptied_and_those_that_are_gone_are_no_error(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane, tasks = await account.queue(), f"{account.name}tasks"
    monkeypatch.setattr(waiting_tasks, "FORMER_LANES", (f"{lane}gone", lane))
    settings = SETTINGS.model_copy(update={"tasks_queue": tasks})
    await account.client.queues.create_queue(tasks)
    for _ in range(40):
        await account.queues.send(lane, JSON)
    await account.queues.send(lane, JSON, delay=timedelta(days=1))
    clock = SystemClock()
    pools = PoolLedgers(account.blobs, clock)
    waiting = waiting_tasks.WaitingTasks(account.queues, pools, clock, settings)
    assert await waiting.empty_lanes() == 40
    assert await bodies(account.queues, account, lane) == []
    assert await bodies(account.queues, account, tasks) == [JSON] * 32
    assert await waiting.empty_lanes() == 0


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


async def test_a_message_is_put_back_with_another_body_and_for_later(
    queues: Queues, queue: str
) -> None:
    sent = await queues.send(queue, b"{}")
    (first,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    await queues.put_back(queue, first, JSON)
    (second,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    assert (second.message_id, second.text.encode()) == (sent.message_id, JSON)
    await queues.put_back(queue, second, JSON, delay=timedelta(days=7))
    await queues.put_back(queue, second, b"{}")  # its time is up
    assert await queues.receive(queue, limit=1, hidden=MINUTE) == []
    assert await queues.count(queue) == 1


async def test_a_message_is_hidden_while_somebody_has_it(queues: Queues, queue: str) -> None:
    sent = await queues.send(queue, "狐".encode())
    (message,) = await queues.receive(queue, limit=8, hidden=MINUTE)
    assert (message.message_id, message.text) == (sent.message_id, "狐")
    assert await queues.receive(queue, limit=8, hidden=MINUTE) == []
    assert await queues.count(queue) == 1
    await queues.put_back(queue, message, message.text.encode())
    (again,) = await queues.receive(queue, limit=8, hidden=MINUTE)
    await queues.delete(queue, again)
    assert await queues.count(queue) == 0


async def test_a_message_that_somebody_else_has_by_now_is_left_to_them(
    queues: Queues, queue: str
) -> None:
    await queues.send(queue, b"{}")
    (first,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    await queues.put_back(queue, first, b"{}")
    (second,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    await queues.delete(queue, first)
    await queues.put_back(queue, first, b"{}")
    assert await queues.count(queue) == 1
    await queues.delete(queue, second)
    await queues.delete(queue, second)
    assert await queues.count(queue) == 0


async def test_no_more_messages_than_the_limit_are_taken(queues: Queues, queue: str) -> None:
    for _ in range(3):
        await queues.send(queue, b"{}")
    assert len(await queues.receive(queue, limit=2, hidden=MINUTE)) == 2


async def test_a_hidden_message_is_deleted_by_its_receipt(queues: Queues, queue: str) -> None:
    sent = await queues.send(queue, b"{}", delay=MINUTE)
    assert await queues.receive(queue, limit=1, hidden=MINUTE) == []
    assert await queues.count(queue) == 1
    await queues.delete(queue, sent)
    assert await queues.count(queue) == 0


@pytest.mark.parametrize("real", ["sync", "async"], indirect=True)
async def test_errors_name_what_does_not_exist_or_is_too_long(real: Account | None) -> None:
    """In the words of the client's adapters."""
    assert real
    with pytest.raises(NoSuchQueue, match="no queue 'no-such-queue' in this account"):
        await real.queues.send("no-such-queue", b"{}")
    with pytest.raises(TooLarge, match="65,537 bytes"):
        await real.queues.send("no-such-queue", b"x" * 65_537)
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound; is this the app's account"):
        await real.blobs.put("a", b"")
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound"):
        await real.blobs.read("a")
