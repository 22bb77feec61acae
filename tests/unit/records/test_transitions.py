"""Every way of a task and of a job from state to state is an edge of the tables, and is gone."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache, partial

import pytest

from shared.errors import IllegalStep, Superseded
from shared.records import commands
from shared.records.commands import Action, Command
from shared.records.record import Attempt, Failure, JobRecord, JobState, TaskState
from shared.records.transitions import (
    JOB_EDGES,
    TASK_EDGES,
    Step,
    adopt,
    claim,
    close,
    end_finish,
    give_up,
    mark_sent,
    open_record,
    park,
    put_back_unknown,
    put_back_unpaid,
)
from shared.vocabulary import FailureCode
from tests.builders.ended_jobs import AT, attempt, picture
from tests.builders.messages import read
from tests.builders.routed import plans

type Change = Callable[[JobRecord], JobRecord]

FAILURE = Failure(code=FailureCode.OVER_BUDGET, message="no money today")
#: A deadline that passes while a job waits for the next day.
ASKED = {"job_id": "fox", "prompt": "a fox", "model": "gpt-image-2", "locales": ["de", "ja"]}
LATER = AT + timedelta(days=2)


def opened() -> Iterator[JobRecord]:
    for more in (
        {},
        {"finish": {"thumbnail": 64}, "deadline": (AT + timedelta(days=1)).isoformat()},
        {"review": True},
    ):
        job = read(ASKED | more)
        routed = plans(model="gpt-image-2", locales=("de", "ja"))
        limit = 60 if job.review else None
        yield open_record(job, routed, now=AT, publish=False, review_seconds=limit)


def newest(record: JobRecord, index: int) -> Attempt:
    task = record.tasks[index]
    return task.current or attempt(token=max(task.claims, 1))


def changes(index: int) -> Iterator[tuple[Step, Change]]:
    """Every transition of a task, each by the step it is of."""
    yield (
        Step.CLAIM,
        lambda record: claim(record, index, attempt(token=record.tasks[index].claims + 1)),
    )
    yield (
        Step.PUT_BACK,
        lambda record: put_back_unpaid(
            record, index, newest(record, index).token, code="429", now=AT
        ),
    )
    yield (
        Step.PUT_BACK,
        lambda record: put_back_unknown(record, index, newest(record, index), pictures=(), now=AT),
    )
    for state in TaskState:
        yield (
            Step.CLOSE,
            lambda record, state=state: close(  # type: ignore[misc]  # bound early, as in any loop
                record,
                index,
                newest(record, index),
                state=state,
                pictures=[picture(blob) for blob in record.tasks[index].blobs]
                if state is TaskState.DONE
                else (),
                failure=None if state is TaskState.DONE else FAILURE,
                now=AT,
            ),
        )
    yield (
        Step.ADOPT,
        lambda record: adopt(
            record,
            index,
            [picture(slot.blob, slot.index) for slot in record.tasks[index].missing],
            now=AT,
        ),
    )
    yield Step.GIVE_UP, partial(give_up, index=index, failure=FAILURE, now=AT)
    yield Step.PARK, partial(park, index=index, failure=FAILURE, now=AT)


def job_changes() -> Iterator[tuple[set[Step], Change]]:
    """Every transition of a whole job, by the steps that it takes with its tasks."""
    yield {Step.CANCEL}, partial(commands.cancel, result="keep", reason="", now=AT)
    yield {Step.RELEASE}, partial(commands.release, now=AT)
    yield {Step.FAIL}, partial(commands.fail, reason="", now=AT)
    yield {Step.REPLAY}, partial(commands.replay, remake=False, now=AT)
    yield {Step.REPLAY}, partial(commands.replay, remake=True, now=AT)
    yield {Step.RELEASE, Step.FAIL}, partial(commands.resume, now=LATER)
    for action in ("approve", "reject"):
        command = Command(command=Action(action), job_id="fox")
        yield {Step(action)}, partial(commands.apply_command, command=command, now=AT)
    yield {Step.REJECT}, partial(commands.expire_review, now=LATER)
    yield set(), partial(end_finish, now=AT)
    yield set(), partial(end_finish, failure=FAILURE, now=AT)


def shape(record: JobRecord) -> str:
    """What of a record decides over its next steps."""
    tasks = [(task.state, bool(task.pictures), bool(task.failure)) for task in record.tasks]
    finishing = record.finishing and record.finishing.state
    review = record.review_seconds, record.review and record.review.approved
    return json.dumps(
        [record.state, tasks, finishing, record.cancel_requested, record.run > 1, *review]
    )


@cache
def walked() -> tuple[frozenset[tuple[object, ...]], frozenset[tuple[object, ...]]]:
    """Take every transition from every record that can be reached; return the edges gone."""
    every: list[tuple[set[Step], Change]] = [*job_changes()]
    every += [({step}, change) for index in (0, 1) for step, change in changes(index)]
    of_tasks: set[tuple[object, ...]] = set()
    of_jobs: set[tuple[object, ...]] = set()
    seen: set[str] = set()
    ahead = [*opened()]
    while ahead:
        before = ahead.pop()
        for steps, change in every:
            try:
                after = change(before)
            except IllegalStep:
                continue
            for old, new in zip(before.tasks, after.tasks, strict=True):
                if old.state is not new.state:
                    of_tasks.add((old.state, frozenset(steps), new.state))
            # A command that ends a job at once begins its run first.
            began = after.run > before.run
            if began:
                of_jobs.add((before.state, frozenset(steps), JobState.RUNNING))
            if after.state is not JobState.RUNNING and (began or before.state is JobState.RUNNING):
                of_jobs.add((JobState.RUNNING, frozenset({Step.END}), after.state))
            assert len(after.outbox) - len(before.outbox) == (
                after.state is not JobState.RUNNING and after != before
            ), "one event for each end of a run"
            after = mark_sent(after, after.outbox, now=AT)
            if shape(after) not in seen:
                seen.add(shape(after))
                ahead.append(after)
    return frozenset(of_tasks), frozenset(of_jobs)


@pytest.mark.parametrize(("edges", "which"), [(TASK_EDGES, 0), (JOB_EDGES, 1)])
def test_every_transition_follows_an_edge_and_every_edge_is_reached(
    edges: tuple[tuple[object, Step, object], ...], which: int
) -> None:
    gone = walked()[which]
    for before, steps, after in gone:
        assert isinstance(steps, frozenset)
        assert any((before, step, after) in edges for step in steps), (before, steps, after)
    for before, step, after in edges:
        assert any(
            (before, after) == (old, new) and isinstance(steps, frozenset) and step in steps
            for old, steps, new in gone
        ), (before, step, after)


def test_only_the_newest_claim_holds_a_task() -> None:
    first, *_ = opened()
    old = attempt(token=1)
    record = put_back_unpaid(claim(first, 0, old), 0, 1, code="429", now=AT)
    record = claim(record, 0, attempt(token=2))
    with pytest.raises(Superseded, match="attempt 1 of task 0 of fox no longer holds the task"):
        close(record, 0, old, state=TaskState.DONE, now=AT)
    with pytest.raises(IllegalStep, match="claim 2"):
        claim(first, 0, attempt(token=2))


def test_a_refused_step_says_what_the_task_or_the_job_is() -> None:
    first, *_ = opened()
    with pytest.raises(IllegalStep, match="task 0 is calling: park to parked is not allowed"):
        park(claim(first, 0, attempt(token=1)), 0, FAILURE, now=AT)
    with pytest.raises(IllegalStep, match="fox is running; only a parked job can release"):
        commands.release(first, now=AT)
