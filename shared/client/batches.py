"""Batches: check a manifest entry by entry, submit it, and wait for its batch."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from ..batches.entries import MAX_ENTRY_BYTES, FileFault
from ..batches.manifest import Format, batch_id_of, format_of, name_in_folder
from ..batches.reader import ManifestReader
from ..batches.record import BatchRecord, BatchState, EntryFault, entry_fault
from ..config.settings import Configuration
from ..errors import AlreadyExists, Fault, Rejected
from ..jobs.job import Job
from ..jobs.parsing import Message, read_job
from .connection import Connection
from .jobs import check_id
from .results import NoSuchBlob, StillRunning
from .submission import assume_deployments, make_quote

#: Between two reads of a batch's record, seconds.
WAIT: Final = 1.0
#: Prompts that a preview shows.
MOST_PROMPTS: Final = 3
_CONTENT_TYPES: Final = {
    Format.JSON: "application/json",
    Format.JSONL: "application/x-ndjson",
    Format.CSV: "text/csv; charset=utf-8",
}


@dataclass(slots=True)
class ManifestCheck:
    """What a manifest holds, as far as it is known before it is sent."""

    entries: int = 0
    file_faults: list[FileFault] = field(default_factory=list)
    faults: list[EntryFault] = field(default_factory=list)
    #: US dollars of the entries without faults; None where one can't be priced.
    estimate_usd: float | None = 0.0
    #: US dollars of those that can be priced, and the number of the others.
    priced_usd: float = 0.0
    unpriced: int = 0
    #: The first prompts of jobs without faults.
    prompts: list[str] = field(default_factory=list)
    #: The deployments are not known: the estimate takes every model to be deployed, and only the
    #: fields of a job were checked.
    assumed: bool = False


@dataclass(frozen=True, slots=True)
class SubmittedBatch:
    """A manifest that is in its container, and the batch that the app makes of it."""

    batch_id: str
    container: str
    name: str


def check_manifest(
    manifest: Iterable[bytes],
    name: str,
    configuration: Configuration,
    *,
    now: datetime,
    tenant: str | None = None,
) -> ManifestCheck:
    """Read a manifest as the app will, and route each entry if the deployments are known.

    `tenant` is that of all its jobs. `ValueError` when it is not the name of one, or `name` does
    not have the extension of a manifest.
    """
    name = name_in_folder(tenant, name)
    priced, is_assumed = assume_deployments(configuration)
    checked, reader = ManifestCheck(assumed=is_assumed), ManifestReader(format_of(name))

    def take() -> None:
        for entry in reader.take():
            checked.entries += 1
            faults: Sequence[Fault] = (entry.fault,) if entry.fault else ()
            if not entry.fault:
                try:
                    message = Message(entry.body, str(entry.number), now, tenant=tenant)
                    job = read_job(message, MAX_ENTRY_BYTES)
                    quote = make_quote(job, configuration, now=now)
                    usd = _price(job, priced, now) if is_assumed else quote.estimate_usd
                    checked.estimate_usd = _sum(checked.estimate_usd, usd)
                    checked.priced_usd = round(checked.priced_usd + (usd or 0.0), 6)
                    checked.unpriced += usd is None
                    if job.prompt and len(checked.prompts) < MOST_PROMPTS:
                        checked.prompts.append(job.prompt)
                except Rejected as rejection:
                    faults = rejection.faults
            checked.faults += [entry_fault(entry, fault) for fault in faults]

    for piece in manifest:
        reader.feed(piece)
        take()
    reader.end()
    take()
    checked.file_faults += reader.faults
    return checked


def _price(job: Job, priced: Configuration, now: datetime) -> float | None:
    """Return what a job would cost; an assumed deployment rejects no job that the app may make."""
    try:
        return make_quote(job, priced, now=now).estimate_usd
    except Rejected:
        return None


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 6)


async def submit_batch(
    manifest: bytes, name: str, app: Connection, *, anew: str = "", tenant: str | None = None
) -> SubmittedBatch:
    """Put a manifest into its container, under a name made of its content; the app does the rest.

    `tenant` is that of all its jobs. `AlreadyExists` if the same file was sent before for it;
    `anew`, any word, makes it another one.
    """
    digest = hashlib.sha256(manifest + anew.encode()).hexdigest()
    blob = name_in_folder(tenant, f"client/{digest}{PurePosixPath(name).suffix.lower()}")
    container, content_type = app.settings.manifests_container, _CONTENT_TYPES[format_of(name)]
    try:
        await app.blobs(container).put(blob, manifest, content_type=content_type, if_absent=True)
    except AlreadyExists as error:
        raise AlreadyExists(
            f"{container}/{blob} exists already: this file was sent before, and its jobs are made "
            "or being made"
        ) from error
    found = await app.manifests.find(blob)
    if found is None:
        raise NoSuchBlob(f"{container}/{blob} was deleted")
    return SubmittedBatch(batch_id_of(blob, found.version, found.modified_at), container, blob)


async def read_batch(batch_id: str, app: Connection) -> BatchRecord | None:
    """Return the record of a batch; None when the app has not begun it."""
    found = await app.batches.read(check_id("batch_id", batch_id))
    return found.value if found else None


async def wait_for_batch(
    batch_id: str,
    app: Connection,
    *,
    within: float | None,
    seen: Callable[[BatchRecord | None], None] | None = None,
) -> BatchRecord:
    """Return a batch once its last job has ended, or raise `StillRunning` after so many seconds.

    `seen` is called with each record that is read until then.
    """
    end = None if within is None else app.clock.now() + timedelta(seconds=within)
    while True:
        record = await read_batch(batch_id, app)
        if seen is not None:
            seen(record)
        if record and record.state is BatchState.COMPLETED:
            return record
        if end is not None and app.clock.now() >= end:
            raise StillRunning(f"batch {batch_id} is not completed within {within:g} s")
        await app.clock.sleep(WAIT)
