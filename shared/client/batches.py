"""Batches: check a manifest entry by entry, submit it, and follow its batch."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from pydantic import ValidationError

from ..batches.entries import FileFault
from ..batches.manifest import Format, batch_id_of, format_of
from ..batches.reader import ManifestReader
from ..batches.record import BatchRecord, BatchState, EntryFault, entry_fault
from ..config.settings import Configuration
from ..errors import AlreadyExists, Fault, Rejected, UnreadableRecord
from ..jobs.job import Job
from ..jobs.parsing import Message, read_job
from .results import StillRunning
from .storage import Storage
from .submission import quoted, supposed

#: Where the app keeps a batch's record, in the container of the job records.
RECORD: Final = "batches/{batch_id}/batch.json"
#: Between two checks of a batch, seconds.
LOOK: Final = 1.0


@dataclass(slots=True)
class ManifestCheck:
    """What a manifest holds, as far as the client can know before it is sent."""

    entries: int = 0
    file_faults: list[FileFault] = field(default_factory=list)
    faults: list[EntryFault] = field(default_factory=list)
    #: US dollars of the entries without faults; None if one has no known price.
    estimate_usd: float | None = 0.0
    #: The deployments are not known: the estimate supposes that every model is deployed, and faults
    #: are those of the fields alone.
    supposed: bool = False


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """A manifest that is in its container, and the batch that the app makes of it."""

    batch_id: str
    container: str
    name: str


def check(
    manifest: Iterable[bytes], name: str, app: Configuration, storage: Storage
) -> ManifestCheck:
    """Read a manifest as the app will, and route each entry if the deployments are known.

    `ValueError` when the name's extension is not one of a manifest.
    """
    priced, is_supposed = supposed(app)
    found, reading = ManifestCheck(supposed=is_supposed), ManifestReader(format_of(name))
    for piece in manifest:
        reading.feed(piece)
        _take(reading, found, app, priced, storage)
    reading.end()
    _take(reading, found, app, priced, storage)
    found.file_faults += reading.faults
    return found


def _take(
    reading: ManifestReader,
    found: ManifestCheck,
    app: Configuration,
    priced: Configuration,
    storage: Storage,
) -> None:
    now = storage.now()
    for entry in reading.take():
        found.entries += 1
        faults: Sequence[Fault] = (entry.fault,) if entry.fault else ()
        if not entry.fault:
            try:
                job = read_job(Message(entry.body, str(entry.number), now))
                quote = quoted(job, app, prompt_characters=len(job.prompt or ""), now=now)
                usd = _price(job, priced, now) if found.supposed else quote.estimate_usd
                found.estimate_usd = _sum(found.estimate_usd, usd)
            except Rejected as rejection:
                faults = rejection.faults
        found.faults += [entry_fault(entry, fault) for fault in faults]


def _price(job: Job, priced: Configuration, now: datetime) -> float | None:
    """Return what a job would cost; what is supposed refuses no job that the app may make."""
    try:
        quote = quoted(job, priced, prompt_characters=len(job.prompt or ""), now=now)
    except Rejected:
        return None
    return quote.estimate_usd


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 6)


async def submit_batch(
    manifest: bytes, name: str, storage: Storage, app: Configuration, *, anew: str = ""
) -> SubmittedBatch:
    """Put a manifest into its container, under a name made of its content.

    `AlreadyExists` if the same file was sent before; `anew`, any word, makes it another one.
    """
    suffix = PurePosixPath(name).suffix.lower()
    digest = hashlib.sha256(manifest + anew.encode()).hexdigest()
    blob, container = f"client/{digest}{suffix}", app.settings.manifests_container
    written = await storage.create(container, blob, manifest, content_type=_TYPES[format_of(name)])
    if written is None:
        raise AlreadyExists(
            f"{container}/{blob} exists already: this file was sent before, and its jobs are made "
            "or being made"
        )
    return SubmittedBatch(batch_id_of(blob, written.version, written.modified_at), container, blob)


_TYPES: Final = {
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8",
}


async def batch_of(batch_id: str, storage: Storage, app: Configuration) -> BatchRecord | None:
    """Return where a batch stands; None when the app has not begun it."""
    name = RECORD.format(batch_id=batch_id)
    stored = await storage.read(app.settings.jobs_container, name)
    if stored is None:
        return None
    try:
        return BatchRecord.model_validate_json(stored.body)
    except ValidationError as error:
        raise UnreadableRecord(
            f"the record of batch {batch_id} can't be read by this version of the client"
        ) from error


async def wait_for_batch(
    batch_id: str,
    storage: Storage,
    app: Configuration,
    *,
    within: float | None,
    seen: Callable[[BatchRecord | None], None] | None = None,
) -> BatchRecord:
    """Return a batch once its last job has ended; `StillRunning` after so many seconds.

    `seen` is called with each record read.
    """
    end = None if within is None else storage.now() + timedelta(seconds=within)
    while True:
        record = await batch_of(batch_id, storage, app)
        if seen is not None:
            seen(record)
        if record and record.state is BatchState.COMPLETED:
            return record
        if end is not None and storage.now() >= end:
            raise StillRunning(f"batch {batch_id} is not completed within {within:g} s")
        await storage.pause(LOOK)
