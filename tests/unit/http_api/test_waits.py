"""The place in line, the expected times and the reason of a job that waits."""

from datetime import timedelta
from typing import Any

import pytest

from shared.http_api.waits import WaitStatus, describe_wait, find_pools
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pacing import DEFAULT_SHARE, CallTime, Ticket, reserve, start_pace
from shared.limits.pool_ledger import (
    AcquireRequest,
    Ledger,
    Reservation,
    acquire,
    report,
    take_tickets,
)
from shared.records.record import Failure, FinishRecord, JobRecord, JobState, OutboxEntry, TaskState
from shared.vocabulary import FailureCode
from tests.builders.ended_jobs import AT, attempt, plan, record, task
from tests.simulation.scene import configured

POOL = "gpt-image-2"
QUOTA = Quota(6)
CONFIGURATION = configured(FOUNDRY_DEPLOYMENTS='[{"name": "gpt-image-2", "rpm": 6}]')
SECONDS = timedelta(seconds=1)


def waiting(*tickets: Ticket | None, **job: Any) -> JobRecord:  # noqa: ANN401 - any field of a job
    tasks = tuple(task(index, ticket=ticket) for index, ticket in enumerate(tickets))
    planned = plan(n=len(tickets), deployments=(POOL,))
    return record(job, plan=planned, tasks=tasks, state=JobState.RUNNING)


def line(count: int) -> tuple[Ledger, tuple[Ticket, ...]]:
    return take_tickets(None, count, pool=POOL, quota=QUOTA, share=DEFAULT_SHARE, now=AT)


def described(job: JobRecord, ledger: Ledger | None, *, after: float = 0) -> WaitStatus:
    now = AT + after * SECONDS
    told = describe_wait(job, {POOL: ledger}, CONFIGURATION, now=now)
    assert told
    return told


def after_call(feedback: CallFeedback) -> Ledger:
    question = AcquireRequest(POOL, POOL, QUOTA, timedelta(minutes=2))
    ledger, answer = acquire(None, question, now=AT, token="call")  # noqa: S106 - of a probe
    assert isinstance(answer, Reservation)
    return report(ledger, answer, feedback, now=AT)


def test_a_place_in_line_has_its_expected_times() -> None:
    ledger, tickets = line(12)
    told = described(waiting(tickets[-1]), ledger)
    assert (told.reason, told.ahead, told.pool) == ("place_in_line", 11, POOL)
    assert told.call_at == told.until == AT + 110 * SECONDS
    assert told.done_at == AT + (110 + 30) * SECONDS
    assert "11 calls come first" in told.message


def test_the_first_call_counts_for_the_place_and_the_last_one_for_the_end() -> None:
    ledger, tickets = line(12)
    told = described(waiting(tickets[3], tickets[11]), ledger)
    assert (told.ahead, told.call_at) == (3, AT + 30 * SECONDS)
    assert told.done_at == AT + (110 + 30) * SECONDS


def test_the_expected_time_is_that_of_the_call_when_nobody_else_comes() -> None:
    """The line is called to the end by holders who come on time."""
    ledger, tickets = line(30)
    pace, called = ledger.pace, dict[float, float]()
    expected = {each.number: described(waiting(each), ledger).call_at for each in tickets}
    for number, each in enumerate(tickets):
        now = AT + number * 10 * SECONDS
        pace, answer = reserve(pace, now=now, quota=QUOTA, ticket=each)
        assert isinstance(answer, CallTime)
        assert answer.at == expected[each.number]
        called[each.number] = answer.at.timestamp()
    assert len(called) == 30


def test_tasks_without_a_place_are_expected_one_after_the_other() -> None:
    told = described(waiting(None, None, None), Ledger(pace=start_pace(QUOTA, now=AT)))
    assert (told.ahead, told.call_at) == (0, AT)
    assert told.done_at == AT + (20 + 30) * SECONDS


def test_a_429_is_named_until_its_end() -> None:
    ledger = after_call(CallFeedback("throttled", retry_after=40))
    told = described(waiting(None), ledger, after=10)
    assert (told.reason, told.until) == ("throttled", AT + 40 * SECONDS)
    assert told.call_at is not None
    assert told.call_at >= AT + 40 * SECONDS
    assert described(waiting(None), ledger, after=50).reason == "place_in_line"


def test_an_open_circuit_is_named_with_the_message_of_the_service() -> None:
    ledger = after_call(CallFeedback("blocked", "403 Blocked"))
    told = described(waiting(None), ledger, after=1)
    assert told.reason == "circuit_open"
    assert "blocked" in told.message
    assert "403 Blocked" in told.message
    assert told.until is not None
    assert told.call_at == told.until > AT


def test_a_job_for_later_waits_for_its_time() -> None:
    begin = AT + timedelta(hours=9)
    told = described(waiting(None, not_before=begin.isoformat()), None)
    assert (told.reason, told.until, told.call_at) == ("not_before", begin, begin)
    assert told.ahead is None
    assert told.done_at == begin + 30 * SECONDS


def test_a_call_in_progress_is_expected_to_end() -> None:
    current = attempt(ended_at=None, kind=None)
    calling = record(
        plan=plan(n=1),
        tasks=(task(state=TaskState.CALLING, current=current),),
        state=JobState.RUNNING,
    )
    told = described(calling, None)
    assert (told.reason, told.until) == ("reply", current.started_at + 30 * SECONDS)
    assert (told.ahead, told.call_at) == (None, None)
    assert find_pools(calling, CONFIGURATION) == ()


def test_a_job_over_budget_waits_for_midnight() -> None:
    failure = Failure(code=FailureCode.OVER_BUDGET, message="spent")
    parked = record(
        plan=plan(n=1),
        tasks=(task(state=TaskState.PARKED, failure=failure),),
        state=JobState.PARKED,
        outbox=(OutboxEntry(type="image.job.parked", time=AT),),
    )
    told = described(parked, None)
    midnight = (AT + timedelta(days=1)).replace(hour=0)
    assert (told.reason, told.until) == ("budget", midnight)


def test_a_job_whose_calls_have_ended_waits_for_its_renditions() -> None:
    job = record(state=JobState.RUNNING, finishing=FinishRecord())
    assert described(job, None).reason == "renditions"


@pytest.mark.parametrize("state", sorted(set(JobState) - {JobState.RUNNING}))
def test_a_job_that_has_ended_does_not_wait(state: JobState) -> None:
    ended = record(state=state)
    assert describe_wait(ended, {}, CONFIGURATION, now=AT) is None
    assert find_pools(ended, CONFIGURATION) == ()


def test_the_pools_of_tickets_and_plans_are_read_once() -> None:
    _, tickets = line(3)
    assert find_pools(waiting(*tickets, None), CONFIGURATION) == (POOL,)
