"""A batch is advanced by one message at a time, and its record counts what its pages say."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from shared.batches.entries import FileFault, ManifestEntry, ReadingState
from shared.batches.record import (
    LOST_AFTER,
    MAX_FAULTS,
    PAGE_ENTRIES,
    BatchRecord,
    BatchState,
    Counts,
    EntryPage,
    Manifest,
    TakenEntry,
    add_entries,
    add_results,
    complete,
    delay_of_step,
    entry_fault,
    next_step,
    open_batch,
    wait_at,
)
from shared.errors import Fault

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
DUE = NOW + timedelta(seconds=10)
MANIFEST = Manifest(container="m", name="a.csv", version="1", bytes=9, modified_at=NOW)


def batch(step: int = 3) -> BatchRecord:
    return open_batch("b1", MANIFEST, due_at=DUE, now=NOW, step=step)


@pytest.mark.parametrize("name", ["due_at", "created_at", "completed_at", "sent_at"])
def test_a_record_with_a_time_without_a_zone_is_not_read(name: str) -> None:
    damaged = batch().model_dump(mode="json") | {name: "2026-11-30T12:00:00"}
    with pytest.raises(ValidationError, match=name):
        BatchRecord.model_validate(damaged)


@pytest.mark.parametrize(
    ("newest", "step", "delay"),
    [
        (3, 3, timedelta()),
        (3, 2, DUE + LOST_AFTER - NOW),
        (3, None, DUE + LOST_AFTER - NOW),
        (3, 1, None),
        (0, None, timedelta()),
        (0, 0, timedelta()),
    ],
)
def test_the_newest_message_goes_on_the_one_before_waits_and_older_ones_are_dropped(
    newest: int, step: int | None, delay: timedelta | None
) -> None:
    assert delay_of_step(batch(newest), step, now=NOW) == delay


def test_the_message_before_goes_on_once_the_newest_is_lost() -> None:
    assert delay_of_step(batch(), 2, now=DUE + LOST_AFTER) == timedelta()


def test_every_message_of_a_batch_whose_event_was_sent_is_dropped() -> None:
    done = complete(batch(), "https://results", now=NOW)
    assert delay_of_step(done, 3, now=NOW) == timedelta()
    sent = done.model_copy(update={"sent_at": NOW})
    assert delay_of_step(sent, 3, now=NOW) is None


def test_a_step_is_the_next_one_and_due_when_its_message_comes() -> None:
    later = next_step(batch(), due_at=DUE + LOST_AFTER, now=NOW)
    assert (later.step, later.due_at) == (4, DUE + LOST_AFTER)


def page(number: int, *, is_last: bool) -> EntryPage:
    fault = entry_fault(ManifestEntry(1, 2), Fault("n" * 500, "x" * 5_000))
    taken = TakenEntry(number=1, line=2, code="invalid_job", faults=(fault,) * number)
    wrong = FileFault(line=9, message="the list is not closed")
    return EntryPage(
        entries=(taken,),
        after=ReadingState(entries=PAGE_ENTRIES + 5),
        is_last=is_last,
        file_faults=(wrong,),
    )


def test_a_batch_runs_when_its_last_page_is_read_and_keeps_the_first_faults_short() -> None:
    reading = add_entries(batch(), page(1, is_last=False), now=NOW)
    assert (reading.state, reading.pages, reading.read_at) == (BatchState.READING, 1, None)
    running = add_entries(reading, page(2 * MAX_FAULTS, is_last=True), now=DUE)
    assert (running.state, running.pages, running.read_at) == (BatchState.RUNNING, 2, DUE)
    assert (len(running.faults), len(running.file_faults)) == (MAX_FAULTS, 2)
    assert len(running.faults[0].message) <= 400


def test_counts_of_pages_add_up_and_the_next_entry_is_named() -> None:
    running = add_entries(batch(), page(0, is_last=True), now=NOW)
    assert running.waits_for == 1
    waiting = wait_at(running, 7, now=DUE)
    assert (waiting.waits_for, waiting.updated_at) == (8, DUE)
    assert wait_at(waiting, 7, now=DUE + LOST_AFTER) is waiting
    one = add_results(waiting, Counts(entries=100, succeeded=99, known_usd=0.5), now=NOW)
    assert (one.waits_for, one.counts.succeeded) == (PAGE_ENTRIES + 1, 99)
    both = add_results(one, Counts(entries=5, succeeded=1, known_usd=0.25), now=NOW)
    assert (both.counts.entries, both.counts.succeeded, both.counts.known_usd) == (105, 100, 0.75)
    assert both.waits_for is None


def test_a_record_of_before_steps_is_still_read() -> None:
    stored = batch().model_dump(mode="json")
    stored |= {"turn": stored.pop("step"), "wrong": [{"line": 1, "message": "no"}]}
    del stored["file_faults"]
    read = BatchRecord.model_validate(stored)
    assert (read.step, read.file_faults) == (3, (FileFault(line=1, message="no"),))


def test_a_record_of_a_later_version_is_not_read() -> None:
    later = batch().model_dump(mode="json") | {"version": 2}
    with pytest.raises(ValidationError, match="version"):
        BatchRecord.model_validate(later)
