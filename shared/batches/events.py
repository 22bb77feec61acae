"""The event of a batch, and the lines of its result manifest."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from ..errors import Fault
from ..events.cloud_events import cloud_event
from ..events.data import Data, Image
from ..events.projection import event_id, images_of, spending_of
from ..jobs.job import DEFAULT_TENANT
from ..records.record import Cost, FailureFacts, JobRecord, JobState
from ..vocabulary import clip, sidecar_name
from .entries import FileFault
from .record import BatchRecord, Counts, EntryCounts, EntryFault, TakenEntry

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

#: Beside the pictures, where no job's pictures can be: a job's id begins with a letter or digit.
RESULTS: Final = "_batches/{batch_id}/results.jsonl"
#: Bytes of a blob's name in an event: a name may hold 1,024 characters of any kind.
_MAX_BLOB_NAME: Final = 2_000


class BatchEventType(StrEnum):
    """The types of a batch's events."""

    COMPLETED = "image.batch.completed"


class ResultFailure(FailureFacts, Data):
    """Why a job ended without all of its pictures."""


class Result(Cost, Data):
    """A line of the result manifest: the result of one entry."""

    entry: int = Field(ge=1, description="Which entry of the manifest, from 1.")
    line: int = Field(ge=1, description="Where it begins in the manifest, from 1.")
    job_id: str | None
    state: Literal["succeeded", "failed", "parked", "cancelled", "rejected", "gone"]
    repeated: bool = Field(description="The job was begun elsewhere; its cost is counted there.")
    images: tuple[Image, ...] = ()
    sidecar: str | None = None
    possible_duplicate_charge: bool = False
    failure: ResultFailure | None = None
    code: str | None = Field(default=None, description="Of a rejection.")
    faults: tuple[Fault, ...] = ()
    tenant: str | None = Field(
        default=None,
        exclude_if=lambda tenant: tenant in {None, DEFAULT_TENANT},  # a version before forbids it
        description="Unless it is `default`, or can't be read.",
    )
    tags: dict[str, str] = Field(default_factory=dict)


class ManifestData(Data):
    """What started a batch: a file, or a list that came over HTTP."""

    container: str
    blob: str
    etag: str = Field(description="Of a list that came over HTTP its SHA-256.")
    bytes: int


class ResultsData(Data):
    """Where the result manifest is: JSONL, one line an entry, in order."""

    url: str
    container: str
    blob: str


class BatchTimings(Data):
    """When things happened, UTC."""

    created_at: datetime
    read_at: datetime | None = Field(description="When the last entry was taken.")
    completed_at: datetime
    total_seconds: float


class Tally(Cost, EntryCounts):
    """Entries of a batch by the state of their jobs, and their cost without the repeated."""


class BatchCompletedData(Tally):
    """A batch whose last job has ended."""

    batch_id: str
    manifest: ManifestData
    tenant: str | None = Field(description="Of all jobs; null if each names its own.")
    results: ResultsData
    file_faults: tuple[FileFault, ...] = Field(
        description="What is wrong with the file as a whole."
    )
    faults: tuple[EntryFault, ...] = Field(
        description="The first faults of entries; the results have all of them."
    )
    timings: BatchTimings


def build_completed(record: BatchRecord, *, source: str, container: str) -> "CloudEvent":
    """Return the event of a batch's end; `container` holds the result manifest."""
    completed_at = record.completed_at or record.updated_at
    data = BatchCompletedData.copy_from(
        record,
        **dict(tally(record.counts)),
        manifest=describe_manifest(record),
        tenant=record.manifest.tenant,
        results=ResultsData(
            url=record.results_url or "",
            container=container,
            blob=RESULTS.format(batch_id=record.batch_id),
        ),
        timings=BatchTimings.copy_from(
            record,
            completed_at=completed_at,
            total_seconds=round((completed_at - record.created_at).total_seconds(), 3),
        ),
    )
    subject = f"batches/{record.batch_id}"
    return cloud_event(
        BatchEventType.COMPLETED,
        data,
        id=event_id(subject, BatchEventType.COMPLETED, 1),
        subject=subject,
        source=source,
        time=completed_at,
        tenant=record.manifest.tenant,
    )


def describe_manifest(record: BatchRecord) -> ManifestData:
    """Return what started a batch."""
    return ManifestData(
        container=record.manifest.container,
        blob=clip(record.manifest.name, _MAX_BLOB_NAME),
        etag=record.manifest.version,
        bytes=record.manifest.bytes,
    )


def tally(counts: Counts) -> Tally:
    """Return counts as they are published."""
    is_priced = not counts.unpriced
    return Tally.copy_from(
        counts,
        cost_usd=round(counts.known_usd, 6) if is_priced else None,
        cost_usd_at_most=round(counts.known_usd_at_most, 6) if is_priced else None,
        cost_known_by=("estimate" if counts.estimated else "usage")
        if is_priced and counts.entries > counts.rejected
        else None,
    )


def result_of(batch_id: str, entry: TakenEntry, record: JobRecord | None) -> Result:
    """Return the line of an entry that has no job, or whose job has ended."""
    known: dict[str, Any] = {"entry": entry.number, "line": entry.line, "job_id": entry.job_id}
    if entry.job_id is None:
        faults = tuple(Fault(each.field, each.message) for each in entry.faults)
        rejection: dict[str, Any] = {"code": entry.code, "tenant": entry.tenant, "faults": faults}
        return Result(**known, state="rejected", repeated=False, **rejection)
    if record is None:
        return Result(**known, state="gone", repeated=False, cost_usd=None, cost_usd_at_most=None)
    spent, begun_by, failure = spending_of(record), record.batch, record.failure
    return Result.copy_from(
        spent,
        **known,
        state=record.state.value,
        repeated=begun_by is None
        or (begun_by.batch_id, begun_by.entry) != (batch_id, entry.number),
        images=images_of(record),
        sidecar=sidecar_name(record.job_id) if record.state is JobState.SUCCEEDED else None,
        failure=failure and ResultFailure.copy_from(failure, message=clip(failure.message)),
        tenant=record.job.tenant,
        tags=record.job.tags,
    )


def count_results(results: tuple[Result, ...]) -> Counts:
    """Add up a page of results; the cost of a repeated job is counted where it was begun."""
    own = [result for result in results if not result.repeated and result.state != "rejected"]
    states = [result.state for result in results]
    return Counts(
        entries=len(results),
        **{state: states.count(state) for state in sorted(set(states))},
        repeated=sum(result.repeated for result in results),
        images=sum(len(result.images) for result in results),
        possible_duplicate_charges=sum(result.possible_duplicate_charge for result in own),
        known_usd=sum(result.cost_usd or 0.0 for result in own),
        known_usd_at_most=sum(result.cost_usd_at_most or 0.0 for result in own),
        unpriced=sum(result.cost_usd is None for result in own if result.state != "gone"),
        estimated=sum(result.cost_known_by == "estimate" for result in own),
    )
