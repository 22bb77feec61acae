"""Pictures: the same on a fake and on real blobs."""

import asyncio
import hashlib
from collections.abc import AsyncIterator

import pytest

from shared.pictures.measuring import PictureFacts
from shared.ports import BlockBlobs
from shared.stores.pictures import BlockSizes, Pictures, PictureWriter

BLOCK = 1 << 16
SIZES = BlockSizes(block_bytes=BLOCK, in_flight=2, pool=4)
NAME = "job-1/default/0.png"


def facts(data: bytes) -> PictureFacts:
    digest = hashlib.sha256(data).hexdigest()
    return PictureFacts(
        content_type="image/png", width=1536, height=1024, bytes=len(data), sha256=digest
    )


def some_bytes(size: int, seed: int = 1) -> bytes:
    return bytes((seed * index * 2_654_435_761 >> 13) & 255 for index in range(size))


@pytest.fixture
async def pictures(blobs: BlockBlobs) -> AsyncIterator[Pictures]:
    made = Pictures(blobs, SIZES)
    yield made
    assert made.pool.out == 0, "every test leaves every buffer in the pool"


async def test_a_picture_that_nobody_was_told_of_is_removed(pictures: Pictures) -> None:
    writer = pictures.create(NAME)
    await writer.write(b"a picture")
    await writer.commit(facts(b"a picture"), {})
    await pictures.remove(NAME)
    await pictures.remove(NAME)
    assert await pictures.find(NAME) is None


async def bytes_of(pictures: Pictures, name: str = NAME) -> bytes:
    found = await pictures.blobs.read(name)
    assert found is not None
    return found.body


async def fed(writer: PictureWriter, data: bytes, *, piece: int) -> None:
    for start in range(0, len(data), piece):
        await writer.write(memoryview(data)[start : start + piece])


@pytest.mark.parametrize(
    "size", [1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 17], ids=str
)
@pytest.mark.parametrize("piece", [1 << 12, 3 * BLOCK + 1], ids=["small pieces", "large pieces"])
async def test_a_picture_of_any_size_is_stored_whole(
    pictures: Pictures, size: int, piece: int
) -> None:
    data = some_bytes(size)
    writer = pictures.create(NAME)
    await fed(writer, data, piece=piece)
    stored = await writer.commit(facts(data), {"job_id": "job-1"})
    assert stored.facts == facts(data)
    assert stored.name == NAME
    assert stored.url.endswith(f"/{NAME}")
    assert "?" not in stored.url
    assert await bytes_of(pictures) == data
    assert await pictures.find(NAME) == stored


async def test_nothing_is_visible_before_the_commit(pictures: Pictures) -> None:
    writer = pictures.create(NAME)
    await fed(writer, some_bytes(3 * BLOCK), piece=BLOCK)
    assert await pictures.find(NAME) is None
    await writer.abandon()
    assert await pictures.find(NAME) is None


@pytest.mark.parametrize("size", [7, 3 * BLOCK], ids=str)
async def test_the_first_commit_of_a_name_stays(pictures: Pictures, size: int) -> None:
    first, second = some_bytes(size), some_bytes(size, seed=3)
    for data in (first, second):
        writer = pictures.create(NAME)
        await fed(writer, data, piece=BLOCK)
        stored = await writer.commit(facts(data), {})
        assert stored.facts == facts(first)
    assert await bytes_of(pictures) == first


@pytest.mark.parametrize("sizes", [(7, 8), (7, 3 * BLOCK), (3 * BLOCK, 7)], ids=str)
async def test_a_preview_replaces_the_one_before_it_and_bears_its_labels(
    pictures: Pictures, sizes: tuple[int, int]
) -> None:
    name, labels = "job-1/default/0.preview", {"job_id": "job-1", "fingerprint": "f"}
    for attempt, size in enumerate(sizes, 1):
        data = some_bytes(size, seed=attempt)
        writer = pictures.create_preview(name)
        await fed(writer, data, piece=BLOCK)
        await writer.commit(facts(data), {**labels, "attempt": str(attempt)})
        assert await bytes_of(pictures, name) == data
    assert await pictures.has_preview(name, {**labels, "attempt": "2"})
    assert not await pictures.has_preview(name, {**labels, "attempt": "1"})
    await pictures.remove(name)
    assert not await pictures.has_preview(name, {})


@pytest.mark.parametrize("sizes", [(7, 3 * BLOCK), (3 * BLOCK, 7), (2 * BLOCK, 3 * BLOCK)], ids=str)
async def test_two_writers_of_one_name_at_once_never_mix(
    pictures: Pictures, sizes: tuple[int, int]
) -> None:
    one, other = some_bytes(sizes[0]), some_bytes(sizes[1], seed=5)
    writers = pictures.create(NAME), pictures.create(NAME)
    for writer, data in zip(writers, (one, other), strict=True):
        await fed(writer, data, piece=BLOCK)
    stored = await asyncio.gather(
        writers[0].commit(facts(one), {}), writers[1].commit(facts(other), {})
    )
    assert stored[0] == stored[1]
    whole = await bytes_of(pictures)
    assert whole in (one, other)
    assert stored[0].facts == facts(whole)


async def test_an_abandoned_writer_leaves_the_name_to_the_next(pictures: Pictures) -> None:
    lost = pictures.create(NAME)
    await fed(lost, some_bytes(3 * BLOCK, seed=7), piece=BLOCK)
    await lost.abandon()
    await lost.abandon()
    data = some_bytes(3 * BLOCK)
    writer = pictures.create(NAME)
    await fed(writer, data, piece=BLOCK)
    await writer.commit(facts(data), {})
    await writer.abandon()
    assert await bytes_of(pictures) == data


async def test_a_sidecar_is_written_once(pictures: Pictures) -> None:
    await pictures.put_sidecar("job-1/job.json", b"{}")
    await pictures.put_sidecar("job-1/job.json", b"[]")
    assert await bytes_of(pictures, "job-1/job.json") == b"{}"


async def test_a_picture_that_was_never_stored_is_none(pictures: Pictures) -> None:
    assert await pictures.find(NAME) is None


async def stored(pictures: Pictures, data: bytes) -> None:
    writer = pictures.create(NAME)
    await writer.write(data)
    await writer.commit(facts(data), {})


@pytest.mark.parametrize(("start", "length", "got"), [(0, 4, 4), (8, 4, 2), (9, 1, 1), (10, 4, 0)])
async def test_a_part_of_a_picture_is_read_and_says_how_long_the_whole_is(
    pictures: Pictures, start: int, length: int, got: int
) -> None:
    await stored(pictures, some_bytes(10))
    part = await pictures.read(NAME, start=start, length=length)
    assert part is not None
    assert (part.data, part.start) == (some_bytes(10)[start : start + length], start)
    assert (len(part.data), part.total, part.content_type) == (got, 10, "image/png")
    assert part.version.startswith('"')


async def test_a_part_of_a_picture_that_is_not_there_is_none(pictures: Pictures) -> None:
    assert await pictures.read(NAME, start=0, length=10) is None
