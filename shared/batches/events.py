"""What the world is told of a batch: one event, built from its record alone."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from ..events.cloud_events import cloud_event
from ..events.projection import event_id, images_of, spending_of
from ..records.costs import KnownBy
from ..records.record import JobRecord, JobState
from ..vocabulary import MAX_NAME_BYTES, clip
from .data import (
    BatchCompletedData,
    BatchTimings,
    Counts,
    EntryFault,
    ManifestData,
    Result,
    ResultFailure,
    ResultFault,
    ResultsData,
    Tally,
)
from .record import BatchRecord, TakenEntry

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

#: Beside the pictures, where no job's pictures can be: a job's id begins with a letter or digit.
RESULTS: Final = "_batches/{batch_id}/results.jsonl"
#: Bytes of a blob's name that are told: it may hold 1,024 characters of any kind.
_MAX_BLOB_NAME: Final = 2_000


class BatchEventType(StrEnum):
    """The types of a batch's events."""

    COMPLETED = "image.batch.completed"


def build_completed(record: BatchRecord, *, source: str, container: str) -> "CloudEvent":
    """Return the event of a batch's end; `container` holds the result manifest."""
    completed_at = record.completed_at or record.updated_at
    data = BatchCompletedData(
        batch_id=record.batch_id,
        manifest=manifest_data(record),
        **dict(tally_of(record.counts)),
        results=ResultsData(
            url=record.results_url or "",
            container=container,
            blob=RESULTS.format(batch_id=record.batch_id),
        ),
        wrong=record.wrong,
        faults=record.faults,
        timings=_timings(record, completed_at),
    )
    return cloud_event(
        BatchEventType.COMPLETED,
        data,
        id=event_id(f"batches/{record.batch_id}", BatchEventType.COMPLETED, 1),
        subject=f"batches/{record.batch_id}",
        source=source,
        time=completed_at,
    )


def manifest_data(record: BatchRecord) -> ManifestData:
    """Tell what started a batch."""
    return ManifestData(
        container=record.manifest.container,
        blob=clip(record.manifest.name, _MAX_BLOB_NAME),
        etag=record.manifest.version,
        bytes=record.manifest.bytes,
    )


def tally_of(counts: Counts) -> Tally:
    """Tell what entries came to and cost."""
    return Tally(
        **counts.model_dump(exclude={"known_usd", "unpriced", "estimated"}),
        cost_usd=None if counts.unpriced else round(counts.known_usd, 6),
        cost_known_by=_known_by(counts),
    )


def _known_by(counts: Counts) -> KnownBy | None:
    if counts.unpriced or counts.entries == counts.rejected:
        return None
    return "estimate" if counts.estimated else "usage"


def _timings(record: BatchRecord, completed_at: datetime) -> BatchTimings:
    return BatchTimings(
        created_at=record.created_at,
        read_at=record.read_at,
        completed_at=completed_at,
        total_seconds=round((completed_at - record.created_at).total_seconds(), 3),
    )


def entry_fault(entry: int, line: int, *, field: str, message: str) -> EntryFault:
    """Return a fault of an entry, short enough for a page and an event."""
    return EntryFault(
        entry=entry, line=line, field=clip(field, MAX_NAME_BYTES), message=clip(message)
    )


def result_of(batch_id: str, entry: TakenEntry, record: JobRecord | None) -> Result:
    """Return the line of an entry whose job, if it became one, has ended."""
    if entry.job_id is None:
        return Result(
            entry=entry.number,
            line=entry.line,
            job_id=None,
            state="rejected",
            repeated=False,
            code=entry.code,
            faults=tuple(
                ResultFault(field=fault.field, message=fault.message) for fault in entry.faults
            ),
        )
    if record is None:
        return Result(
            entry=entry.number, line=entry.line, job_id=entry.job_id, state="gone", repeated=False
        )
    spent = spending_of(record)
    mine = record.batch is not None and (record.batch.batch_id, record.batch.entry) == (
        batch_id,
        entry.number,
    )
    return Result(
        entry=entry.number,
        line=entry.line,
        job_id=entry.job_id,
        state=record.state.value,  # type: ignore[arg-type] # it has ended: any but `running`
        repeated=not mine,
        images=images_of(record),
        sidecar=f"{record.job_id}/job.json" if record.state is JobState.SUCCEEDED else None,
        cost_usd=spent.cost_usd,
        cost_known_by=spent.cost_known_by,
        possible_duplicate_charge=spent.possible_duplicate_charge,
        failure=_failure(record),
        tags=record.job.tags,
    )


def _failure(record: JobRecord) -> ResultFailure | None:
    failure = record.failure
    if failure is None:
        return None
    return ResultFailure(
        code=failure.code, message=clip(failure.message), retryable=failure.retryable
    )


def counted(results: tuple[Result, ...]) -> Counts:
    """Add up a page of results; what a repeated job cost is counted where it was begun."""
    own = [result for result in results if not result.repeated and result.state != "rejected"]
    states = [result.state for result in results]
    return Counts(
        entries=len(results),
        **{state: states.count(state) for state in sorted(set(states))},
        repeated=sum(result.repeated for result in results),
        images=sum(len(result.images) for result in results),
        possible_duplicate_charges=sum(result.possible_duplicate_charge for result in own),
        known_usd=sum(result.cost_usd or 0.0 for result in own),
        unpriced=sum(result.cost_usd is None for result in own if result.state != "gone"),
        estimated=sum(result.cost_known_by == "estimate" for result in own),
    )
