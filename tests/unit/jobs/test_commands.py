"""A command is a message of the jobs queue; everything else there is a job."""

import json
from typing import Any

import pytest

from shared.errors import InvalidJob
from shared.jobs.commands import Action, Command, read_command
from shared.jobs.parsing import open_envelope


def read(**content: Any) -> Command | None:  # noqa: ANN401 (any field)
    return read_command(open_envelope(json.dumps(content).encode()))


@pytest.mark.parametrize("action", Action)
def test_a_command_is_read_as_it_was_sent(action: Action) -> None:
    sent = Command(command=action, job_id="fox", run=2, reason="too dear")
    assert read_command(open_envelope(sent.to_bytes())) == sent


def test_a_command_may_come_in_a_cloudevent() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "x"}
    found = read(**event, data={"command": "cancel", "job_id": "fox"})
    assert found == Command(command=Action.CANCEL, job_id="fox")


def test_a_job_is_not_a_command() -> None:
    assert read(prompt="a fox") is None


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"command": "stop", "job_id": "fox"}, "command"),
        ({"command": "cancel"}, "job_id"),
        ({"command": "cancel", "job_id": "../fox"}, "job_id"),
        ({"command": "replay", "job_id": "fox", "run": 0}, "run"),
        ({"command": "replay", "job_id": "fox", "prompt": "an owl"}, "prompt"),
    ],
)
def test_a_faulty_command_names_its_fields(content: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        read(**content)
    assert [fault.field for fault in refused.value.faults] == [field]
