"""Blobs: the same in memory and on Azurite, by the adapters of the app and of the client."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shared.errors import (
    AlreadyExists,
    BlobLeased,
    StaleVersion,
    StoreUnavailable,
    UnreadableCursor,
)
from shared.ports import Blobs
from tests.contract.conftest import NOW, Account, real_by
from tests.fakes.memory import MemoryBlobs

NAMES = ["plain.png", "with space.png", "a/b~c.png", "Küste & 海+%41?#.png", "a=b,c;d(e)'f'.png"]


@pytest.fixture(params=["memory", "rest", "sync", "async"])
async def real(request: pytest.FixtureRequest) -> AsyncIterator[Account | None]:
    async with real_by(request.param, request) as made:
        yield made


@pytest.mark.parametrize("name", NAMES)
async def test_a_blob_of_any_name_comes_back_as_it_was_put(blobs: Blobs, name: str) -> None:
    version = await blobs.put(
        name, b"body", content_type="text/plain", metadata={"a_1": "x", "A1": "y"}
    )
    found = await blobs.read(name)
    assert found is not None
    assert (found.body, found.version, found.size) == (b"body", version, 4)
    assert (found.content_type, found.metadata) == ("text/plain", {"a_1": "x", "a1": "y"})
    assert found.modified_at is not None
    assert found.modified_at.tzinfo is not None


async def test_a_blob_that_does_not_exist_is_none(blobs: Blobs) -> None:
    assert await blobs.read("none") is None
    assert await blobs.read("none", start=3, length=4) is None
    assert await blobs.find("none") is None
    assert not await blobs.delete("none")


async def test_properties_come_without_a_body(blobs: Blobs) -> None:
    version = await blobs.put("a", b"body", metadata={"job": "fox"})
    found = await blobs.find("a")
    assert found is not None
    assert (found.version, found.size, found.body) == (version, 4, b"")
    assert (found.content_type, found.metadata) == ("application/json", {"job": "fox"})


@pytest.mark.parametrize(
    ("start", "length", "body"),
    [(0, 4, b"0123"), (8, 4, b"89"), (9, 1, b"9"), (0, 99, b"0123456789"), (10, 4, b"")],
)
async def test_a_range_is_read_and_the_size_is_that_of_the_whole(
    blobs: Blobs, start: int, length: int, body: bytes
) -> None:
    await blobs.put("a", b"0123456789")
    found = await blobs.read("a", start=start, length=length)
    assert found is not None
    assert (found.body, found.size) == (body, 10)


async def test_an_empty_blob_has_an_empty_range(blobs: Blobs) -> None:
    await blobs.put("a", b"")
    found = await blobs.read("a", length=5)
    assert found is not None
    assert (found.body, found.size) == (b"", 0)


async def test_a_blob_that_must_be_absent_is_written_once(blobs: Blobs) -> None:
    await blobs.put("a", b"1", if_absent=True)
    with pytest.raises(AlreadyExists):
        await blobs.put("a", b"2", if_absent=True)
    found = await blobs.read("a")
    assert found is not None
    assert found.body == b"1"


async def test_a_write_of_another_version_is_refused_and_changes_nothing(blobs: Blobs) -> None:
    first = await blobs.put("a", b"1")
    second = await blobs.put("a", b"2", if_version=first)
    assert second != first
    for stale in (first, '"0x8D0000000000000"'):
        with pytest.raises(StaleVersion):
            await blobs.put("a", b"3", if_version=stale)
        with pytest.raises(StaleVersion):
            await blobs.read("a", if_version=stale)
        with pytest.raises(StaleVersion):
            await blobs.delete("a", if_version=stale)
    found = await blobs.read("a", if_version=second)
    assert found is not None
    assert (found.body, found.metadata) == (b"2", {})


async def test_a_version_of_a_blob_that_is_gone_is_stale(blobs: Blobs) -> None:
    version = await blobs.put("a", b"1")
    assert await blobs.delete("a", if_version=version)
    with pytest.raises(StaleVersion):
        await blobs.put("a", b"2", if_version=version)
    with pytest.raises(StaleVersion):
        await blobs.delete("a", if_version=version)


async def test_of_two_writers_at_once_one_wins(blobs: Blobs) -> None:
    version = await blobs.put("a", b"0")
    results = await asyncio.gather(
        *(blobs.put("a", body, if_version=version) for body in (b"1", b"2")),
        return_exceptions=True,
    )
    assert sorted(type(result).__name__ for result in results) == ["StaleVersion", "str"]


async def test_metadata_is_replaced_with_the_body(blobs: Blobs) -> None:
    version = await blobs.put("a", b"body", metadata={"old": "1"})
    await blobs.put("a", b"", metadata={"new": "2"}, if_version=version)
    found = await blobs.read("a")
    assert found is not None
    assert (found.body, found.metadata) == (b"", {"new": "2"})
    assert found.version != version


async def test_a_lease_is_not_a_stale_version(blobs: Blobs, real: Account | None) -> None:
    version = await blobs.put("a", b"1")
    if isinstance(blobs, MemoryBlobs):
        blobs.leased.add("a")
    else:
        assert real is not None
        await real.client.container(real.name).get_blob_client("a").acquire_lease()
    for write in (
        blobs.put("a", b"2"),
        blobs.put("a", b"2", if_version=version),
        blobs.delete("a"),
    ):
        with pytest.raises(BlobLeased):
            await write
    found = await blobs.read("a")
    assert found is not None
    assert found.body == b"1"


async def test_a_listing_is_sorted_and_goes_on_where_it_ended(blobs: Blobs) -> None:
    names = [f"open/{number}" for number in range(5)]
    for name in (*reversed(names), "other"):
        await blobs.put(name, b"body", metadata={"name": name[-1]})
    found: list[str] = []
    after: str | None = None
    while True:
        page = await blobs.list("open/", limit=2, after=after)
        assert len(page.blobs) <= 2
        for name, blob in page.blobs.items():
            assert (blob.metadata, blob.size, blob.body) == ({"name": name[-1]}, 4, b"")
            assert blob.version
        found += page.blobs
        after = page.next
        if after is None:
            break
    assert found == names


async def test_a_listing_of_nothing_is_empty(blobs: Blobs) -> None:
    page = await blobs.list("open/", limit=5)
    assert (page.blobs, page.next) == ({}, None)


async def test_the_version_of_a_listing_is_the_one_that_a_write_names(blobs: Blobs) -> None:
    await blobs.put("a", b"1")
    page = await blobs.list("", limit=5)
    await blobs.put("a", b"2", if_version=page.blobs["a"].version)


async def test_a_container_that_does_not_exist_is_unavailable(account: Account) -> None:
    blobs = account.blobs
    for operation in (
        blobs.read("a"),
        blobs.put("a", b"1"),
        blobs.put("a", b"1", if_absent=True),
        blobs.delete("a"),
        blobs.list("", limit=1),
    ):
        with pytest.raises(StoreUnavailable, match="ContainerNotFound; create it first"):
            await operation


async def test_a_page_that_storage_does_not_know_is_an_invalid_cursor() -> None:
    blobs = MemoryBlobs(now=lambda: NOW)
    with pytest.raises(UnreadableCursor):
        await blobs.list("", limit=1, after="nonsense")
