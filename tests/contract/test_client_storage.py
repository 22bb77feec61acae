"""The client's storage: the fake, and both sides of the real one, under the same assertions."""

import inspect
import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.client.async_storage import AsyncStorage
from shared.client.configuration import configured
from shared.client.results import NoSuchBlob
from shared.client.storage import Storage
from shared.client.sync_storage import SyncStorage
from shared.errors import NoSuchQueue, StoreUnavailable, TooLarge
from tests.fakes.account import FakeStorage

NAME = f"t{uuid.uuid4().hex}"


@pytest.fixture(params=["fake", "synchronous", "asynchronous"])
async def storage(request: pytest.FixtureRequest) -> AsyncIterator[Storage]:
    if request.param == "fake":
        yield FakeStorage()
        return
    text = request.getfixturevalue("azurite")
    settings = configured({"ImageStorage": text}).settings
    with (
        QueueServiceClient.from_connection_string(text) as queues,
        BlobServiceClient.from_connection_string(text) as blobs,
    ):
        queues.create_queue(NAME)
        blobs.create_container(NAME)
        kind = SyncStorage if request.param == "synchronous" else AsyncStorage
        made: Storage = kind(settings)
        yield made
        await made.close()
        queues.delete_queue(NAME)
        blobs.delete_container(NAME)


async def test_a_message_is_hidden_while_somebody_has_it(storage: Storage) -> None:
    sent = await storage.send(NAME, "狐".encode())
    (message,) = await storage.receive(NAME, most=8, hidden_seconds=60)
    assert (message.message_id, message.text) == (sent.message_id, "狐")
    assert await storage.receive(NAME, most=8, hidden_seconds=60) == []
    assert await storage.count(NAME) == 1
    await storage.put_back(NAME, message)
    (again,) = await storage.receive(NAME, most=8, hidden_seconds=60)
    await storage.delete(NAME, again)
    assert await storage.count(NAME) == 0


async def test_a_message_that_is_somebody_elses_by_now_is_left_to_them(storage: Storage) -> None:
    await storage.send(NAME, b"{}")
    (first,) = await storage.receive(NAME, most=1, hidden_seconds=60)
    await storage.put_back(NAME, first)
    (second,) = await storage.receive(NAME, most=1, hidden_seconds=60)
    await storage.delete(NAME, first)
    await storage.put_back(NAME, first)
    assert await storage.count(NAME) == 1
    await storage.delete(NAME, second)
    await storage.delete(NAME, second)
    assert await storage.count(NAME) == 0


async def test_at_most_so_many_messages_are_taken(storage: Storage) -> None:
    for _ in range(3):
        await storage.send(NAME, b"{}")
    assert len(await storage.receive(NAME, most=2, hidden_seconds=60)) == 2


async def test_a_hidden_message_is_taken_back_unseen(storage: Storage) -> None:
    sent = await storage.send(NAME, b"{}", hidden_seconds=60)
    assert await storage.receive(NAME, most=1, hidden_seconds=60) == []
    assert sent.receipt
    assert await storage.count(NAME) == 1


async def test_a_blob_is_written_once(storage: Storage) -> None:
    assert await storage.read(NAME, "a/b.txt") is None
    assert await storage.create(NAME, "a/b.txt", b"first", content_type="text/plain")
    assert not await storage.create(NAME, "a/b.txt", b"second", content_type="text/plain")
    stored = await storage.read(NAME, "a/b.txt")
    assert stored is not None
    assert stored.body == b"first"


async def test_a_blob_is_removed_once(storage: Storage) -> None:
    await storage.create(NAME, "a", b"a fox", content_type="text/plain")
    assert await storage.remove(NAME, "a")
    assert not await storage.remove(NAME, "a")
    assert await storage.read(NAME, "a") is None


async def test_a_blob_comes_in_chunks_or_is_told_to_be_gone(storage: Storage) -> None:
    await storage.create(NAME, "fox.png", b"a fox", content_type="image/png")
    assert b"".join([chunk async for chunk in storage.chunks(NAME, "fox.png")]) == b"a fox"
    with pytest.raises(NoSuchBlob, match="an-ox"):
        _ = [chunk async for chunk in storage.chunks(NAME, "an-ox.png")]


async def test_the_beginning_of_a_blob_is_looked_at(storage: Storage) -> None:
    await storage.create(NAME, "a", b"a fox", content_type="text/plain")
    await storage.create(NAME, "empty", b"", content_type="text/plain")
    for name, most, first, length in (
        ("a", 2, b"a ", 5),
        ("a", 9, b"a fox", 5),
        ("empty", 2, b"", 0),
    ):
        head = await storage.head(NAME, name, most=most)
        assert head is not None
        assert (head.head, head.length) == (first, length)
    assert await storage.head(NAME, "none", most=2) is None


async def test_blobs_are_listed_in_order_and_no_more_than_asked_for(storage: Storage) -> None:
    for name in ("b/2", "a/1", "b/1", "b/3"):
        await storage.create(NAME, name, b"", content_type="text/plain")
    assert [each.name for each in await storage.listed(NAME, prefix="b/", most=2)] == ["b/1", "b/2"]
    assert await storage.listed(NAME, prefix="c/", most=2) == []


async def test_calls_made_at_once_answer_in_their_order(storage: Storage) -> None:
    async def answered(number: int) -> int:
        if number == 1:
            raise StoreUnavailable("no")
        return number

    found = await storage.all_of([partial(answered, n) for n in range(3)])
    assert [found[0], type(found[1]), found[2]] == [0, StoreUnavailable, 2]


@pytest.mark.parametrize("side", [SyncStorage, AsyncStorage])
async def test_what_is_not_there_or_too_long_is_told(
    azurite: str, side: type[SyncStorage | AsyncStorage]
) -> None:
    storage = side(configured({"ImageStorage": azurite}).settings)
    with pytest.raises(NoSuchQueue, match="no queue 'no-such-queue' in this account"):
        await storage.send("no-such-queue", b"{}")
    with pytest.raises(TooLarge, match="65,537 bytes"):
        await storage.send("no-such-queue", b"x" * 65_537)
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound"):
        await storage.create("no-such-container", "a", b"", content_type="text/plain")
    with pytest.raises(StoreUnavailable, match="404 ContainerNotFound"):
        await storage.read("no-such-container", "a")
    await storage.close()


def test_both_sides_are_what_the_client_asks_for() -> None:
    asked = {name for name, _ in inspect.getmembers(Storage, inspect.isfunction) if name[0] != "_"}
    for side in (SyncStorage, AsyncStorage, FakeStorage):
        assert asked <= {name for name, _ in inspect.getmembers(side, inspect.isfunction)}
