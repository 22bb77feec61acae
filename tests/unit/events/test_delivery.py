"""A delivery is read as it was sent, waits longer each time, and becomes a dead letter."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedMessage
from shared.events.delivery import (
    FIRST_WAIT,
    JITTER,
    LONGEST_WAIT,
    Delivery,
    delivery_letter,
    read_delivery,
    wait_after,
)

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DELIVERY = Delivery(sink="topic", since=NOW, event={"id": "e-1"})


def test_a_delivery_is_read_as_it_was_sent() -> None:
    assert read_delivery(DELIVERY.to_bytes()) == DELIVERY


@pytest.mark.parametrize("event_id", ["../../x", "", 7, None, "a" * 65])
def test_an_event_whose_id_could_be_a_path_is_refused(event_id: object) -> None:
    body = {"sink": "a", "since": "2026-11-22T12:00:00Z", "event": {"id": event_id}}
    with pytest.raises(MalformedMessage):
        read_delivery(json.dumps(body).encode())


@given(tries=st.integers(0, 200), asked=st.none() | st.floats(0, 3600))
def test_a_wait_is_within_its_bounds(tries: int, asked: float | None) -> None:
    seconds = wait_after(DELIVERY.model_copy(update={"tries": tries}), asked).total_seconds()
    assert max(FIRST_WAIT, asked or 0) <= seconds <= LONGEST_WAIT * (1 + JITTER)


def test_a_wait_is_the_same_each_time_and_differs_between_sinks() -> None:
    other = DELIVERY.model_copy(update={"sink": "webhook"})
    assert wait_after(DELIVERY, None) == wait_after(DELIVERY, None) != wait_after(other, None)


def test_a_letter_says_what_was_tried() -> None:
    letter = delivery_letter(DELIVERY.model_copy(update={"tries": 7}), "503 busy", at=NOW)
    assert letter.blob_name == "2026/11/22/e-1.topic.json"
    assert (letter.reason, letter.why, letter.tries) == ("undeliverable", "503 busy", 7)
