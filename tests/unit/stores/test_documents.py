"""Documents: written on condition, and again until no other writer was faster."""

from itertools import count
from typing import Any

import pytest
from pydantic import BaseModel

from shared.errors import AlreadyExists, StaleVersion, StoreUnavailable, UnreadableRecord
from shared.stores.documents import LONGEST_WAIT, MAX_TRIES, Documents, until_written
from tests.fakes.memory import MemoryBlobs
from tests.fakes.world import FakeClock


class Page(BaseModel):
    text: str


@pytest.fixture
def blobs() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
def pages(blobs: MemoryBlobs) -> Documents[Page]:
    return Documents(blobs, Page)


async def test_a_document_comes_back_with_its_version(pages: Documents[Page]) -> None:
    version = await pages.write("a", Page(text="one"))
    found = await pages.read("a")
    assert found is not None
    assert (found.value, found.version) == (Page(text="one"), version)
    assert await pages.read("b") is None


async def test_errors_name_the_document(pages: Documents[Page], blobs: MemoryBlobs) -> None:
    version = await pages.write("a", Page(text="one"))
    with pytest.raises(AlreadyExists, match=r"^container/a exists already$"):
        await pages.write("a", Page(text="one"))
    await pages.write("a", Page(text="two"), version)
    with pytest.raises(StaleVersion, match=r"^container/a has changed$"):
        await pages.write("a", Page(text="two"), version)
    blobs.seed("a", b'{"text": 3}')
    with pytest.raises(UnreadableRecord, match=r"^this version cannot read 'a': text: "):
        await pages.read("a")


class LosesReplies(MemoryBlobs):
    """Blobs whose writes are repeated, since the reply to the first try was lost."""

    async def put(self, name: str, body: bytes, **options: Any) -> str:  # noqa: ANN401 (as `put` has them)
        await MemoryBlobs.put(self, name, body, **options)
        return await MemoryBlobs.put(self, name, body, **options)


async def test_a_write_that_finds_its_own_first_try_has_succeeded() -> None:
    lossy = LosesReplies()
    pages = Documents(lossy, Page)
    version = await pages.write("a", Page(text="one"))
    assert version == lossy.stored["a"].version
    version = await pages.write("a", Page(text="two"), version)
    assert version == lossy.stored["a"].version
    with pytest.raises(AlreadyExists):
        await pages.write("a", Page(text="two"))


async def test_a_change_is_tried_again_until_no_other_writer_was_faster() -> None:
    clock, tries = FakeClock(), list[bool]()

    async def attempt(is_first: bool) -> int:  # noqa: FBT001 (of `until_written`)
        tries.append(is_first)
        if len(tries) < 4:
            raise StaleVersion("another was faster") if len(tries) % 2 else AlreadyExists("as well")
        return len(tries)

    begun = clock.now()
    assert await until_written(attempt, clock, what="page") == 4
    assert tries == [True, False, False, False]
    assert 0 < (clock.now() - begun).total_seconds() <= 3 * LONGEST_WAIT


async def test_a_change_that_always_loses_is_given_up() -> None:
    tries = count()

    async def loses(_is_first: bool) -> None:  # noqa: FBT001 (of `until_written`)
        next(tries)
        raise StaleVersion("another was faster")

    with pytest.raises(StoreUnavailable, match=rf"^the page changed {MAX_TRIES} times during one"):
        await until_written(loses, FakeClock(), what="page")
    assert next(tries) == MAX_TRIES


async def test_another_error_ends_the_change_at_once() -> None:
    tries = count()

    async def fails(_is_first: bool) -> None:  # noqa: FBT001 (of `until_written`)
        next(tries)
        raise StoreUnavailable("no answer")

    with pytest.raises(StoreUnavailable, match="no answer"):
        await until_written(fails, FakeClock(), what="page")
    assert next(tries) == 1
