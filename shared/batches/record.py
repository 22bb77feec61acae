"""A batch: the jobs of one manifest, from the first line read to the one event of its end.

    reading ──▶ running ──▶ completed

A batch is kept in pages of a hundred entries. A page of *entries* is written once, when its jobs
are accepted; a page of *results* once, when they have ended, and in order. So each job is looked at
twice and not all the time, whoever repeats a step finds its page and takes it as it is, and what a
batch comes to is summed from pages, never counted by whoever passes by.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .data import Counts, EntryFault, FileFault
from .entries import ReadingState

#: Grows when the shape of a batch's record changes so that an older app could not read it.
BATCH_VERSION: Final = 1
PAGE_ENTRIES: Final = 100
#: Faults kept in the record and told in the event; the results have all of them.
MAX_TOLD: Final = 20
#: Under this name a list that came over HTTP is kept.
POSTED: Final = "posted.json"
#: A turn that is overdue by this much was lost with its process.
LOST_AFTER: Final = timedelta(minutes=2)


class BatchState(StrEnum):
    """Where a batch stands."""

    READING = "reading"
    RUNNING = "running"
    COMPLETED = "completed"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TakenEntry(_Frozen):
    """What became of an entry: a job, or faults."""

    number: int = Field(ge=1)
    line: int = Field(ge=1)
    job_id: str | None = None
    #: Of faults: the id that the job would have had, if it names one.
    asked_id: str | None = None
    code: str | None = None
    faults: tuple[EntryFault, ...] = ()


class EntryPage(_Frozen):
    """The entries of a page, and where the next page begins."""

    entries: tuple[TakenEntry, ...]
    after: ReadingState
    is_last: bool
    #: What is wrong with the file as a whole.
    wrong: tuple[FileFault, ...] = ()


class Manifest(_Frozen):
    """What a batch was started by: a file that was dropped, or a list that came over HTTP."""

    #: It came over HTTP, and is kept as a page of the batch: `POSTED`.
    is_posted: bool = False
    container: str
    name: str
    #: Its ETag, of a list its SHA-256: another version is another batch.
    version: str
    bytes: int = Field(ge=0)
    modified_at: datetime


class BatchRecord(_Frozen):
    """The truth about one batch."""

    version: int = BATCH_VERSION
    batch_id: str
    manifest: Manifest
    state: BatchState = BatchState.READING
    #: Where reading goes on, and pages of entries written.
    reading: ReadingState = ReadingState()
    pages: int = Field(default=0, ge=0)
    #: Pages of results written, and the entry of the next one that is waited for.
    collected: int = Field(default=0, ge=0)
    waiting_at: int = Field(default=0, ge=0)
    counts: Counts = Counts()
    wrong: tuple[FileFault, ...] = ()
    faults: tuple[EntryFault, ...] = ()
    #: The newest turn, and when its message is due: see `admitted`.
    turn: int = Field(default=0, ge=0)
    due_at: datetime
    created_at: datetime
    read_at: datetime | None = None
    completed_at: datetime | None = None
    updated_at: datetime
    #: URL of the result manifest, once it is there.
    results_url: str | None = None
    sent_at: datetime | None = None

    @property
    def waits_for(self) -> int | None:
        """The first entry, from 1, whose job is not known to have ended; None where none is."""
        told = self.collected * PAGE_ENTRIES + self.waiting_at
        is_running = self.state is BatchState.RUNNING and told < self.reading.entries
        return told + 1 if is_running else None


def page_of_entries(number: int) -> str:
    """Return the name of a page of entries."""
    return f"entries/{number:06d}.json"


def open_batch(
    batch_id: str, manifest: Manifest, *, due_at: datetime, now: datetime, turn: int = 0
) -> BatchRecord:
    """Return the first record of a batch; a `turn` has a message that comes when it is due."""
    return BatchRecord(
        batch_id=batch_id,
        manifest=manifest,
        turn=turn,
        due_at=due_at,
        created_at=now,
        updated_at=now,
    )


def with_entries(record: BatchRecord, page: EntryPage, *, now: datetime) -> BatchRecord:
    """Note a page of entries."""
    faults = [fault for entry in page.entries for fault in entry.faults]
    return record.model_copy(
        update={
            "pages": record.pages + 1,
            "reading": page.after,
            "faults": (*record.faults, *faults)[:MAX_TOLD],
            "wrong": (*record.wrong, *page.wrong)[:MAX_TOLD],
            "state": BatchState.RUNNING if page.is_last else record.state,
            "read_at": now if page.is_last else None,
            "updated_at": now,
        }
    )


def waiting(record: BatchRecord, at: int, *, now: datetime) -> BatchRecord:
    """Note the entry of the page under way whose job has not ended."""
    return record.model_copy(update={"waiting_at": at, "updated_at": now})


def with_results(record: BatchRecord, counts: Counts, *, now: datetime) -> BatchRecord:
    """Note a page of results and what it adds up to."""
    return record.model_copy(
        update={
            "collected": record.collected + 1,
            "waiting_at": 0,
            "counts": record.counts.plus(counts),
            "updated_at": now,
        }
    )


def completed(record: BatchRecord, results_url: str, *, now: datetime) -> BatchRecord:
    """End the batch: it owes the world its event."""
    return record.model_copy(
        update={
            "state": BatchState.COMPLETED,
            "results_url": results_url,
            "completed_at": now,
            "updated_at": now,
        }
    )


def next_turn(record: BatchRecord, *, due_at: datetime, now: datetime) -> BatchRecord:
    """Hand the batch on to a message that is due at this time."""
    return record.model_copy(update={"turn": record.turn + 1, "due_at": due_at, "updated_at": now})


def admitted(
    record: BatchRecord, turn: int | None, *, now: datetime
) -> Literal["go", "drop"] | datetime:
    """Say what a message of this turn may do: go on, nothing, or look again at a time.

    One message at a time moves a batch. Whoever hands it on writes the next turn before sending
    its message, so a message of the turn before may be the only one there is: it waits until the
    newest is surely lost. Older ones have been overtaken. An event of Event Grid has no turn: it
    counts as the turn before.
    """
    if record.state is BatchState.COMPLETED and record.sent_at:
        return "drop"
    given = record.turn - 1 if turn is None else turn
    if record.turn in {given, 0}:
        return "go"
    if given < record.turn - 1:
        return "drop"
    lost_at = record.due_at + LOST_AFTER
    return "go" if now >= lost_at else lost_at
