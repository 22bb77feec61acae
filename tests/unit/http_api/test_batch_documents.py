"""A caller reads where a batch is, and what each job of its list became."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.batches.entries import ReadingState
from shared.batches.record import (
    BatchState,
    EntryFault,
    EntryPage,
    Manifest,
    TakenEntry,
    complete,
    open_batch,
)
from shared.errors import ConflictingJob, Fault, InvalidJob
from shared.http_api.batch_documents import (
    describe_batch,
    describe_begun,
    describe_rejected,
    poll_batch_after,
)

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MANIFEST = Manifest(container="m", name="a.csv", version="1", bytes=9, modified_at=NOW)
BATCH = open_batch("b1", MANIFEST, due_at=NOW, now=NOW)


@pytest.mark.parametrize("code", [None, "of_a_newer_version"])
def test_a_rejection_that_this_version_does_not_know_is_answered(code: str | None) -> None:
    entry = TakenEntry(number=1, line=1, code=code)
    page = EntryPage(entries=(entry,), after=ReadingState(entries=1), is_last=True)
    (job,) = describe_begun(BATCH, page).jobs
    assert job.problem is not None
    assert job.problem.code == "unreadable"


@pytest.mark.parametrize(("seconds", "wait"), [(0, 1), (20, 5), (3600, 30)])
def test_a_batch_is_worth_asking_for_the_less_often_the_longer_it_runs(
    seconds: int, wait: int
) -> None:
    assert poll_batch_after(BATCH, NOW + timedelta(seconds=seconds)) == wait


def test_the_results_have_a_path_once_they_are_written() -> None:
    status = describe_batch(BATCH)
    assert (status.state, status.path, status.results_path) == (
        BatchState.READING,
        "/api/batches/b1",
        None,
    )
    assert status.gallery_path == "/api/gallery#page=batch&batch=b1"
    done = describe_batch(complete(BATCH, "https://results", now=NOW))
    assert (done.results_path, done.results_url) == ("/api/batches/b1/results", "https://results")


def test_each_job_of_a_list_is_answered_by_its_place() -> None:
    fault = EntryFault(entry=2, line=1, field="n", message="99 is too big")
    page = EntryPage(
        entries=(
            TakenEntry(number=1, line=1, job_id="fox"),
            TakenEntry(number=2, line=1, code="invalid_job", asked_id="owl", faults=(fault,)),
        ),
        after=ReadingState(entries=2),
        is_last=True,
    )
    document = describe_begun(BATCH, page)
    assert (document.accepted, document.refused) == (1, 1)
    good, bad = document.jobs
    assert (good.index, good.job_id, good.path, good.problem) == (0, "fox", "/api/jobs/fox", None)
    assert (bad.index, bad.job_id, bad.path) == (1, "owl", None)
    assert bad.problem is not None
    assert (bad.problem.code, bad.problem.detail) == ("invalid_job", "n: 99 is too big")


def test_a_list_whose_every_job_is_refused_has_no_batch() -> None:
    rejections = [
        InvalidJob([Fault("n", "99 is too big")]),
        ConflictingJob([Fault("job_id", "belongs to another job")], job_id="fox"),
    ]
    document = describe_rejected(rejections)
    assert (document.accepted, document.refused, document.batch) == (0, 2, None)
    assert [(each.index, each.job_id) for each in document.jobs] == [(0, None), (1, "fox")]
