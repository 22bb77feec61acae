"""What is told of a batch: the data of its event, and the lines of its result manifest."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from ..events.data import Data, Image


class EntryFault(Data):
    """One thing wrong with one entry of a manifest."""

    entry: int = Field(description="Which entry, from 1.")
    line: int = Field(description="Where it begins in the file, from 1.")
    field: str
    message: str


class FileFault(Data):
    """One thing wrong with a manifest as a whole."""

    line: int = Field(description="Where reading stood, from 1.")
    message: str


class Counts(Data):
    """Entries of a manifest by what became of them, and what they cost."""

    entries: int = 0
    succeeded: int = 0
    failed: int = 0
    parked: int = 0
    cancelled: int = 0
    rejected: int = Field(default=0, description="No job was begun: the entry has faults.")
    gone: int = Field(default=0, description="The job's record was deleted meanwhile.")
    repeated: int = Field(
        default=0,
        description="Of the others, entries whose job was begun elsewhere: by another batch, "
        "message or entry.",
    )
    images: int = 0
    possible_duplicate_charges: int = 0
    #: Sum of what is known, USD, without the repeated.
    known_usd: float = 0.0
    #: Jobs with a part that has no known price, and jobs known by estimate.
    unpriced: int = 0
    estimated: int = 0

    def plus(self, other: "Counts") -> "Counts":
        """Add up."""
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in _ADDED})


_ADDED = tuple(Counts.model_fields)


class ResultFailure(Data):
    """Why a job ended without all of its pictures."""

    code: str
    message: str
    retryable: bool


class ResultFault(Data):
    """One thing wrong with one field of an entry."""

    field: str
    message: str


class Result(Data):
    """A line of the result manifest: what one entry came to."""

    entry: int = Field(ge=1, description="Which entry of the manifest, from 1.")
    line: int = Field(ge=1, description="Where it begins in the manifest, from 1.")
    job_id: str | None
    state: Literal["succeeded", "failed", "parked", "cancelled", "rejected", "gone"]
    repeated: bool = Field(description="The job was begun elsewhere; its cost is counted there.")
    images: tuple[Image, ...] = ()
    sidecar: str | None = None
    cost_usd: float | None = None
    cost_known_by: Literal["usage", "estimate"] | None = None
    possible_duplicate_charge: bool = False
    failure: ResultFailure | None = None
    code: str | None = Field(default=None, description="Of a rejection.")
    faults: tuple[ResultFault, ...] = ()
    tags: dict[str, str] = Field(default_factory=dict)


class ManifestData(Data):
    """What started a batch: a file, or a list that came over HTTP."""

    container: str
    blob: str
    etag: str = Field(description="Of a list that came over HTTP its SHA-256.")
    bytes: int


class ResultsData(Data):
    """Where the result manifest is: JSONL, a line an entry, in order."""

    url: str
    container: str
    blob: str


class BatchTimings(Data):
    """When things happened, UTC."""

    created_at: datetime
    read_at: datetime | None = Field(description="When the last entry was taken.")
    completed_at: datetime
    total_seconds: float


class Tally(Data):
    """Entries of a batch by what became of them, and what they cost."""

    entries: int
    succeeded: int
    failed: int
    parked: int
    cancelled: int
    rejected: int = Field(description="Entries with faults: no job was begun.")
    gone: int = Field(description="Jobs whose record was deleted meanwhile.")
    repeated: int = Field(description="Of these, entries whose job was begun elsewhere.")
    images: int
    cost_usd: float | None = Field(
        description="US dollars, without the repeated; null when a call has no known price."
    )
    cost_known_by: Literal["usage", "estimate"] | None
    possible_duplicate_charges: int = Field(description="Jobs that may have been paid for twice.")


class BatchCompletedData(Tally):
    """A batch whose last job has ended."""

    batch_id: str
    manifest: ManifestData
    results: ResultsData
    wrong: tuple[FileFault, ...] = Field(description="What is wrong with the file as a whole.")
    faults: tuple[EntryFault, ...] = Field(
        description="The first faults of entries; the results have all of them."
    )
    timings: BatchTimings
