"""Erased records keep ids, states and money, and none of the texts that people wrote."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import IllegalStep
from shared.records.commands import Action, Command, apply_command
from shared.records.cost_report import add_up, find_calls
from shared.records.costs import cost_of
from shared.records.erasure import (
    add_findings,
    find_host,
    is_tombstone,
    make_tombstone,
    request_erasure,
)
from shared.records.index_entry import index_entry_of, to_metadata
from shared.records.record import (
    Failure,
    FinishRecord,
    JobRecord,
    JobState,
    OutboxEntry,
    Review,
    TaskState,
)
from tests.builders.ended_jobs import AT, DONE_AT, attempt, picture, plan, record, task

NOW = DONE_AT + timedelta(days=1)
#: Is in every text of a job, and in nothing else.
SECRET = "zanzibar"  # noqa: S105 (a word that is looked for)
PERSONAL: dict[str, Any] = {
    "prompt": f"{SECRET} in the snow",
    "tags": {"customer": SECRET, SECRET: "1"},
    "tenant": "shop",
    "inputs": [f"{SECRET}.png"],
    "reply_to": f"replies-{SECRET}",
    "callback": f"https://shop.example/{SECRET}?token={SECRET}",
}


def personal(state: JobState = JobState.FAILED, **changes: Any) -> JobRecord:  # noqa: ANN401 - any field of it
    failure = Failure(code="content_refused", message=f"{SECRET} is not allowed")
    blob = f"fox/default/{SECRET}.png"
    refused = attempt(message=f"{SECRET} is refused", cost_usd=0.0, cost_usd_at_most=0.05)
    tasks = (
        task(
            state=TaskState.DONE,
            attempts=(attempt(),),
            pictures=(picture(blob).model_copy(update={"revised_prompt": SECRET}),),
            dropped=(SECRET,),
        ),
        task(1, state=TaskState.FAILED, attempts=(refused,), failure=failure),
    )
    facts: dict[str, Any] = {
        "plan": plan(parameters={"user": SECRET}, warnings=(SECRET,), reasons=(SECRET,)),
        "tasks": tasks,
        "state": state,
        "outbox": (
            OutboxEntry(type="image.picture.stored", time=AT, sent_at=AT, picture=blob),
            OutboxEntry(type="image.job.failed", time=AT, sent_at=AT),
        ),
        "past": (attempt(message=SECRET),),
        "finishing": FinishRecord(state="failed", failure=failure),
        "review": Review(approved=False, reason=SECRET, decided_at=AT),
        "prompt_sha256": SECRET,
        "reuse_key": SECRET,
        "request_key": SECRET,
        "of_a_later_version": SECRET,
    }
    return record(PERSONAL, **(facts | changes))


def test_a_tombstone_has_none_of_the_texts_of_a_job() -> None:
    before = request_erasure(personal(), now=NOW)
    assert SECRET in before.model_dump_json()
    after = make_tombstone(before)
    assert SECRET not in after.model_dump_json()
    assert SECRET not in to_metadata(index_entry_of(after))
    assert is_tombstone(after)
    assert not is_tombstone(before)


def test_a_tombstone_keeps_id_tenant_state_and_costs() -> None:
    before = request_erasure(personal(), now=NOW)
    after = make_tombstone(before)
    kept = ("job_id", "state", "run", "accepted_at", "updated_at", "images_wanted", "estimate_usd")
    assert {name: getattr(after, name) for name in kept} == {
        name: getattr(before, name) for name in kept
    }
    assert after.job.tenant == "shop"
    assert after.erased is not None
    assert after.erased.requested_at == NOW
    assert cost_of(after.attempts) == cost_of(before.attempts)
    entries = index_entry_of(before), index_entry_of(after)
    assert len({(each.name, each.cost_usd, each.cost_usd_at_most) for each in entries}) == 1


@given(st.lists(st.floats(min_value=0, max_value=10), max_size=5), st.booleans())
def test_a_cost_report_is_the_same_after_an_erasure(costs: list[float], replayed: bool) -> None:  # noqa: FBT001 (by Hypothesis)
    calls = tuple(attempt(start, cost_usd=cost) for start, cost in enumerate(costs))
    made = task(state=TaskState.DONE, attempts=() if replayed else calls)
    before = personal(tasks=(made,), past=calls if replayed else ())
    after = make_tombstone(request_erasure(before, now=NOW))
    begin, end = datetime(2020, 1, 1, tzinfo=UTC), NOW
    for columns in ((), ("day", "tenant", "model")):
        assert add_up(find_calls(after, since=begin, until=end), columns) == add_up(
            find_calls(before, since=begin, until=end), columns
        )


def test_the_tombstone_of_a_tombstone_is_itself() -> None:
    once = make_tombstone(request_erasure(personal(), now=NOW))
    assert make_tombstone(once) == once
    assert request_erasure(once, now=NOW + timedelta(days=1)) == once
    assert JobRecord.model_validate_json(once.model_dump_json()) == once


@pytest.mark.parametrize(
    ("state", "first"),
    [
        (JobState.RUNNING, "cancel it first"),
        (JobState.PARKED, "cancel it first"),
        (JobState.AWAITING_REVIEW, "decide the review first"),
    ],
)
def test_only_a_job_that_has_ended_is_erased(state: JobState, first: str) -> None:
    with pytest.raises(IllegalStep, match=first):
        request_erasure(personal(state), now=NOW)


def test_a_job_with_an_event_to_send_is_not_erased_yet() -> None:
    unsent = (OutboxEntry(type="image.job.failed", time=AT),)
    with pytest.raises(IllegalStep, match="not sent yet"):
        request_erasure(personal(outbox=unsent), now=NOW)


@pytest.mark.parametrize("action", [each for each in Action if each is not Action.ERASE])
def test_no_other_command_is_carried_out_once_an_erasure_has_begun(action: Action) -> None:
    command = Command(command=action, job_id="fox")
    with pytest.raises(IllegalStep, match="is erased"):
        apply_command(request_erasure(personal(), now=NOW), command, now=NOW)


def test_findings_are_added_to_those_of_an_earlier_try_and_named_once() -> None:
    begun = request_erasure(personal(), now=NOW)
    for deleted in (["images/a", "images/b"], ["images/b", "images/c"]):
        begun = add_findings(begun, deleted=deleted, kept=["x"], receivers=["image-events"])
    assert begun.erased is not None
    assert begun.erased.deleted == ("images/a", "images/b", "images/c")
    assert begun.erased.kept == ("x",)
    with pytest.raises(IllegalStep, match="nobody erases"):
        add_findings(personal(), deleted=(), kept=(), receivers=())


def test_of_a_callback_only_the_host_is_named() -> None:
    assert find_host(PERSONAL["callback"]) == "shop.example"
