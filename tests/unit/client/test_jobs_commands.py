"""Commands: checked against the record, sent, and waited for."""

import json

import pytest

from shared.client import jobs
from shared.client.results import NoSuchJob, Status, StillRunning
from shared.errors import IllegalStep
from shared.jobs.parsing import Message, open_envelope
from shared.records.commands import Action, apply_command, read_command
from shared.records.erasure import is_tombstone, make_tombstone, request_erasure
from shared.records.index_entry import JobFilter, index_entry_of
from shared.records.record import JobRecord, JobState, TaskState
from tests.builders.connections import MemoryConnection
from tests.builders.ended_jobs import DONE_AT, record
from tests.unit.client.test_jobs import stored


def standing(state: JobState, task: TaskState) -> JobRecord:
    tasks = tuple(each.model_copy(update={"state": task}) for each in record().tasks)
    return record().model_copy(update={"state": state, "tasks": tasks})


RUNNING = standing(JobState.RUNNING, TaskState.PENDING)
PARKED = standing(JobState.PARKED, TaskState.PARKED)
FAILED = standing(JobState.FAILED, TaskState.FAILED)


async def send(app: MemoryConnection, action: Action, *, app_is_up: bool = True) -> Status:
    def execute() -> None:
        (message,) = app.queues.queues["image-jobs"]
        command = read_command(open_envelope(Message(message.body, "m", app.clock.now())))
        name = f"jobs/{command.job_id}.json"
        before = JobRecord.model_validate_json(app.body(name))
        after = apply_command(before, command, now=app.clock.now())
        app.put(name, after.model_dump_json().encode())

    app.clock.meanwhile = execute if app_is_up else lambda: None
    return await jobs.send_command("fox", action, app, within=5)


@pytest.mark.parametrize(
    ("before", "action", "state"),
    [
        (RUNNING, Action.CANCEL, JobState.CANCELLED),
        (PARKED, Action.RELEASE, JobState.RUNNING),
        (PARKED, Action.FAIL, JobState.FAILED),
        (FAILED, Action.REPLAY, JobState.RUNNING),
    ],
)
async def test_a_command_is_sent_and_waited_for(
    before: JobRecord, action: Action, state: JobState
) -> None:
    app = stored(before)
    assert (await send(app, action)).state is state
    (message,) = app.queues.queues["image-jobs"]
    assert json.loads(message.body) == {"command": action, "job_id": "fox", "run": 1}


async def test_a_command_against_the_record_is_not_sent() -> None:
    app = stored(record())
    with pytest.raises(IllegalStep, match="nothing is left to cancel"):
        await send(app, Action.CANCEL)
    with pytest.raises(IllegalStep, match="only a parked job can release"):
        await send(app, Action.RELEASE)
    assert app.queues.sent == []


async def test_a_command_that_was_executed_before_is_not_sent_again() -> None:
    app = stored(standing(JobState.CANCELLED, TaskState.CANCELLED))
    assert (await send(app, Action.CANCEL)).state is JobState.CANCELLED
    assert app.queues.sent == []


async def test_a_command_that_nobody_executes_stays_on_the_queue() -> None:
    app = stored(PARKED)
    with pytest.raises(StillRunning, match="not executed within 5 s"):
        await send(app, Action.RELEASE, app_is_up=False)
    assert len(app.queues.sent) == 1


async def test_there_is_no_command_to_an_unknown_job() -> None:
    with pytest.raises(NoSuchJob):
        await send(MemoryConnection(), Action.CANCEL)


def erased_by(app: MemoryConnection) -> None:
    """Let the app replace each record by its tombstone, and redact its index entry."""

    def execute() -> None:
        for message in app.queues.queues["image-jobs"]:
            name = f"jobs/{json.loads(message.body)['job_id']}.json"
            before = JobRecord.model_validate_json(app.body(name))
            after = make_tombstone(request_erasure(before, now=app.clock.now()))
            app.put(name, after.model_dump_json().encode())

    app.clock.meanwhile = execute


async def test_an_erasure_is_sent_and_waited_for_and_sent_again_to_be_sure() -> None:
    app = stored(record())
    erased_by(app)
    for _ in range(2):
        status = await jobs.send_command("fox", Action.ERASE, app, within=5)
        assert is_tombstone(status.record)
    assert len(app.queues.sent) == 2


async def test_only_the_jobs_of_a_list_are_erased_and_each_has_its_answer() -> None:
    mine = {"tags": {"customer": "42"}}
    listed = [record({"job_id": name, **mine}) for name in ("fox-1", "fox-2")]
    running = record({"job_id": "fox-3", **mine}, state=JobState.RUNNING)
    gone = make_tombstone(request_erasure(record({"job_id": "fox-4"}), now=DONE_AT))
    other = record({"job_id": "fox-5"})
    app = stored(*listed, running, gone, other)
    for each in (*listed, running, gone, other):
        await app.index.close(index_entry_of(each))
    erased_by(app)
    found = await jobs.erase_all(JobFilter(tag=("customer", "42")), app)
    (refused,) = [each for each in found if not isinstance(each, Status)]
    assert isinstance(refused, IllegalStep)
    erased = [each for each in found if isinstance(each, Status)]
    assert sorted(each.job_id for each in erased) == ["fox-1", "fox-2"]
    assert not is_tombstone((await jobs.read_status("fox-5", app)).record)
