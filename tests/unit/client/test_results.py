"""What the client returns of a job, read off its record, and what its errors say."""

import pytest

from shared.client.results import JobEnded, NotSubmitted, Quote, Receipt, Status
from shared.errors import StoreUnavailable
from shared.records.record import Failure, JobState, TaskState
from tests.builders.ended_jobs import AT, attempt, failed, picture, plan, record, task
from tests.builders.messages import read

QUOTE = Quote(None)


def receipt(job_id: str) -> Receipt:
    return Receipt(job_id, "f", "d", AT, QUOTE)


def test_a_quote_without_plans_promises_nothing_beyond_the_fields() -> None:
    assert (QUOTE.checked, QUOTE.estimate_usd) == ("fields", None)


@pytest.mark.parametrize(
    ("prices", "total"), [((0.1, 0.25), 0.35), ((0.1, None), None), ((0.0,), 0.0)]
)
def test_a_quote_adds_up_its_plans_and_an_unknown_price_makes_it_unknown(
    prices: tuple[float | None, ...], total: float | None
) -> None:
    quote = Quote(tuple(plan(estimate_usd=usd) for usd in prices))
    assert (quote.checked, quote.estimate_usd) == ("routing", total)


@pytest.mark.parametrize("state", JobState)
def test_a_job_has_ended_in_every_state_but_running(state: JobState) -> None:
    status = Status(record(state=state))
    assert status.ended is (state is not JobState.RUNNING)
    assert status.succeeded is (state is JobState.SUCCEEDED)


def test_calls_are_ended_running_or_still_to_come() -> None:
    tasks = tuple(task(index, state=state) for index, state in enumerate(TaskState))
    status = Status(record(plan=plan(n=1), tasks=tasks, state=JobState.RUNNING))
    assert status.calls == len(TaskState)
    assert (status.calls_running, status.calls_ended) == (1, len(TaskState) - 2)


def test_a_status_has_the_pictures_so_far_and_what_they_cost() -> None:
    half = (
        task(0, state=TaskState.DONE, attempts=(attempt(),), pictures=(picture("a.png"),)),
        task(
            1,
            state=TaskState.CALLING,
            current=attempt(cost_usd=0.0, cost_usd_at_most=0.05, cost_known_by="estimate"),
        ),
    )
    status = Status(record(plan=plan(n=2), tasks=half, state=JobState.RUNNING))
    assert [image.blob for image in status.images] == ["a.png"]
    assert status.costs.cost_known_by == "estimate"
    assert status.costs.cost_usd == pytest.approx(0.0123456789, abs=1e-6)
    assert status.costs.cost_usd_at_most == pytest.approx(0.0623456789, abs=1e-6)


def test_a_job_that_ended_without_its_pictures_says_why() -> None:
    refused = Failure(code="content_refused", message="no")
    error = JobEnded(Status(failed(attempt(), failure=refused)))
    assert str(error) == "job fox failed: content_refused, no"
    assert str(JobEnded(Status(record(state=JobState.CANCELLED)))) == "job fox cancelled"


def test_jobs_that_may_not_have_been_sent_are_counted_and_kept() -> None:
    job = read({"job_id": "ox", "prompt": "an ox"})
    error = NotSubmitted(StoreUnavailable("busy"), receipts=[receipt("fox")], jobs=[job])
    assert str(error) == "1 of 2 jobs may not have been sent: busy"
    assert [each.job_id for each in error.receipts] == ["fox"]
    assert error.jobs == (job,)
