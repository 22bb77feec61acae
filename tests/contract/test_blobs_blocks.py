"""Blobs that are written in blocks: the same in memory and on Azurite."""

from collections.abc import AsyncIterator

import pytest

from shared.errors import AlreadyExists
from shared.ports import BlockBlobs


class Pieces:
    """A body in two pieces."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = pieces

    def __len__(self) -> int:
        return sum(map(len, self._pieces))

    async def __aiter__(self) -> AsyncIterator[memoryview]:
        for piece in self._pieces:
            yield memoryview(piece)


def test_a_blob_has_a_url(blobs: BlockBlobs) -> None:
    assert blobs.url("a b.png").startswith("http")


async def test_blocks_become_a_blob_in_the_order_of_the_commit(blobs: BlockBlobs) -> None:
    await blobs.stage("a", "block-2", Pieces(b"wo", b"rld"))
    await blobs.stage("a", "block-1", b"hello ")
    assert await blobs.find("a") is None
    blocks = ["block-1", "block-2"]
    await blobs.commit("a", blocks, content_type="text/plain", metadata={"x": "y"})
    found = await blobs.read("a")
    assert found is not None
    assert (found.body, found.content_type) == (b"hello world", "text/plain")
    assert found.metadata == {"x": "y"}


async def test_a_commit_of_no_blocks_is_an_empty_blob(blobs: BlockBlobs) -> None:
    await blobs.commit("a", [], content_type="text/plain", metadata={})
    found = await blobs.find("a")
    assert found is not None
    assert found.size == 0


async def test_a_commit_finds_the_blob_of_another_one(blobs: BlockBlobs) -> None:
    await blobs.stage("a", "mine", b"1")
    await blobs.stage("a", "your", b"2")
    await blobs.commit("a", ["mine"], content_type="text/plain", metadata={})
    for blocks in (["your"], []):
        with pytest.raises(AlreadyExists):
            await blobs.commit("a", blocks, content_type="text/plain", metadata={})
    found = await blobs.read("a")
    assert found is not None
    assert found.body == b"1"


async def test_a_commit_without_a_condition_replaces_the_blob(blobs: BlockBlobs) -> None:
    await blobs.put("a", b"before")
    await blobs.stage("a", "mine", b"after")
    await blobs.commit("a", ["mine"], content_type="text/plain", metadata={}, if_absent=False)
    found = await blobs.read("a")
    assert found is not None
    assert (found.body, found.content_type) == (b"after", "text/plain")


async def test_blocks_that_nobody_committed_make_a_conditional_write_fail(
    blobs: BlockBlobs,
) -> None:
    await blobs.stage("a", "lost", b"1")
    with pytest.raises(AlreadyExists):
        await blobs.put("a", b"2", if_absent=True)
    assert await blobs.find("a") is None
