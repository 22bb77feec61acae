"""Dead letters are read as they were written, also those of before they had a kind."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.errors import Fault
from shared.jobs.parsing import Message
from shared.records.dead_letter import (
    DeadLetter,
    DeadLetterKind,
    job_letter,
    message_letter,
    read_dead_letter,
)
from shared.records.record import Failure
from shared.records.task_messages import TaskMessage
from tests.builders.ended_jobs import attempt, failed

AT = datetime(2026, 11, 30, 12, tzinfo=UTC)
REFUSED = message_letter(
    DeadLetterKind.MESSAGE,
    Message(b"{}", "m-1", AT),
    reason="invalid_job",
    why="prompt: is missing",
    faults=(Fault("prompt", "is missing"),),
)
RECORD = failed(attempt(), failure=Failure(code="content_refused", message="not that"))
FAILED = job_letter(RECORD, at=AT)
UNDELIVERED = DeadLetter(
    kind=DeadLetterKind.DELIVERY,
    reason="undeliverable",
    why="503",
    at=AT,
    sink="topic",
    tries=30,
    since=AT,
    event={"id": "e-1"},
)


@pytest.mark.parametrize("letter", [REFUSED, FAILED, UNDELIVERED])
def test_a_letter_is_read_as_it_was_written(letter: DeadLetter) -> None:
    assert read_dead_letter(letter.to_bytes()) == letter


def test_a_letter_is_named_by_day_and_what_it_holds() -> None:
    digest = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    assert REFUSED.blob_name == f"2026/11/30/{digest}.json"
    assert FAILED.blob_name == "2026/11/30/fox.json"
    assert UNDELIVERED.blob_name == "2026/11/30/e-1.topic.json"


def old(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 (any field of a letter)
    body = fields.pop("body", b"{}")
    said = {"received_at": AT.isoformat(), "message_base64": base64.b64encode(body).decode()}
    return {**said, **fields}


@pytest.mark.parametrize(
    ("letter", "said"),
    [
        (
            old(reason="invalid_job", faults=[{"field": "n", "message": "is 99"}]),
            ("message", "invalid_job", None, "n: is 99"),
        ),
        (old(reason="poisoned", queue="image-jobs"), ("message", "poisoned", None, "")),
        (
            old(
                reason="poisoned",
                queue="image-tasks",
                body=TaskMessage(job_id="fox", task=0).to_bytes(),
            ),
            ("task", "poisoned", "fox", ""),
        ),
        (
            old(reason="malformed", why="it is no event"),
            ("notice", "malformed", None, "it is no event"),
        ),
        (
            {
                "reason": "undeliverable",
                "since": AT.isoformat(),
                "sink": "topic",
                "event": {"id": "e"},
            },
            ("delivery", "undeliverable", None, ""),
        ),
        (RECORD.model_dump(mode="json"), ("job", "content_refused", "fox", "not that")),
        ({"message_base64": "§"}, ("notice", "unknown", None, "")),
    ],
)
def test_a_letter_of_before_kinds_is_still_read(
    letter: dict[str, Any], said: tuple[str | None, ...]
) -> None:
    read = read_dead_letter(json.dumps(letter).encode())
    assert (read.kind, read.reason, read.job_id, read.why) == said
    assert read.run == (1 if read.kind is DeadLetterKind.JOB else None)
