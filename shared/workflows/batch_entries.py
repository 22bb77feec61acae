"""Take a page of a manifest: each entry becomes a job, or is stored with its faults."""

from contextlib import suppress
from typing import Final

from ..batches.entries import MAX_ENTRY_BYTES, FileFault, ManifestEntry
from ..batches.manifest import entry_seed, format_of, tenant_of_file
from ..batches.reader import ManifestReader
from ..batches.record import (
    PAGE_ENTRIES,
    POSTED,
    BatchRecord,
    EntryPage,
    Manifest,
    TakenEntry,
    add_entries,
    entries_page,
    entry_fault,
)
from ..config.settings import Configuration
from ..errors import (
    BlobLeased,
    Fault,
    InvalidJob,
    MalformedMessage,
    Rejected,
    StaleVersion,
    UnreadableRecord,
)
from ..jobs.job import Job
from ..jobs.parsing import Message, open_envelope, read_job, tenant_of
from ..records.record import BatchEntryRef
from ..stores.world import World
from ..vocabulary import RejectionCode, clip
from .acceptance import accept

#: What is read of a manifest at a time, bytes.
CHUNK_BYTES: Final = 1 << 18
#: Faults of one entry that are stored.
_MAX_FAULTS: Final = 10
_CHANGED: Final = "the manifest was changed or deleted while it was read; nothing from here on was"


async def take_page(record: BatchRecord, world: World, configuration: Configuration) -> BatchRecord:
    """Begin the jobs of the next page, and return the record with it.

    The page may be stored already: by a process that stopped before it wrote the record.
    """
    name = entries_page(record.pages)
    body = await world.batches.read_page(record.batch_id, name)
    if body is None:
        entries, page = await _read(record, world)
        taken = await world.gather(_take(entry, record, world, configuration) for entry in entries)
        page = page.model_copy(update={"entries": tuple(taken)})
        body = await world.batches.put_page(record.batch_id, name, page.model_dump_json().encode())
    page = EntryPage.model_validate_json(body)
    return add_entries(record, page, now=world.clock.now())


def job_of_entry(entry: ManifestEntry, manifest: Manifest) -> Job:
    """Return the job of an entry, with the same id each time; `Rejected` with every fault."""
    if entry.fault:
        raise InvalidJob([entry.fault])
    return read_job(_message_of(entry, manifest), MAX_ENTRY_BYTES)


def _message_of(entry: ManifestEntry, manifest: Manifest) -> Message:
    seed = entry_seed(manifest.name, manifest.version, entry.number)
    return Message(entry.body, seed, manifest.modified_at, tenant=manifest.tenant)


async def _read(record: BatchRecord, world: World) -> tuple[list[ManifestEntry], EntryPage]:
    """Return the entries of the next page, and the page without them."""
    entries, faults = list[ManifestEntry](), list[FileFault]()
    try:
        reader = ManifestReader(format_of(record.manifest.name), record.reading)
        tenant_of_file(record.manifest.name)
    except ValueError as error:
        after = record.reading.model_copy(update={"phase": "end"})
        fault = FileFault(line=1, message=clip(str(error)))
        return [], EntryPage(entries=(), after=after, is_last=True, file_faults=(fault,))
    while len(entries) < PAGE_ENTRIES and not reader.is_over:
        before = len(entries)
        for entry in reader.take():
            entries.append(entry)
            if len(entries) == PAGE_ENTRIES:
                break
        if len(entries) == before and not reader.is_over:
            try:
                await _feed(reader, record, world)
            except StaleVersion:
                faults.append(FileFault(line=reader.state.line, message=_CHANGED))
                break
    is_last = reader.is_over or bool(faults)
    faults += reader.faults
    if is_last and not reader.state.entries and not faults:
        faults.append(FileFault(line=reader.state.line, message="the manifest holds no job"))
    return entries, EntryPage(
        entries=(), after=reader.state, is_last=is_last, file_faults=tuple(faults)
    )


async def _feed(reader: ManifestReader, record: BatchRecord, world: World) -> None:
    if reader.wanted < record.manifest.bytes:
        reader.feed(await _bytes(record, world, start=reader.wanted))
    if reader.wanted >= record.manifest.bytes:
        reader.end()


async def _bytes(record: BatchRecord, world: World, *, start: int) -> bytes:
    """Return the next bytes of a file, or the whole rest of a list, which fits into a request.

    So no job of a list is too long to be read past: each gets its answer.
    """
    manifest = record.manifest
    if not manifest.is_posted:
        length = min(CHUNK_BYTES, manifest.bytes - start)
        return await world.manifests.read(
            manifest.name, manifest.version, start=start, length=length
        )
    posted = await world.batches.read_page(record.batch_id, POSTED)
    if posted is None:
        raise StaleVersion(f"the list of batch {record.batch_id} was deleted")
    return posted[start:]


async def _take(
    entry: ManifestEntry, record: BatchRecord, world: World, configuration: Configuration
) -> TakenEntry:
    ref = BatchEntryRef(batch_id=record.batch_id, entry=entry.number)
    try:
        job = job_of_entry(entry, record.manifest)
        with suppress(BlobLeased):  # the job was accepted before; a sweep publishes its event
            await accept(job, world, configuration, batch=ref, sender=record.manifest.tenant)
    except UnreadableRecord as error:
        rejection = Rejected([Fault("job_id", str(error))], code=RejectionCode.CONFLICT)
        return _reject(entry, rejection, record.manifest)
    except Rejected as rejection:
        return _reject(entry, rejection, record.manifest)
    return TakenEntry(number=entry.number, line=entry.line, job_id=job.job_id)


def _reject(entry: ManifestEntry, rejection: Rejected, manifest: Manifest) -> TakenEntry:
    return TakenEntry(
        number=entry.number,
        line=entry.line,
        asked_id=rejection.job_id,
        code=rejection.code,
        tenant=_find_tenant(entry, manifest),
        faults=tuple(entry_fault(entry, fault) for fault in rejection.faults[:_MAX_FAULTS]),
    )


def _find_tenant(entry: ManifestEntry, manifest: Manifest) -> str | None:
    """Return the tenant of an entry with faults, if it can be read."""
    try:
        message = _message_of(entry, manifest)
        envelope = None if entry.fault else open_envelope(message, MAX_ENTRY_BYTES)
    except MalformedMessage:
        envelope = None
    return tenant_of(envelope, manifest.tenant)
