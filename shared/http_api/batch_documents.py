"""The documents about batches and posted lists of jobs that the HTTP API returns."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from pydantic import Field

from ..batches.entries import FileFault
from ..batches.events import ManifestData, Tally, describe_manifest, tally
from ..batches.record import BatchRecord, BatchState, EntryFault, EntryPage, TakenEntry
from ..errors import Fault, Rejected
from ..events.data import Data
from .job_documents import JOB_PATH, LATEST_POLL, SOONEST_POLL
from .problems import TITLES, Problem, problem, to_problem

#: Where a batch, its page in the gallery and its result manifest are.
BATCH_PATH: Final = "/api/batches/{batch_id}"
GALLERY_PATH: Final = "/api/gallery#page=batch&batch={batch_id}"
RESULTS_PATH: Final = "/api/batches/{batch_id}/results"
#: Ask for a batch again after this share of the time that it runs already.
_POLL_SHARE: Final = 0.25


class BatchStatus(Data):
    """Everything about a batch."""

    batch_id: str
    state: BatchState
    manifest: ManifestData
    tenant: str | None = Field(description="Of all jobs; null if each names its own.")
    read: int = Field(description="Entries read so far; all of them unless it is `reading`.")
    counts: Tally = Field(description="Of entries whose jobs ended, counted a hundred at a time.")
    waits_for: int | None = Field(
        description="While it is `running`: the first entry whose job is still waited for."
    )
    file_faults: tuple[FileFault, ...] = Field(
        description="What is wrong with the file as a whole."
    )
    faults: tuple[EntryFault, ...] = Field(description="The first faults of entries.")
    path: str
    gallery_path: str = Field(description="The page of the gallery where people follow it.")
    results_path: str | None = Field(
        description="Where this app serves the result manifest; null until it is completed."
    )
    results_url: str | None = Field(description="Where it is stored.")
    cancel_requested_at: datetime | None = Field(
        description="When it was cancelled; until it is completed, its running jobs end."
    )
    created_at: datetime
    updated_at: datetime
    completed_at: datetime | None
    sent_at: datetime | None = Field(description="When its event went out.")


class BatchList(Data):
    """Some batches, newest first."""

    batches: tuple[BatchStatus, ...]
    next: str | None = Field(description="What to give as `after` for the batches that follow.")


class SubmittedJob(Data):
    """The answer for one job of a list."""

    index: int = Field(description="Place in the list, from 0.")
    job_id: str | None
    path: str | None = Field(description="Where it is; null if it was refused.")
    problem: Problem | None


class SubmittedList(Data):
    """The answer for each job of a list, in its order, and the batch of the list."""

    accepted: int
    refused: int
    jobs: tuple[SubmittedJob, ...]
    batch: BatchStatus | None = Field(description="Null if all were refused: no batch was begun.")


def describe_batch(record: BatchRecord) -> BatchStatus:
    """Return the document of a batch."""
    ended = record.state is BatchState.COMPLETED
    return BatchStatus.copy_from(
        record,
        manifest=describe_manifest(record),
        tenant=record.manifest.tenant,
        read=record.reading.entries,
        counts=tally(record.counts),
        path=BATCH_PATH.format(batch_id=record.batch_id),
        gallery_path=GALLERY_PATH.format(batch_id=record.batch_id),
        results_path=RESULTS_PATH.format(batch_id=record.batch_id) if ended else None,
    )


def describe_begun(record: BatchRecord, page: EntryPage) -> SubmittedList:
    """Return the answer to a posted list that began a batch."""
    return _list_document([_submitted(entry) for entry in page.entries], describe_batch(record))


def describe_rejected(rejections: Sequence[Rejected]) -> SubmittedList:
    """Return the answer to a posted list whose jobs are all refused."""
    problems = [to_problem(rejection) for rejection in rejections]
    return _list_document(
        [_refused(place, problem) for place, problem in enumerate(problems)], None
    )


def poll_batch_after(record: BatchRecord, now: datetime) -> int:
    """Return after how many seconds to ask again for a batch that is not completed."""
    runs = (now - record.created_at).total_seconds()
    return round(min(max(runs * _POLL_SHARE, SOONEST_POLL), LATEST_POLL))


def _list_document(jobs: Sequence[SubmittedJob], batch: BatchStatus | None) -> SubmittedList:
    accepted = sum(job.problem is None for job in jobs)
    return SubmittedList(
        accepted=accepted, refused=len(jobs) - accepted, jobs=tuple(jobs), batch=batch
    )


def _submitted(entry: TakenEntry) -> SubmittedJob:
    place = entry.number - 1
    if entry.job_id:
        path = JOB_PATH.format(job_id=entry.job_id)
        return SubmittedJob(index=place, job_id=entry.job_id, path=path, problem=None)
    faults = [Fault(fault.field, fault.message) for fault in entry.faults]
    detail = "; ".join(map(str, faults))
    # A page may be damaged, or have a code of a newer version.
    code = entry.code if entry.code in TITLES else "unreadable"
    return _refused(place, problem(code, detail, faults=faults, job_id=entry.asked_id))


def _refused(place: int, problem: Problem) -> SubmittedJob:
    return SubmittedJob(index=place, job_id=problem.job_id, path=None, problem=problem)
