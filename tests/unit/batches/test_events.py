"""Results are one line an entry, and their sums are what the event of a batch says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.batches.events import Result, build_completed, count_results, result_of, tally
from shared.batches.record import (
    BatchRecord,
    Counts,
    EntryFault,
    Manifest,
    TakenEntry,
    complete,
    open_batch,
)
from shared.errors import Fault
from shared.records.record import BatchEntryRef, Failure
from tests.builders.ended_jobs import attempt, failed, record

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
ENTRY = TakenEntry(number=3, line=7, job_id="fox")
MINE = BatchEntryRef(batch_id="b1", entry=3)


def test_a_result_holds_the_pictures_and_cost_of_its_job() -> None:
    result = result_of("b1", ENTRY, record(batch=MINE))
    assert (result.entry, result.line, result.job_id) == (3, 7, "fox")
    assert (result.state, result.repeated, len(result.images)) == ("succeeded", False, 2)
    assert (result.sidecar, result.failure, result.cost_known_by) == ("fox/job.json", None, "usage")


@pytest.mark.parametrize(
    "batch", [None, MINE.model_copy(update={"entry": 4}), MINE.model_copy(update={"batch_id": "x"})]
)
def test_a_job_that_was_begun_elsewhere_is_repeated(batch: BatchEntryRef | None) -> None:
    assert result_of("b1", ENTRY, record(batch=batch)).repeated


def test_a_failure_is_short_and_leaves_no_sidecar() -> None:
    job = failed(attempt(), failure=Failure(code="content_refused", message="x" * 5_000))
    result = result_of("b1", ENTRY, job)
    assert (result.state, result.sidecar) == ("failed", None)
    assert result.failure is not None
    assert (result.failure.code, len(result.failure.message) <= 400) == ("content_refused", True)


def test_an_entry_without_a_job_says_why() -> None:
    fault = EntryFault(entry=3, line=7, field="n", message="99 is too big")
    entry = TakenEntry(number=3, line=7, code="invalid_job", faults=(fault,))
    result = result_of("b1", entry, None)
    assert (result.state, result.code, result.job_id) == ("rejected", "invalid_job", None)
    assert result.faults == (Fault("n", "99 is too big"),)
    assert (result.cost_usd, result.cost_usd_at_most) == (0.0, 0.0)
    gone = result_of("b1", ENTRY, None)
    assert (gone.state, gone.cost_usd, gone.cost_usd_at_most) == ("gone", None, None)


def result(state: Any, **fields: Any) -> Result:  # noqa: ANN401 (any field of a result)
    facts: dict[str, Any] = {"entry": 1, "line": 1, "job_id": "fox", "repeated": False}
    facts["cost_usd_at_most"] = fields.get("cost_usd", 0.0)
    return Result(state=state, **(facts | fields))


def test_the_cost_of_a_repeated_job_is_counted_where_it_was_begun() -> None:
    counts = count_results(
        (
            result("succeeded", cost_usd=0.5, cost_known_by="usage"),
            result("failed", cost_usd=0.25, cost_usd_at_most=0.5, cost_known_by="estimate"),
            result("succeeded", cost_usd=9.0, cost_known_by="usage", repeated=True),
            result("parked", cost_usd=None, possible_duplicate_charge=True),
            result("rejected", job_id=None),
            result("gone"),
        )
    )
    assert (counts.entries, counts.succeeded, counts.rejected, counts.gone) == (6, 2, 1, 1)
    assert (counts.repeated, counts.known_usd, counts.possible_duplicate_charges) == (1, 0.75, 1)
    assert (counts.known_usd_at_most, counts.unpriced, counts.estimated) == (1.0, 1, 1)


def test_counts_that_an_earlier_version_stored_are_certain_of_their_cost() -> None:
    assert Counts.model_validate({"entries": 1, "known_usd": 0.5}).known_usd_at_most == 0.5


@pytest.mark.parametrize(
    ("counts", "cost"),
    [
        (Counts(entries=2, succeeded=2, known_usd=0.1234567), (0.123457, 0.123457, "usage")),
        (
            Counts(entries=2, succeeded=2, known_usd=0.5, known_usd_at_most=0.75, estimated=1),
            (0.5, 0.75, "estimate"),
        ),
        (Counts(entries=2, succeeded=2, known_usd=0.5, unpriced=1), (None, None, None)),
        (Counts(entries=2, rejected=2), (0.0, 0.0, None)),
    ],
)
def test_a_tally_has_a_cost_unless_a_part_of_it_is_unknown(
    counts: Counts, cost: tuple[float | None, float | None, str | None]
) -> None:
    published = tally(counts)
    found = (published.cost_usd, published.cost_usd_at_most, published.cost_known_by)
    assert found == cost


def test_the_event_is_built_from_the_record_alone_and_has_the_same_id_each_time() -> None:
    manifest = Manifest(container="m", name="a.csv", version="1", bytes=9, modified_at=NOW)
    opened: BatchRecord = open_batch("b1", manifest, due_at=NOW, now=NOW)
    done = complete(opened, "https://results", now=NOW + timedelta(seconds=90))
    one, again = (build_completed(done, source="/app", container="images") for _ in range(2))
    assert one.get_id() == again.get_id()
    assert one.get_subject() == "batches/b1"
    data = one.get_data()
    assert isinstance(data, dict)
    assert data["timings"]["total_seconds"] == 90
    assert data["results"] == {
        "url": "https://results",
        "container": "images",
        "blob": "_batches/b1/results.jsonl",
    }
