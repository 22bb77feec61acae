"""Dead letters: found by day, sent again, purged."""

import json
from datetime import date, timedelta
from typing import Any

import pytest

from shared.client.operators import AsyncOperator, NotAMessage
from shared.client.results import NoSuchBlob
from shared.errors import Fault
from shared.jobs.parsing import Message
from shared.records.dead_letter import (
    DeadLetter,
    DeadLetterKind,
    dead_letter_name,
    job_letter,
    message_letter,
)
from shared.records.record import Failure
from tests.builders.connections import BEGAN, MemoryConnection
from tests.builders.ended_jobs import attempt, failed

BODY = b'{"prompt": ""}'
MESSAGE = Message(BODY, "m", BEGAN)
REFUSED = message_letter(
    DeadLetterKind.MESSAGE,
    MESSAGE,
    reason="invalid_job",
    why="prompt: is empty",
    faults=(Fault("prompt", "is empty"),),
)
UNDELIVERED = message_letter(
    DeadLetterKind.DELIVERY, MESSAGE, reason="malformed", why="it is no event"
)
FAILED = job_letter(
    failed(attempt(), failure=Failure(code="content_refused", message="not that")), at=BEGAN
)


def poisoned(kind: DeadLetterKind, job_id: str | None = None) -> DeadLetter:
    return message_letter(kind, MESSAGE, reason="poisoned", why="it crashed", job_id=job_id)


def kept(*letters: tuple[int, str, DeadLetter]) -> MemoryConnection:
    app = MemoryConnection()
    for days_ago, name, letter in letters:
        blob = f"dead-letters/{dead_letter_name(name, BEGAN - timedelta(days=days_ago))}"
        app.put(blob, letter.to_bytes())
    return app


async def listed(app: MemoryConnection, *, days: int = 7, limit: int = 50) -> list[DeadLetter]:
    return await AsyncOperator(app).dead_letters(days=days, limit=limit)


async def test_letters_are_listed_by_day_with_their_reasons() -> None:
    app = kept((1, "fox", FAILED), (0, "digest", REFUSED), (9, "old", REFUSED))
    assert [(each.name, each.job_id, each.reason, each.why) for each in await listed(app)] == [
        ("2026/11/30/digest", None, "invalid_job", "prompt: is empty"),
        ("2026/11/29/fox", "fox", "content_refused", "not that"),
    ]
    assert len(await listed(app, limit=1)) == 1
    assert len(await listed(app, days=10)) == 3


@pytest.mark.parametrize("letter", [REFUSED, poisoned(DeadLetterKind.MESSAGE)])
async def test_a_refused_message_is_sent_again_as_it_was(letter: DeadLetter) -> None:
    app = kept((0, "digest", letter))
    await AsyncOperator(app).send_again("2026/11/30/digest")
    (message,) = app.queues.queues["image-jobs"]
    assert message.body == BODY
    assert len(await listed(app)) == 1


async def sent_again(letter: DeadLetter, queue: str) -> dict[str, Any]:
    """The message that was sent for a letter."""
    app = kept((0, "fox", letter))
    await AsyncOperator(app).send_again("2026/11/30/fox")
    assert len(app.queues.sent) == 1
    (message,) = app.queues.queues[queue]
    sent: dict[str, Any] = json.loads(message.body)
    return sent


async def test_a_job_that_failed_is_replayed_once() -> None:
    replay = {"command": "replay", "job_id": "fox", "run": 1}
    assert await sent_again(FAILED, "image-jobs") == replay


async def test_the_job_of_a_task_message_is_replayed() -> None:
    letter = poisoned(DeadLetterKind.TASK, "fox")
    assert await sent_again(letter, "image-jobs") == {"command": "replay", "job_id": "fox"}


async def test_an_event_that_was_not_delivered_is_offered_for_another_day() -> None:
    letter = UNDELIVERED.model_copy(update={"sink": "topic", "tries": 30, "event": {"id": "e-1"}})
    sent = await sent_again(letter, "image-deliveries")
    assert (sent["sink"], sent["tries"], sent["event"]) == ("topic", 0, {"id": "e-1"})


@pytest.mark.parametrize(
    "letter", [poisoned(DeadLetterKind.TASK), poisoned(DeadLetterKind.NOTICE), UNDELIVERED]
)
async def test_what_holds_nothing_to_send_is_told(letter: DeadLetter) -> None:
    app = kept((0, "fox", letter))
    with pytest.raises(NotAMessage):
        await AsyncOperator(app).send_again("2026/11/30/fox")
    assert len(app.queues.sent) == 0


async def test_letters_are_found_by_their_reason() -> None:
    app = kept((1, "fox", FAILED), *((0, f"digest-{n}", REFUSED) for n in range(150)))
    found = await AsyncOperator(app).dead_letters(days=7, limit=5, reason="content_refused")
    assert [each.job_id for each in found] == ["fox"]


async def test_letters_of_one_day_are_found() -> None:
    app = kept((1, "fox", FAILED), (0, "digest", REFUSED), (2, "old", REFUSED))
    found = await AsyncOperator(app).dead_letters(days=1, limit=50, last=date(2026, 11, 29))
    assert [each.name for each in found] == ["2026/11/29/fox"]


async def test_a_letter_is_purged_once() -> None:
    app = kept((0, "digest", REFUSED))
    await AsyncOperator(app).purge("2026/11/30/digest")
    assert await listed(app) == []
    with pytest.raises(NoSuchBlob, match="digest"):
        await AsyncOperator(app).purge("2026/11/30/digest")
    with pytest.raises(NoSuchBlob, match="digest"):
        await AsyncOperator(app).dead_letter("2026/11/30/digest")
