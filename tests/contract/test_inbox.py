"""Queues that are read: the same in memory and on Azurite, by the adapters of the client."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.errors import NoSuchQueue, StoreUnavailable, TooLarge
from shared.ports import Inbox
from tests.contract.conftest import Account, real_by

MINUTE = timedelta(minutes=1)


@pytest.fixture(params=["memory", "sync", "async"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    async with real_by(request.param, request) as made:
        yield made


async def test_a_message_is_hidden_while_somebody_has_it(queues: Inbox, queue: str) -> None:
    sent = await queues.send(queue, "狐".encode())
    (message,) = await queues.receive(queue, limit=8, hidden=MINUTE)
    assert (message.message_id, message.text) == (sent.message_id, "狐")
    assert await queues.receive(queue, limit=8, hidden=MINUTE) == []
    assert await queues.count(queue) == 1
    await queues.show(queue, message)
    (again,) = await queues.receive(queue, limit=8, hidden=MINUTE)
    await queues.delete(queue, again)
    assert await queues.count(queue) == 0


async def test_a_message_that_somebody_else_has_by_now_is_left_to_them(
    queues: Inbox, queue: str
) -> None:
    await queues.send(queue, b"{}")
    (first,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    await queues.show(queue, first)
    (second,) = await queues.receive(queue, limit=1, hidden=MINUTE)
    await queues.delete(queue, first)
    await queues.show(queue, first)
    assert await queues.count(queue) == 1
    await queues.delete(queue, second)
    await queues.delete(queue, second)
    assert await queues.count(queue) == 0


async def test_no_more_messages_than_the_limit_are_taken(queues: Inbox, queue: str) -> None:
    for _ in range(3):
        await queues.send(queue, b"{}")
    assert len(await queues.receive(queue, limit=2, hidden=MINUTE)) == 2


async def test_a_hidden_message_is_deleted_by_its_receipt(queues: Inbox, queue: str) -> None:
    sent = await queues.send(queue, b"{}", delay=MINUTE)
    assert await queues.receive(queue, limit=1, hidden=MINUTE) == []
    assert await queues.count(queue) == 1
    await queues.delete(queue, sent)
    assert await queues.count(queue) == 0


async def test_errors_name_what_does_not_exist_or_is_too_long(real: Account | None) -> None:
    if real is None:
        pytest.skip("the words are those of the client's adapters")
    with pytest.raises(NoSuchQueue, match="no queue 'no-such-queue' in this account"):
        await real.queues.send("no-such-queue", b"{}")
    with pytest.raises(TooLarge, match="65,537 bytes"):
        await real.queues.send("no-such-queue", b"x" * 65_537)
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound; is this the app's account"):
        await real.blobs.put("a", b"")
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound"):
        await real.blobs.read("a")
