"""Taking a page of a manifest: each entry becomes a job, or is told what is wrong with it."""

from typing import Final

from ..batches.data import FileFault
from ..batches.entries import ManifestEntry
from ..batches.events import entry_fault
from ..batches.manifest import entry_seed, format_of
from ..batches.reader import ManifestReader
from ..batches.record import (
    PAGE_ENTRIES,
    POSTED,
    BatchRecord,
    EntryPage,
    TakenEntry,
    page_of_entries,
    with_entries,
)
from ..config.settings import Configuration
from ..errors import Fault, InvalidJob, Rejected, StaleVersion, UnreadableRecord
from ..jobs.parsing import Message, read_job
from ..records.record import BatchEntryRef
from ..stores.world import World
from ..vocabulary import RejectionCode, clip
from .acceptance import accept

#: What is read of a manifest at a time, bytes.
CHUNK_BYTES: Final = 1 << 18
#: Faults of one entry that are kept.
_MAX_FAULTS: Final = 10


async def take_page(record: BatchRecord, world: World, configuration: Configuration) -> BatchRecord:
    """Begin the jobs of the next page, and return the record that knows of it.

    A page that is there already was taken by one who stopped before the record knew.
    """
    name = page_of_entries(record.pages)
    body = await world.batches.read_page(record.batch_id, name)
    if body is None:
        page = await _taken(record, world, configuration)
        body = await world.batches.put_page(record.batch_id, name, page.model_dump_json().encode())
    page = EntryPage.model_validate_json(body)
    return with_entries(record, page, now=world.clock.now())


async def _taken(record: BatchRecord, world: World, configuration: Configuration) -> EntryPage:
    entries, page = await _read(record, world)
    taken = await world.gather(_take(entry, record, world, configuration) for entry in entries)
    return page.model_copy(update={"entries": tuple(taken)})


async def _read(record: BatchRecord, world: World) -> tuple[list[ManifestEntry], EntryPage]:
    """Read the entries of a page, and return them with a page that has all but them."""
    manifest, entries = record.manifest, list[ManifestEntry]()
    wrong: list[tuple[int, Fault]] = []
    try:
        reading = ManifestReader(format_of(manifest.name), record.reading)
    except ValueError as error:
        after = record.reading.model_copy(update={"phase": "end"})
        fault = FileFault(line=1, message=clip(str(error)))
        return [], EntryPage(entries=(), after=after, is_last=True, wrong=(fault,))
    while len(entries) < PAGE_ENTRIES and not reading.is_over:
        before = len(entries)
        for entry in reading.take():
            entries.append(entry)
            if len(entries) == PAGE_ENTRIES:
                break
        if len(entries) == before and not reading.is_over:
            try:
                await _feed(reading, record, world)
            except StaleVersion:
                wrong.append((reading.state.line, Fault("", _CHANGED)))
                break
    is_last = reading.is_over or bool(wrong)
    wrong += reading.wrong
    if is_last and not reading.state.entries and not wrong:
        wrong.append((reading.state.line, Fault("", "the manifest holds no job")))
    return entries, EntryPage(
        entries=(),
        after=reading.state,
        is_last=is_last,
        wrong=tuple(FileFault(line=line, message=clip(str(fault))) for line, fault in wrong),
    )


_CHANGED: Final = "the manifest was changed or deleted while it was read; nothing from here on was"


async def _feed(reading: ManifestReader, record: BatchRecord, world: World) -> None:
    if reading.wanted < record.manifest.bytes:
        reading.feed(await _bytes(record, world, start=reading.wanted))
    if reading.wanted >= record.manifest.bytes:
        reading.end()


async def _bytes(record: BatchRecord, world: World, *, start: int) -> bytes:
    """Return the next bytes of a file; of a list all that is left, since it fits into a request.

    So no job of a list is too long to be read past: each has its answer.
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
    manifest = record.manifest
    try:
        if entry.fault:
            raise InvalidJob([entry.fault])
        seed = entry_seed(manifest.name, manifest.version, entry.number)
        job = read_job(Message(entry.body, seed, manifest.modified_at))
        place = BatchEntryRef(batch_id=record.batch_id, entry=entry.number)
        await accept(job, world, configuration, batch=place)
    except UnreadableRecord as error:
        fault = entry_fault(entry.number, entry.line, field="job_id", message=str(error))
        code = RejectionCode.CONFLICT
        return TakenEntry(number=entry.number, line=entry.line, code=code, faults=(fault,))
    except Rejected as rejection:
        faults = tuple(
            entry_fault(entry.number, entry.line, field=fault.field, message=fault.message)
            for fault in rejection.faults[:_MAX_FAULTS]
        )
        return TakenEntry(
            number=entry.number,
            line=entry.line,
            asked_id=rejection.job_id,
            code=rejection.code,
            faults=faults,
        )
    return TakenEntry(number=entry.number, line=entry.line, job_id=job.job_id)
