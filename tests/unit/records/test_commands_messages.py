"""A command is a message of the jobs queue; everything else there is a job."""

import json
from typing import Any

import pytest

from shared.errors import InvalidJob
from shared.jobs.parsing import Envelope, Message, open_envelope
from shared.records.commands import Action, Command, read_command
from tests.builders.messages import INSERTED_AT


def envelope(body: bytes) -> Envelope:
    return open_envelope(Message(body, "m", INSERTED_AT))


def read(**content: Any) -> Command:  # noqa: ANN401 (any field)
    return read_command(envelope(json.dumps(content).encode()))


def faults_of(body: str) -> dict[str, str]:
    with pytest.raises(InvalidJob) as refused:
        read_command(envelope(body.encode()))
    return {fault.field: fault.message for fault in refused.value.faults}


@pytest.mark.parametrize("action", Action)
def test_a_command_is_read_as_it_was_sent(action: Action) -> None:
    sent = Command(command=action, job_id="fox", run=2, reason="too dear")
    assert read_command(envelope(sent.to_bytes())) == sent


def test_a_command_may_come_in_a_cloudevent() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "x"}
    found = read(**event, data={"command": "cancel", "job_id": "fox"})
    assert found == Command(command=Action.CANCEL, job_id="fox")


def test_a_job_is_not_a_command() -> None:
    assert not envelope(b'{"prompt": "a fox"}').is_command
    assert envelope(b'{"command": "stop"}').is_command


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"command": "stop", "job_id": "fox"}, "command"),
        ({"command": "cancel"}, "job_id"),
        ({"command": "cancel", "job_id": "../fox"}, "job_id"),
        ({"command": "replay", "job_id": "fox", "run": 0}, "run"),
        ({"command": "replay", "job_id": "fox", "prompt": "an owl"}, "prompt"),
        ({"command": "fail", "job_id": "fox", "reason": "too \x1b[31m dear"}, "reason"),
        ({"command": "fail", "job_id": "fox", "reason": "x" * 401}, "reason"),
    ],
)
def test_a_faulty_command_names_its_fields(content: dict[str, Any], field: str) -> None:
    assert list(faults_of(json.dumps(content))) == [field]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"prompt": "an owl"}, "use one of command, job_id, run, result, pictures, reason"),
        ({"width": 1}, "use one of command, job_id, run, result, pictures, reason"),
        ({"picture": "keep"}, "did you mean 'pictures'?"),
        ({"id": "fox"}, "use job_id"),
        (
            {"command": "cancle"},
            "did you mean 'cancel'? use 'cancel', 'release', 'fail', 'replay', 'approve'",
        ),
    ],
)
def test_a_fault_of_a_command_suggests_what_a_command_may_have(
    content: dict[str, Any], says: str
) -> None:
    found = faults_of(json.dumps({"command": "cancel", "job_id": "fox"} | content))
    assert list(found) == list(content)
    assert says in next(iter(found.values()))


def test_a_field_that_a_command_has_twice_is_a_fault_among_the_others() -> None:
    found = faults_of('{"what": 1, "run": 1, "command": "cancel", "command": "replay", "run": 2}')
    assert list(found) == ["command", "job_id", "run", "what"]
    assert found["command"] == found["run"] == "appears twice in the message; set it once"
