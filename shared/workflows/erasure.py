"""Erase the personal data of a job that has ended: its pictures, inputs, letters and texts.

Order of writes: the record says what is to be deleted, the blobs go, the tombstone replaces the
record, the index entry loses its texts. The index entry is last, so a job is found by its tags
until all is done. After a stop between any two, the same command continues.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from ..config.settings import Configuration, Settings
from ..errors import RecordGone, UnreadableRecord
from ..events.projection import event_id
from ..jobs.job import Job
from ..ports import Versioned
from ..records.erasure import (
    add_findings,
    find_host,
    is_tombstone,
    make_tombstone,
    request_erasure,
)
from ..records.index_entry import index_entry_of
from ..records.record import JobRecord, JobState
from ..stores.records import reuse_name
from ..stores.world import World
from ..vocabulary import copies_folder, is_named_by_content, record_name
from .openai import claim_name, forget_request
from .outbox import publish_pending

#: Open jobs that are read to learn whether they need an input. Where there are more, it is kept.
MOST_READ: Final = 1_000
_ALWAYS: Final = datetime.max.replace(tzinfo=UTC)


async def erase_job(job_id: str, world: World, configuration: Configuration) -> JobState:
    """Erase the data of a job and return its state, which stays.

    Raises `IllegalStep` for a job that has not ended, `RecordGone` without a record,
    `UnreadableRecord` or `Unavailable`.
    """
    settings = configuration.settings
    stored = await world.records.read(job_id)
    if stored is None:
        raise RecordGone(f"there is no job {job_id!r}")
    stored = await publish_pending(stored, world, source=settings.event_source)
    # Refuse before anything is listed.
    record = request_erasure(stored.value, now=world.clock.now())
    found = await _find(record, world, settings)
    stored = await _note(stored, found, world)
    await _delete(stored.value, found, world)
    stored = await world.records.update(stored, make_tombstone)
    await world.index.keep_only(index_entry_of(stored.value))
    return stored.value.state


@dataclass(frozen=True, slots=True)
class _Findings:
    """What holds data of a job; names are within their containers."""

    pictures: list[str]
    letters: list[str]
    inputs: list[str]
    #: All of it, and what is overwritten, with the containers.
    deleted: list[str]
    kept: list[str]
    receivers: list[str]


async def _find(record: JobRecord, world: World, settings: Settings) -> _Findings:
    inputs = [name async for name in _find_inputs(record, world)]
    unused = [name for name, why in inputs if not why]
    pictures = await world.pictures.names(record.job_id)
    events = {event_id(record.job_id, each.type, each.run) for each in record.outbox}
    events |= {
        event_id(record.job_id, each.type, each.run, picture=each.picture)
        for each in record.outbox
        if each.picture
    }
    letters = await world.dead_letters.names_of(record.job_id, events)
    jobs = [record_name(record.job_id), *await world.index.names_of(index_entry_of(record))]
    jobs += [reuse_name(record.reuse_key)] if record.reuse_key and not record.reused else []
    jobs += [claim_name(record.request_key)] if record.request_key else []
    named = {
        settings.images_container: pictures,
        settings.dead_letters_container: letters,
        settings.inputs_container: unused,
        settings.jobs_container: jobs,
    }
    return _Findings(
        pictures=pictures,
        letters=letters,
        inputs=unused,
        deleted=[f"{container}/{name}" for container, names in named.items() for name in names],
        kept=[
            *(f"{settings.inputs_container}/{name}: {why}" for name, why in inputs if why),
            *_find_shared(record),
        ],
        receivers=_find_receivers(record, world, settings),
    )


async def _find_inputs(record: JobRecord, world: World) -> AsyncIterator[tuple[str, str]]:
    """Yield the inputs that were stored for a job, and why one is kept; empty: it is not.

    Of the pictures that it links, these are all copies: a process that died left one without a job.
    """
    job = record.job
    folders = (copies_folder(job.job_id, None), copies_folder(job.job_id, job.tenant))
    given = [*job.inputs, *(name for name in (job.mask, job.prompt_blob) if name)]
    for folder in folders:
        given += await world.inputs.names(folder)
    stored = dict.fromkeys(name for name in given if not name.startswith("/"))
    needed = await _find_needed(job, world) if stored else None
    for name in stored:
        if not (name.startswith(folders) or is_named_by_content(name)):
            yield name, "its sender or another job chose the name, so other jobs may use it"
        elif needed is None:
            yield name, f"more than {MOST_READ:,} jobs are open, and one may need it"
        elif name in needed:
            yield name, f"{needed[name]} needs it"
        else:
            yield name, ""


async def _find_needed(erased: Job, world: World) -> dict[str, str] | None:
    """Return the inputs that open jobs need, each with such a job; None if too many are open.

    The id of a job of another tenant is not told.
    """
    needed: dict[str, str] = {}
    read = 0
    async for opened in world.index.open_entries(due=_ALWAYS):
        read += 1
        if read > MOST_READ:
            return None
        try:
            other = await world.records.read(opened.entry.job_id)
        except UnreadableRecord:
            return None
        if other is None:
            continue
        job = other.value.job
        if job.job_id != erased.job_id:
            named = (*job.inputs, *(each for each in (job.mask, job.prompt_blob) if each))
            is_own = job.tenant == erased.tenant
            needed |= dict.fromkeys(
                named, f"job {job.job_id}" if is_own else "a job of another tenant"
            )
    return needed


def _find_shared(record: JobRecord) -> list[str]:
    """Return what other jobs have of this one, or share with it."""
    shared = [
        f"{name[1:]}: a picture of another job" for name in record.job.inputs if name[0] == "/"
    ]
    if record.reused:
        shared.append(f"the pictures of job {record.reused.job_id}, which this job took over")
    if record.batch:
        shared.append(f"batch {record.batch.batch_id}: its file or list, and its results")
    return shared


def _find_receivers(record: JobRecord, world: World, settings: Settings) -> list[str]:
    types = {each.type for each in record.outbox}
    sinks = [each.name for each in world.sinks.values() if any(map(each.wants, types))]
    reply = [record.job.reply_to] if record.job.reply_to else []
    callback = [find_host(record.job.callback)] if record.job.callback else []
    return [settings.events_queue, *reply, *sinks, *callback] if types else []


async def _note(
    stored: Versioned[JobRecord], found: _Findings, world: World
) -> Versioned[JobRecord]:
    """Write into the record what is to be deleted: from now on, no command changes the job."""
    now = world.clock.now()

    def step(record: JobRecord) -> JobRecord:
        return add_findings(
            request_erasure(record, now=now),
            deleted=found.deleted,
            kept=found.kept,
            receivers=found.receivers,
        )

    return await world.records.update(stored, step)


async def _delete(record: JobRecord, found: _Findings, world: World) -> None:
    await world.gather(map(world.pictures.remove, found.pictures))
    await world.gather(map(world.dead_letters.delete, found.letters))
    await world.gather(map(world.inputs.remove, found.inputs))
    if is_tombstone(record):
        return
    if record.reuse_key:
        await world.reuse.remove(record.reuse_key, record.job_id)
    if record.request_key:
        await forget_request(record.request_key, record.job_id, world)
