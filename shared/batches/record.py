"""The record of a batch, from the first entry read to the event of its end.

    reading ──▶ running ──▶ completed

A batch is stored in pages of a hundred entries. A page of entries is written once, when its jobs
are accepted. A page of results is written once, in order, when its jobs have ended. So each job is
read twice and not all the time, a repeated step finds its page and uses it, and the counts of a
batch are sums over pages.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Literal

from pydantic import AliasChoices, AwareDatetime, ConfigDict, Field, model_validator

from ..errors import Fault
from ..events.data import Data
from ..jobs.fields import StoredModel, added_field
from ..vocabulary import MAX_NAME_BYTES, clip
from .entries import FileFault, ManifestEntry, ReadingState

PAGE_ENTRIES: Final = 100
#: Faults kept in the record and in the event; the results have all of them.
MAX_FAULTS: Final = 20
#: The page that holds a list that came over HTTP.
POSTED: Final = "posted.json"
#: A message that is overdue by this much is lost.
LOST_AFTER: Final = timedelta(minutes=2)


class BatchState(StrEnum):
    """Where a batch is."""

    READING = "reading"
    RUNNING = "running"
    COMPLETED = "completed"


class EntryFault(Data):
    """One thing wrong with one entry of a manifest."""

    entry: int = Field(description="Which entry, from 1.")
    line: int = Field(description="Where it begins in the file, from 1.")
    field: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {Fault(self.field, self.message)}"


class EntryCounts(Data):
    """Entries of a manifest by the state of their jobs."""

    entries: int = 0
    succeeded: int = 0
    failed: int = 0
    parked: int = 0
    cancelled: int = 0
    rejected: int = Field(default=0, description="Entries with faults: no job was begun.")
    gone: int = Field(default=0, description="Jobs whose record was deleted meanwhile.")
    repeated: int = Field(
        default=0,
        description="Of these, entries whose job was begun elsewhere: by another batch, message or "
        "entry.",
    )
    images: int = 0
    possible_duplicate_charges: int = Field(
        default=0, description="Jobs that may have been paid for twice."
    )


class Counts(EntryCounts):
    """The counts of a batch as they are stored: they add up."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    #: Sums of the known costs, USD, without the repeated: what is certain and what is possible.
    known_usd: float = 0.0
    known_usd_at_most: float = 0.0
    #: Jobs with a part that has no known price, and jobs whose cost is an estimate.
    unpriced: int = 0
    estimated: int = 0

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, stored: Any) -> Any:  # noqa: ANN401 (whatever is to be validated)
        if isinstance(stored, dict) and "known_usd" in stored:
            # Earlier counts have one cost.
            return {"known_usd_at_most": stored["known_usd"], **stored}
        return stored

    def plus(self, other: "Counts") -> "Counts":
        """Return the sum of both."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in Counts.model_fields}
        return self.model_copy(update=sums)


class TakenEntry(StoredModel):
    """An entry that was taken: its job, or its faults."""

    number: int = Field(ge=1)
    line: int = Field(ge=1)
    job_id: str | None = None
    #: Of faults: the id that the job would have had, if it names one.
    asked_id: str | None = None
    code: str | None = None
    #: The tenant that it names, if it can be read.
    tenant: str | None = Field(default=None, exclude_if=lambda tenant: tenant is None)
    faults: tuple[EntryFault, ...] = ()


class EntryPage(StoredModel):
    """The entries of a page, and where the next page begins."""

    entries: tuple[TakenEntry, ...]
    after: ReadingState
    is_last: bool
    #: What is wrong with the file as a whole.
    file_faults: tuple[FileFault, ...] = Field(
        default=(), validation_alias=AliasChoices("file_faults", "wrong")
    )


class Manifest(StoredModel):
    """What started a batch: a file in the manifests container, or a list that came over HTTP."""

    #: It came over HTTP, and is stored as a page of the batch: `POSTED`.
    is_posted: bool = False
    container: str
    name: str
    #: Its ETag, or the SHA-256 of a list: another version is another batch.
    version: str
    bytes: int = Field(ge=0)
    modified_at: AwareDatetime
    #: The tenant of the folder of a file, or of a list; its jobs are all of this tenant.
    tenant: str | None = added_field()


class BatchRecord(StoredModel):
    """The truth about one batch."""

    #: Grows when the shape of the record changes so that an older app could not read it.
    version: Literal[1] = 1
    batch_id: str
    manifest: Manifest
    state: BatchState = BatchState.READING
    #: Where reading goes on, and pages of entries written.
    reading: ReadingState = ReadingState()
    pages: int = Field(default=0, ge=0)
    #: Pages of results written, and the first entry of the next page whose job runs, from 0.
    collected: int = Field(default=0, ge=0)
    waiting_at: int = Field(default=0, ge=0)
    counts: Counts = Counts()
    file_faults: tuple[FileFault, ...] = Field(
        default=(), validation_alias=AliasChoices("file_faults", "wrong")
    )
    faults: tuple[EntryFault, ...] = ()
    #: The newest step, and when its message is due: see `delay_of_step`.
    step: int = Field(default=0, ge=0, validation_alias=AliasChoices("step", "turn"))
    due_at: AwareDatetime
    #: When somebody cancelled it, and the pages whose running jobs were cancelled since.
    cancel_requested_at: AwareDatetime | None = None
    cancelled: int = Field(default=0, ge=0)
    created_at: AwareDatetime
    read_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None
    updated_at: AwareDatetime
    #: URL of the result manifest, once it is written.
    results_url: str | None = None
    sent_at: AwareDatetime | None = None

    @property
    def waits_for(self) -> int | None:
        """The first entry, from 1, whose job may not have ended; None after the last."""
        ended = self.collected * PAGE_ENTRIES + self.waiting_at
        is_running = self.state is BatchState.RUNNING and ended < self.reading.entries
        return ended + 1 if is_running else None


def entry_fault(entry: ManifestEntry, fault: Fault) -> EntryFault:
    """Return a fault of an entry, short enough for a page and an event."""
    return EntryFault(
        entry=entry.number,
        line=entry.line,
        field=clip(fault.field, MAX_NAME_BYTES),
        message=clip(fault.message),
    )


def entries_page(number: int) -> str:
    """Return the name of a page of entries."""
    return f"entries/{number:06d}.json"


def results_page(number: int) -> str:
    """Return the name of a page of results."""
    return f"results/{number:06d}.jsonl"


def open_batch(
    batch_id: str, manifest: Manifest, *, due_at: datetime, now: datetime, step: int = 0
) -> BatchRecord:
    """Return the first record of a batch; a `step` above 0 has a message that is due then."""
    return BatchRecord(
        batch_id=batch_id,
        manifest=manifest,
        step=step,
        due_at=due_at,
        created_at=now,
        updated_at=now,
    )


def add_entries(record: BatchRecord, page: EntryPage, *, now: datetime) -> BatchRecord:
    """Add a page of entries."""
    faults = [fault for entry in page.entries for fault in entry.faults]
    return _update(
        record,
        now,
        pages=record.pages + 1,
        reading=page.after,
        faults=(*record.faults, *faults)[:MAX_FAULTS],
        file_faults=(*record.file_faults, *page.file_faults)[:MAX_FAULTS],
        state=BatchState.RUNNING if page.is_last else record.state,
        read_at=now if page.is_last else None,
    )


def request_cancel(record: BatchRecord, *, now: datetime) -> BatchRecord:
    """Ask for the end of a batch; the same record if it has ended, or somebody asked before."""
    if record.state is BatchState.COMPLETED or record.cancel_requested_at:
        return record
    return _update(record, now, cancel_requested_at=now)


def stop_reading(record: BatchRecord, *, now: datetime) -> BatchRecord:
    """Leave the rest of the manifest unread, because the batch was cancelled."""
    fault = FileFault(line=record.reading.line, message="cancelled; the rest was not read")
    faults = (*record.file_faults, fault)[:MAX_FAULTS]
    return _update(record, now, state=BatchState.RUNNING, read_at=now, file_faults=faults)


def add_cancelled(record: BatchRecord, *, now: datetime) -> BatchRecord:
    """Note that the running jobs of a page were cancelled."""
    return _update(record, now, cancelled=record.cancelled + 1)


def wait_at(record: BatchRecord, place: int, *, now: datetime) -> BatchRecord:
    """Note the entry of the current page, from 0, whose job runs."""
    return record if record.waiting_at == place else _update(record, now, waiting_at=place)


def add_results(record: BatchRecord, counts: Counts, *, now: datetime) -> BatchRecord:
    """Add the counts of a page of results."""
    collected, total = record.collected + 1, record.counts.plus(counts)
    return _update(record, now, collected=collected, waiting_at=0, counts=total)


def complete(record: BatchRecord, results_url: str, *, now: datetime) -> BatchRecord:
    """End the batch; its event is to be published."""
    state = BatchState.COMPLETED
    return _update(record, now, state=state, results_url=results_url, completed_at=now)


def next_step(record: BatchRecord, *, due_at: datetime, now: datetime) -> BatchRecord:
    """Leave the batch to a message that is due at this time."""
    return _update(record, now, step=record.step + 1, due_at=due_at)


def _update(record: BatchRecord, now: datetime, **changes: object) -> BatchRecord:
    return record.model_copy(update={**changes, "updated_at": now})


def delay_of_step(record: BatchRecord, step: int | None, *, now: datetime) -> timedelta | None:
    """Return how long a message of this step must wait before it advances the batch.

    Zero: go on now. None: drop the message. One message at a time advances a batch: the one of the
    newest step. The step is written to the record before its message is sent, and a process may
    stop in between. Then the message of the step before is the only one left, so that one waits
    until the newest is surely lost. Older messages are dropped. An event of Event Grid has no step:
    it counts as the step before.
    """
    if record.state is BatchState.COMPLETED and record.sent_at:
        return None
    given = record.step - 1 if step is None else step
    if record.step in {given, 0}:
        return timedelta()
    if given < record.step - 1:
        return None
    return max(timedelta(), record.due_at - now + LOST_AFTER)
