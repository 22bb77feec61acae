"""What the outcome of a call does to its task, by each policy, and when it is tried again."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Superseded
from shared.images_api.outcomes import MEANINGS, PICTURE_LINKED, Next, Outcome, OutcomeKind
from shared.images_api.replies import Moderation
from shared.records.outcomes import (
    FIRST_DELAY,
    JITTER,
    LONGEST_DELAY,
    FinishedCall,
    OnUnknown,
    Transition,
    apply_outcome,
    failure_of,
    retry_delay,
)
from shared.records.record import JobRecord, JobState, TaskState
from tests.builders.ended_jobs import DONE_AT, attempt, picture, plan, record, task

BLOBS = ("fox/default/0.png", "fox/default/1.png")
RETRIED = {Next.RETRY_LATER, Next.OTHER_DEPLOYMENT_OR_LATER}


def outcome(kind: OutcomeKind, **facts: Any) -> Outcome:  # noqa: ANN401 - any field of it
    return Outcome(**{"kind": kind, "code": "500", "message": "no", "charged": "no"} | facts)


def calling(**changes: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    """A job whose only call, for two pictures, is under way."""
    held = {"state": TaskState.CALLING, "claims": 1, "blobs": BLOBS}
    facts = held | {"current": attempt(ended_at=None, kind=None)} | changes.pop("task", {})
    return record(plan=plan(n=1), tasks=(task(**facts),), state=JobState.RUNNING, **changes)


def applied(
    ended: Outcome, before: JobRecord, *, came: int = 0, on_unknown: OnUnknown = "retry_once"
) -> Transition:
    pictures = tuple(picture(blob, index) for index, blob in enumerate(BLOBS[:came]))
    call = FinishedCall(attempt(), ended, pictures)
    return apply_outcome(before, 0, call, on_unknown=on_unknown, now=DONE_AT)


@pytest.mark.parametrize("kind", OutcomeKind)
@pytest.mark.parametrize("on_unknown", ["retry_once", "park", "fail"])
def test_all_pictures_are_a_success_whatever_the_outcome_says(
    kind: OutcomeKind, on_unknown: OnUnknown
) -> None:
    done = applied(outcome(kind), calling(), came=2, on_unknown=on_unknown)
    assert done.record.state is JobState.SUCCEEDED
    assert done.wake_after is None


@pytest.mark.parametrize("kind", OutcomeKind)
def test_a_call_that_is_tried_again_keeps_its_task_and_any_other_ends_it(kind: OutcomeKind) -> None:
    after = applied(outcome(kind), calling(), on_unknown="fail")
    is_retried = MEANINGS[kind].next in RETRIED
    expected = TaskState.PENDING if is_retried else TaskState.FAILED
    assert after.record.tasks[0].state is expected
    assert (after.wake_after is not None) is is_retried
    assert after.record.tasks[0].current is None


def test_an_unpaid_call_leaves_no_attempt_and_is_counted() -> None:
    back = applied(outcome(OutcomeKind.THROTTLED, code="429"), calling()).record.tasks[0]
    assert (back.attempts, back.unpaid_retries, back.last_unpaid) == ((), 1, "429")
    assert not back.possible_duplicate_charge


@pytest.mark.parametrize(
    ("on_unknown", "state"),
    [
        ("retry_once", TaskState.PENDING),
        ("park", TaskState.PARKED),
        ("fail", TaskState.FAILED),
    ],
)
def test_an_unknown_outcome_ends_by_the_policy(on_unknown: OnUnknown, state: TaskState) -> None:
    lost = outcome(OutcomeKind.UNKNOWN, charged="unknown")
    after = applied(lost, calling(), came=1, on_unknown=on_unknown).record.tasks[0]
    assert after.state is state
    assert [each.blob for each in after.pictures] == [BLOBS[0]]
    assert len(after.attempts) == 1


def test_an_unknown_outcome_is_retried_once_and_no_more() -> None:
    lost = outcome(OutcomeKind.UNKNOWN, charged="unknown")
    once = applied(lost, calling())
    assert once.wake_after == timedelta(seconds=FIRST_DELAY)
    twice = applied(lost, calling(task={"attempts": (attempt(),)}))
    assert twice.record.tasks[0].state is TaskState.FAILED
    assert twice.wake_after is None


@pytest.mark.parametrize(
    ("requested", "came", "state", "kept", "dropped"),
    [
        ("keep", 0, JobState.CANCELLED, 0, 0),
        ("keep", 1, JobState.CANCELLED, 1, 0),
        ("keep", 2, JobState.SUCCEEDED, 2, 0),
        ("drop", 1, JobState.CANCELLED, 0, 1),
        ("drop", 2, JobState.CANCELLED, 0, 2),
    ],
)
def test_a_cancelled_job_keeps_or_drops_what_arrives(
    requested: str, came: int, state: JobState, kept: int, dropped: int
) -> None:
    before = calling(cancel_requested=requested)
    after = applied(outcome(OutcomeKind.DONE), before, came=came).record
    assert after.state is state
    assert (len(after.pictures), len(after.tasks[0].dropped)) == (kept, dropped)


def test_an_attempt_that_lost_its_task_changes_nothing() -> None:
    taken = calling(task={"claims": 2, "current": attempt(token=2, kind=None)})
    with pytest.raises(Superseded):
        applied(outcome(OutcomeKind.DONE), taken, came=2)


@given(st.integers(0, 100), st.none() | st.floats(0, 10_000), st.integers(1, 3))
def test_a_retry_waits_at_least_as_long_as_was_asked_and_within_bounds(
    nth: int, asked: float | None, deployments: int
) -> None:
    names = tuple(map(str, range(deployments)))
    before = record(plan=plan(n=1, deployments=names), tasks=(task(unpaid_retries=nth),))
    one = outcome(OutcomeKind.NOT_SENT, retry_after=asked)
    wait = retry_delay(before, before.tasks[0], one).total_seconds()
    assert wait == retry_delay(before, before.tasks[0], one).total_seconds()
    assert max(asked or 0, FIRST_DELAY) <= wait + 1e-6
    assert wait <= max(asked or 0, LONGEST_DELAY) * (1 + JITTER) + 1e-6


def test_the_wait_grows_with_each_round_of_all_deployments() -> None:
    waits = []
    for nth in range(8):
        one = record(plan=plan(n=1), tasks=(task(unpaid_retries=nth),))
        waits.append(retry_delay(one, one.tasks[0], outcome(OutcomeKind.BLOCKED)).total_seconds())
    assert waits[::2] == [0, 0, 0, 0]  # the second deployment is tried at once
    assert waits[1::2] == sorted(waits[1::2])
    assert waits[1] >= FIRST_DELAY


def test_a_throttled_pool_is_waited_for_as_long_as_it_asks() -> None:
    one = record(plan=plan(n=1, deployments=("only",)), tasks=(task(unpaid_retries=9),))
    asked = outcome(OutcomeKind.THROTTLED, retry_after=1.5)
    assert retry_delay(one, one.tasks[0], asked) == timedelta(seconds=1.5)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_a_failure_has_the_code_of_its_outcome(kind: OutcomeKind) -> None:
    moderation = Moderation(stage="input", categories=("violence",))
    failure = failure_of(outcome(kind, moderation=moderation), came=1, wanted=2)
    assert failure.code == MEANINGS[kind].code
    assert failure.moderation == moderation
    may = {OutcomeKind.DONE, OutcomeKind.UNKNOWN, OutcomeKind.NOT_STORED}
    assert failure.retryable is (kind in may)


def test_a_failure_counts_what_came_and_names_a_linked_picture() -> None:
    done = replace(outcome(OutcomeKind.DONE), message="done")
    few = failure_of(done, came=1, wanted=2)
    assert few.message == "2 pictures were asked for and 1 came"
    told = failure_of(replace(done, message="picture 2: no PNG"), came=1, wanted=2)
    assert told.message == "2 pictures were asked for and 1 came: picture 2: no PNG"
    linked = replace(outcome(OutcomeKind.NO_IMAGE), code=PICTURE_LINKED)
    assert failure_of(linked, came=0, wanted=1).code == "picture_linked"
