"""Dead letters: the same in memory and on real blobs."""

from datetime import date

import pytest

from shared.errors import UnreadableRecord
from shared.jobs.parsing import Message
from shared.ports import Blobs
from shared.records.dead_letter import DeadLetterKind, message_letter
from shared.stores.dead_letters import DeadLetters
from tests.contract.conftest import NOW

LETTER = message_letter(
    DeadLetterKind.MESSAGE, Message(b"{}", "m", NOW), reason="invalid_job", why="no prompt"
)
NAME = "2026/11/22/fox"


@pytest.fixture
async def letters(blobs: Blobs) -> DeadLetters:
    letters = DeadLetters(blobs)
    await letters.put(f"{NAME}.json", b"{}")
    await letters.put(f"{NAME}.json", LETTER.to_bytes())
    await letters.put("2026/11/22/owl.json", b"no letter")
    await letters.put("2026/11/23/hare.json", b"{}")
    return letters


async def test_dead_letters_are_named_by_their_day(letters: DeadLetters) -> None:
    assert await letters.names(date(2026, 11, 22)) == [NAME, "2026/11/22/owl"]
    assert await letters.names(date(2026, 11, 21)) == []


@pytest.mark.parametrize("name", [NAME, f"{NAME}.json"])
async def test_the_last_letter_of_a_name_is_read(letters: DeadLetters, name: str) -> None:
    assert await letters.read(name) == LETTER.model_copy(update={"name": NAME})


async def test_a_letter_that_does_not_exist_is_none(letters: DeadLetters) -> None:
    assert await letters.read("2026/11/22/none") is None


async def test_what_is_not_a_letter_is_an_error(letters: DeadLetters) -> None:
    with pytest.raises(UnreadableRecord, match="2026/11/22/owl"):
        await letters.read("2026/11/22/owl")


async def test_a_letter_is_deleted_once(letters: DeadLetters) -> None:
    assert await letters.delete(NAME)
    assert not await letters.delete(NAME)
