"""Dead letters: found by day, sent again, purged."""

import base64
import json
from datetime import date, timedelta
from typing import Any

import pytest

from shared.client import dead_letters
from shared.client.results import NoSuchBlob
from shared.client.sync_storage import run_coroutine
from shared.records.record import Failure, JobRecord
from shared.records.task_messages import TaskMessage
from shared.vocabulary import dead_letter_name
from tests.builders.ended_jobs import attempt, failed
from tests.fakes.account import BEGAN, FakeStorage
from tests.unit.client.test_submission import FIELDS_ONLY

SETTINGS = FIELDS_ONLY.settings
BODY = b'{"prompt": ""}'
REFUSED: dict[str, Any] = {
    "reason": "invalid_job",
    "job_id": None,
    "faults": [{"field": "prompt", "message": "is empty"}],
    "message_base64": base64.b64encode(BODY).decode(),
}
POISONED = {"reason": "poisoned", "message_base64": REFUSED["message_base64"]}
UNDELIVERED = {**POISONED, "reason": "undeliverable", "why": "it is no event"}
FAILED = failed(attempt(), failure=Failure(code="content_refused", message="not that"))


def kept(*letters: tuple[int, str, dict[str, Any] | JobRecord]) -> FakeStorage:
    storage = FakeStorage()
    for days_ago, name, letter in letters:
        blob = f"dead-letters/{dead_letter_name(name, BEGAN - timedelta(days=days_ago))}"
        text = letter.model_dump_json() if isinstance(letter, JobRecord) else json.dumps(letter)
        storage.blobs[blob] = text.encode()
    return storage


def listed(
    storage: FakeStorage, *, days: int = 7, limit: int = 50
) -> list[dead_letters.DeadLetter]:
    return run_coroutine(dead_letters.newest_letters(storage, SETTINGS, days=days, limit=limit))


def test_letters_are_listed_by_day_with_their_reasons() -> None:
    storage = kept((1, "fox", FAILED), (0, "digest", REFUSED), (9, "old", REFUSED))
    assert [(each.name, each.job_id, each.reason, each.said) for each in listed(storage)] == [
        ("2026/11/30/digest", None, "invalid_job", "prompt: is empty"),
        ("2026/11/29/fox", "fox", "content_refused", "not that"),
    ]
    assert len(listed(storage, limit=1)) == 1
    assert len(listed(storage, days=10)) == 3


def test_a_letter_may_say_little() -> None:
    (letter,) = listed(kept((0, "x", {"message_base64": "§"})))
    assert (letter.reason, letter.said, letter.job_id) == ("unknown", "", None)
    assert letter.message is None
    (undelivered,) = listed(kept((0, "x", UNDELIVERED)))
    assert undelivered.said == "it is no event"


@pytest.mark.parametrize("letter", [REFUSED, {**POISONED, "queue": "image-jobs"}])
def test_a_refused_message_is_sent_again_as_it_was(letter: dict[str, Any]) -> None:
    storage = kept((0, "digest", letter))
    run_coroutine(dead_letters.send_again("2026/11/30/digest", storage, SETTINGS))
    (message,) = storage.queues["image-jobs"]
    assert message.text.encode() == BODY
    assert len(listed(storage)) == 1


def sent_again(letter: Any, queue: str) -> dict[str, Any]:  # noqa: ANN401 (either kind)
    """The message that was sent for a letter."""
    storage = kept((0, "fox", letter))
    run_coroutine(dead_letters.send_again("2026/11/30/fox", storage, SETTINGS))
    assert storage.sends == 1
    (message,) = storage.queues[queue]
    sent: dict[str, Any] = json.loads(message.text)
    return sent


def test_a_job_that_failed_is_replayed_once() -> None:
    replay = {"command": "replay", "job_id": "fox", "run": 1}
    assert sent_again(FAILED, "image-jobs") == replay


def test_the_job_of_a_lane_message_is_replayed() -> None:
    message = TaskMessage(job_id="fox", task=0).to_bytes()
    letter = {"reason": "poisoned", "queue": "image-jobs-small"}
    letter["message_base64"] = base64.b64encode(message).decode()
    assert sent_again(letter, "image-jobs") == {"command": "replay", "job_id": "fox"}


def test_an_event_that_was_not_delivered_is_offered_for_another_day() -> None:
    letter = {"reason": "undeliverable", "sink": "topic", "tries": 30, "event": {"id": "e-1"}}
    sent = sent_again(letter, "image-deliveries")
    assert (sent["sink"], sent["tries"], sent["event"]) == ("topic", 0, {"id": "e-1"})


@pytest.mark.parametrize("letter", [{**POISONED, "queue": "image-jobs-small"}, UNDELIVERED, {}])
def test_what_holds_nothing_to_send_is_told(letter: dict[str, Any]) -> None:
    storage = kept((0, "fox", letter))
    with pytest.raises(dead_letters.NotAMessage):
        run_coroutine(dead_letters.send_again("2026/11/30/fox", storage, SETTINGS))
    assert storage.sends == 0


def test_letters_are_found_by_their_reason() -> None:
    storage = kept((1, "fox", FAILED), *((0, f"digest-{n}", REFUSED) for n in range(150)))
    found = run_coroutine(
        dead_letters.newest_letters(storage, SETTINGS, days=7, limit=5, reason="content_refused")
    )
    assert [each.job_id for each in found] == ["fox"]


def test_letters_of_one_day_are_found() -> None:
    storage = kept((1, "fox", FAILED), (0, "digest", REFUSED), (2, "old", REFUSED))
    found = run_coroutine(
        dead_letters.newest_letters(storage, SETTINGS, days=1, limit=50, last=date(2026, 11, 29))
    )
    assert [each.name for each in found] == ["2026/11/29/fox"]


def test_a_letter_is_purged_once() -> None:
    storage = kept((0, "digest", REFUSED))
    run_coroutine(dead_letters.purge("2026/11/30/digest", storage, SETTINGS))
    assert listed(storage) == []
    with pytest.raises(NoSuchBlob, match="digest"):
        run_coroutine(dead_letters.purge("2026/11/30/digest", storage, SETTINGS))
    with pytest.raises(NoSuchBlob, match="digest"):
        run_coroutine(dead_letters.letter_of("2026/11/30/digest", storage, SETTINGS))
