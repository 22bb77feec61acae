"""Manifests and batches: the same on fakes and on real blobs."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.batches.record import BatchRecord, Manifest, open_batch
from shared.errors import AlreadyExists, StaleVersion, StoreUnavailable, UnreadableCursor
from shared.ports import Blobs, BlockBlobs
from shared.stores.batches import BatchRecords, publish_results
from shared.stores.manifests import Manifests
from tests.contract.conftest import NOW, Account


@pytest.fixture
async def batches(blobs: Blobs) -> BatchRecords:
    return BatchRecords(blobs)


def a_batch() -> BatchRecord:
    manifest = Manifest(container="m", name="a.csv", version="1", bytes=9, modified_at=NOW)
    return open_batch("batch-1", manifest, due_at=NOW, now=NOW)


async def test_a_batch_is_created_once_and_replaced_by_who_read_it_last(
    batches: BatchRecords,
) -> None:
    first = await batches.create(a_batch())
    with pytest.raises(AlreadyExists):
        await batches.create(a_batch())
    later = a_batch().model_copy(update={"updated_at": NOW + timedelta(seconds=1)})
    second = await batches.replace(later, first)
    found = await batches.read("batch-1")
    assert found is not None
    assert (found.value, found.version) == (later, second)
    with pytest.raises(StaleVersion):
        await batches.replace(a_batch(), first)
    assert await batches.read("batch-2") is None


async def test_batches_are_listed_from_the_newest_to_the_oldest(batches: BatchRecords) -> None:
    for number in range(3):
        created = NOW + timedelta(minutes=number)
        changes = {"batch_id": f"batch-{number}", "created_at": created}
        await batches.create(a_batch().model_copy(update=changes))
    first, after = await batches.newest(limit=2)
    rest, end = await batches.newest(limit=2, after=after)
    with pytest.raises(UnreadableCursor, match="start without one"):
        await batches.newest(limit=2, after="page 2")
    assert (first, rest, end) == (["batch-2", "batch-1"], ["batch-0"], None)


async def test_a_page_is_written_once_and_whoever_comes_later_is_told_what_stands(
    batches: BatchRecords,
) -> None:
    assert await batches.read_page("batch-1", "entries/000000.json") is None
    assert await batches.put_page("batch-1", "entries/000000.json", b"mine") == b"mine"
    assert await batches.put_page("batch-1", "entries/000000.json", b"yours") == b"mine"
    assert await batches.read_page("batch-1", "entries/000000.json") == b"mine"


async def pages(*bodies: bytes) -> AsyncIterator[bytes]:
    for body in bodies:
        yield body


async def test_a_result_manifest_is_published_once(blobs: BlockBlobs) -> None:
    large = b"x" * (5 << 20)
    url = await publish_results(blobs, "_batches/b/results.jsonl", pages(b"1\n", large, b"3\n"))
    assert url.endswith("_batches/b/results.jsonl")
    assert await publish_results(blobs, "_batches/b/results.jsonl", pages(b"other")) == url
    found = await blobs.read("_batches/b/results.jsonl")
    assert found is not None
    assert found.body == b"1\n" + large + b"3\n"
    assert found.content_type == "application/x-ndjson"


async def test_an_empty_result_manifest_is_published_too(blobs: BlockBlobs) -> None:
    assert await publish_results(blobs, "_batches/b/results.jsonl", pages())


async def test_containers_that_do_not_exist_are_told(account: Account) -> None:
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await Manifests(account.blobs).read("a.csv", "1", start=0, length=1)
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await BatchRecords(account.blobs).read_page("b", "p")
    with pytest.raises(StoreUnavailable, match="ContainerNotFound"):
        await publish_results(account.block_blobs, "r", pages(b"1"))
