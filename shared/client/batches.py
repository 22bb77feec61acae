"""Batches: a manifest checked entry by entry, dropped where the app finds it, and followed."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Final

from pydantic import ValidationError

from ..batches.manifest import Format, batch_id_of, format_of
from ..batches.reader import ManifestReader
from ..batches.record import BatchRecord, BatchState
from ..config.settings import Configuration
from ..errors import AlreadyExists, Fault, Rejected, UnreadableRecord
from ..jobs.job import Job
from ..jobs.parsing import Message, read_job
from .results import StillRunning
from .storage import Storage
from .submission import quoted, supposed

#: Where the app keeps a batch's record, in the container of the job records.
RECORD: Final = "batches/{batch_id}/batch.json"
#: Between two looks at a batch, seconds.
LOOK: Final = 1.0


@dataclass(frozen=True, slots=True)
class FaultyEntry:
    """An entry that the app would refuse."""

    line: int
    number: int
    fault: Fault


@dataclass(slots=True)
class Checked:
    """What a manifest holds, as far as it can be said before it is sent."""

    entries: int = 0
    #: What is wrong with the file as a whole, by line.
    wrong: list[tuple[int, Fault]] = field(default_factory=list)
    faulty: list[FaultyEntry] = field(default_factory=list)
    #: US dollars of the entries without faults; None where one can't be priced.
    estimate_usd: float | None = 0.0
    #: The deployments are not known: for the estimate every model was taken to be deployed, and
    #: faults are those of the fields alone.
    supposed: bool = False


@dataclass(frozen=True, slots=True)
class Dropped:
    """A manifest that is in its container, and the batch that the app makes of it."""

    batch_id: str
    container: str
    name: str


def check(manifest: Iterable[bytes], name: str, app: Configuration, storage: Storage) -> Checked:
    """Read a manifest as the app will, and route each entry if the deployments are known.

    `ValueError` when the name's extension is of no manifest.
    """
    priced, is_supposed = supposed(app)
    found, reading = Checked(supposed=is_supposed), ManifestReader(format_of(name))
    for piece in manifest:
        reading.feed(piece)
        _take(reading, found, app, priced, storage)
    reading.end()
    _take(reading, found, app, priced, storage)
    found.wrong += reading.wrong
    return found


def _take(
    reading: ManifestReader,
    found: Checked,
    app: Configuration,
    priced: Configuration,
    storage: Storage,
) -> None:
    now = storage.now()
    for entry in reading.take():
        found.entries += 1
        faults: Iterator[Fault] | tuple[Fault, ...] = (entry.fault,) if entry.fault else ()
        if not entry.fault:
            try:
                job = read_job(Message(entry.body, str(entry.number), now))
                quote = quoted(job, app, prompt_characters=len(job.prompt or ""), now=now)
                usd = _price(job, priced, now) if found.supposed else quote.estimate_usd
                found.estimate_usd = _sum(found.estimate_usd, usd)
            except Rejected as rejection:
                faults = rejection.faults
        found.faulty += [FaultyEntry(entry.line, entry.number, fault) for fault in faults]


def _price(job: Job, priced: Configuration, now: datetime) -> float | None:
    """Return what a job would cost; what is supposed refuses no job that the app may make."""
    try:
        quote = quoted(job, priced, prompt_characters=len(job.prompt or ""), now=now)
    except Rejected:
        return None
    return quote.estimate_usd


def _sum(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else round(one + other, 6)


async def drop(
    manifest: bytes, name: str, storage: Storage, app: Configuration, *, anew: str = ""
) -> Dropped:
    """Put a manifest into its container, under a name made of its content; the app does the rest.

    `AlreadyExists` if this very file was dropped before; `anew`, any word, makes it another one.
    """
    suffix = PurePosixPath(name).suffix.lower()
    digest = hashlib.sha256(manifest + anew.encode()).hexdigest()
    blob, container = f"client/{digest}{suffix}", app.settings.manifests_container
    written = await storage.create(container, blob, manifest, content_type=_TYPES[format_of(name)])
    if written is None:
        raise AlreadyExists(
            f"{container}/{blob} is there already: this file was dropped before, and its jobs are "
            "made or being made"
        )
    return Dropped(batch_id_of(blob, written.version, written.modified_at), container, blob)


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
            f"the record of batch {batch_id} is none that this version of the client understands"
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

    `seen` is told of each look in between.
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
