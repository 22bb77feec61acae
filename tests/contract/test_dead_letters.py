"""Dead letters: the same in memory and on real blobs."""

from datetime import timedelta

import pytest

from shared.errors import UnreadableRecord
from shared.ports import Blobs
from shared.records.dead_letter import DeadLetter, DeadLetterKind
from shared.stores.dead_letters import DeadLetters
from tests.contract.conftest import NOW

LETTER = DeadLetter(kind=DeadLetterKind.JOB, reason="no_image", at=NOW, job_id="fox")
NAME = LETTER.blob_name.removesuffix(".json")
DAY = f"{NOW:%Y/%m/%d}"


@pytest.fixture
async def letters(blobs: Blobs) -> DeadLetters:
    letters = DeadLetters(blobs)
    await letters.put(LETTER.model_copy(update={"reason": "poisoned"}))
    assert await letters.put(LETTER) == f"{NAME}.json"
    await letters.put(LETTER.model_copy(update={"at": NOW + timedelta(days=1)}))
    await blobs.put(f"{DAY}/owl.json", b"no letter")
    return letters


async def test_dead_letters_are_named_by_their_day(letters: DeadLetters) -> None:
    assert await letters.names(NOW.date()) == [NAME, f"{DAY}/owl"]
    assert await letters.names(NOW.date() - timedelta(days=1)) == []


@pytest.mark.parametrize("name", [NAME, f"{NAME}.json"])
async def test_the_last_letter_of_a_name_is_read(letters: DeadLetters, name: str) -> None:
    assert await letters.read(name) == LETTER.model_copy(update={"name": NAME})


async def test_a_letter_that_does_not_exist_is_none(letters: DeadLetters) -> None:
    assert await letters.read(f"{DAY}/none") is None


async def test_what_is_not_a_letter_is_an_error(letters: DeadLetters) -> None:
    with pytest.raises(UnreadableRecord, match=f"{DAY}/owl"):
        await letters.read(f"{DAY}/owl")


async def test_a_letter_is_deleted_once(letters: DeadLetters) -> None:
    assert await letters.delete(NAME)
    assert not await letters.delete(NAME)


async def test_a_letter_is_found_by_the_id_of_its_job(letters: DeadLetters) -> None:
    found = await letters.find("fox", NOW.date())
    assert found == LETTER.model_copy(update={"name": NAME})
    assert await letters.find("owl", NOW.date()) is None
    assert await letters.find("fox", NOW.date() - timedelta(days=1)) is None
    odd = LETTER.model_copy(update={"job_id": "no id, ぬ"})
    assert await letters.put(odd) == odd.blob_name
