"""Orders: checked on the record, sent, and waited for."""

import json

import pytest

from shared.client import control
from shared.client.results import NoSuchJob, Status, StillRunning
from shared.client.sync_storage import run_coroutine
from shared.errors import IllegalStep
from shared.jobs.commands import Action, read_command
from shared.jobs.parsing import open_envelope
from shared.records.commands import apply_command
from shared.records.record import JobRecord, JobState, TaskState
from tests.builders.ended_jobs import record
from tests.fakes.account import FakeStorage
from tests.unit.client.test_following import stored
from tests.unit.client.test_submission import FIELDS_ONLY

SETTINGS = FIELDS_ONLY.settings


def standing(state: JobState, task: TaskState) -> JobRecord:
    tasks = tuple(each.model_copy(update={"state": task}) for each in record().tasks)
    return record().model_copy(update={"state": state, "tasks": tasks})


RUNNING = standing(JobState.RUNNING, TaskState.PENDING)
PARKED = standing(JobState.PARKED, TaskState.PARKED)
FAILED = standing(JobState.FAILED, TaskState.FAILED)


def given(storage: FakeStorage, action: Action, *, app_is_up: bool = True) -> Status:
    def carried_out() -> None:
        (message,) = storage.queues["image-jobs"]
        command = read_command(open_envelope(message.text.encode()))
        assert command is not None
        name = f"jobs/{command.job_id}.json"
        before = JobRecord.model_validate_json(storage.blobs[name])
        after = apply_command(before, command, now=storage.now())
        storage.blobs[name] = after.model_dump_json().encode()

    storage.meanwhile = carried_out if app_is_up else lambda: None
    return run_coroutine(control.give("fox", action, storage, SETTINGS, within=5))


@pytest.mark.parametrize(
    ("before", "action", "state"),
    [
        (RUNNING, Action.CANCEL, JobState.CANCELLED),
        (PARKED, Action.RELEASE, JobState.RUNNING),
        (PARKED, Action.FAIL, JobState.FAILED),
        (FAILED, Action.REPLAY, JobState.RUNNING),
    ],
)
def test_an_order_is_sent_and_waited_for(
    before: JobRecord, action: Action, state: JobState
) -> None:
    storage = stored(before)
    assert given(storage, action).state is state
    (message,) = storage.queues["image-jobs"]
    assert json.loads(message.text) == {"command": action, "job_id": "fox", "run": 1}


def test_an_order_against_the_record_is_not_sent() -> None:
    storage = stored(record())
    with pytest.raises(IllegalStep, match="nothing is left to cancel"):
        given(storage, Action.CANCEL)
    with pytest.raises(IllegalStep, match="only a parked job can release"):
        given(storage, Action.RELEASE)
    assert storage.sends == 0


def test_an_order_that_was_carried_out_before_is_not_sent_again() -> None:
    storage = stored(standing(JobState.CANCELLED, TaskState.CANCELLED))
    assert given(storage, Action.CANCEL).state is JobState.CANCELLED
    assert storage.sends == 0


def test_an_order_that_nobody_carries_out_stays_on_the_queue() -> None:
    storage = stored(PARKED)
    with pytest.raises(StillRunning, match="not carried out within 5 s"):
        given(storage, Action.RELEASE, app_is_up=False)
    assert storage.sends == 1


def test_there_is_no_order_to_a_job_that_nobody_knows() -> None:
    with pytest.raises(NoSuchJob):
        given(FakeStorage(), Action.CANCEL)
