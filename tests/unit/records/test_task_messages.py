"""The messages that wake a task or a finish."""

import json

import pytest

from shared.errors import MalformedMessage
from shared.records.task_messages import FinishMessage, TaskMessage, read_finish, read_task


def test_a_message_is_of_one_run_of_its_job() -> None:
    message = read_task(TaskMessage(job_id="fox-1", task=0, run=2).to_bytes())
    assert message.is_of(2)
    assert not message.is_of(3)
    assert read_finish(FinishMessage(job_id="fox-1", run=2).to_bytes()).run == 2


def test_a_message_that_version_1_of_the_app_sent_is_of_any_run() -> None:
    appointment = (
        b'{"pool":"gpt","epoch":"2026-11-22T12:00:00Z","number":7,"at":"2026-11-22T12:00:00Z"}'
    )
    body = b'{"job_id":"fox-1","task":0,"generation":1,"appointment":' + appointment + b"}"
    message = read_task(body)
    assert message.is_of(1)
    assert message.is_of(5)
    assert message.ticket
    assert message.ticket.number == 7
    assert read_finish(b'{"job_id":"fox-1","generation":2}').is_of(4)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"job_id":"fox-1","task":0,"colour":"red"}'])
def test_another_message_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        read_task(body)


def test_a_ticket_has_times_with_a_zone() -> None:
    ticket = {"epoch": "2026-11-27T12:00:00", "number": 1, "at": "2026-11-27T12:00:00Z"}
    body = json.dumps({"job_id": "a", "task": 0, "ticket": ticket}).encode()
    with pytest.raises(MalformedMessage, match=r"ticket.epoch: .* has no time zone"):
        read_task(body)
