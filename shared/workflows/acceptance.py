"""Validate a job and accept it: write its record and send its tasks.

A job with `reuse` may end at once, with the pictures of an earlier one.

Order of writes: the tickets, the index entry, the record (create-only), the task messages, the
event. After a stop between any two, the same job sent again continues from the record, and so does
a sweep, which finds the entry. A ticket without a record passes unused.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config.settings import Configuration
from ..errors import (
    AlreadyExists,
    ConflictingJob,
    Fault,
    InvalidJob,
    NewerRecord,
    NotAllowed,
    Rejected,
    UnreadableRecord,
)
from ..jobs.fields import is_job_id, is_link
from ..jobs.job import Job
from ..pictures.inputs import InputPicture, input_pixels, input_types
from ..ports import Versioned
from ..records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from ..records.record import BatchEntryRef, JobRecord, JobState, TaskState
from ..records.task_messages import task_message
from ..records.transitions import open_record
from ..routing.plan import Plan
from ..routing.planner import find_setting_faults, make_plans
from ..stores.world import World
from ..vocabulary import APP_FOLDERS, RejectionCode
from .finishing import wake_finish
from .generation.reservations import take_tickets
from .outbox import publish_pending

if TYPE_CHECKING:  # a module less at the start
    from ..stores.index import OpenEntry


@dataclass(frozen=True, slots=True)
class ValidatedJob:
    """The plans of a valid job, and the pictures it edits."""

    plans: tuple[Plan, ...]
    inputs: tuple[InputPicture, ...]


async def validate_job(
    job: Job, world: World, configuration: Configuration, *, sender: str | None = None
) -> ValidatedJob:
    """Return the plans and inputs of a job, or raise `Rejected` with every fault; store nothing.

    `sender` is the tenant that the sender is bound to, whose job may name only its own blobs.
    """
    if sender is not None:
        await _check_blobs(job, sender, world)
    faults = list(find_setting_faults(job, configuration.settings))
    if has_links(job):
        from .linked_inputs import find_link_faults  # noqa: PLC0415 (few jobs link pictures)

        faults += find_link_faults(job, configuration.settings)
    faults += await _find_reply_faults(job, world, configuration)
    characters = len(job.prompt or "")
    if job.prompt_blob:
        characters, more = await world.inputs.check_prompt(job.prompt_blob)
        faults += more
    pictures, more = await world.inputs.measure(job.inputs, job.mask)
    faults += more
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    plans = make_plans(
        job,
        configuration,
        prompt_characters=characters,
        today=world.clock.now().date(),
        input_pixels=input_pixels(pictures),
        input_types=input_types(pictures),
    )
    return ValidatedJob(plans, pictures)


async def _find_reply_faults(
    job: Job, world: World, configuration: Configuration
) -> tuple[Fault, ...]:
    queue = job.reply_to
    if not queue or not configuration.settings.allows_reply_to(queue):
        return ()
    if not await world.publisher.is_missing(queue):
        return ()
    return (Fault("reply_to", f"there is no queue {queue!r}; create it first, or name another"),)


def has_links(job: Job) -> bool:
    """Tell whether a job gives pictures by their URLs."""
    return any(map(is_link, (*job.inputs, job.mask or "")))


@dataclass(frozen=True, slots=True)
class Accepted:
    """An accepted job: its record, and whether this call wrote it."""

    stored: Versioned[JobRecord]
    is_new: bool


async def accept(
    job: Job,
    world: World,
    configuration: Configuration,
    *,
    batch: BatchEntryRef | None = None,
    sender: str | None = None,
    request_key: str | None = None,
) -> Accepted:
    """Accept a job, or find the same job when it was accepted before.

    If that job has ended, its last event is published again; no picture is made again. `batch` is
    the entry that it is made from, `sender` is that of `validate_job`, `request_key` names the
    claim of a request of OpenAI's API. Raises `Rejected` with every
    fault (`ConflictingJob` for an id that belongs to another job), or `Unavailable`.
    """
    settings = configuration.settings
    # What it links was copied then, and may be gone now.
    stored, is_new = (await _find_same(job, world) if has_links(job) else None), False
    if stored is None:
        try:
            record = await _open(job, world, configuration, batch=batch, sender=sender)
            record = record.model_copy(update={"request_key": request_key})
        except Rejected:
            # It may have been accepted when a model was there, or its prompt's blob.
            stored = await _find_same(job, world)
            if stored is None:
                raise
        else:
            stored, is_new = await _create_record(record, world, configuration)
    await wake(stored.value, world, configuration)
    ended = not is_new and stored.value.state is not JobState.RUNNING
    stored = await publish_pending(stored, world, source=settings.event_source, again=ended)
    return Accepted(stored, is_new)


async def _open(
    job: Job,
    world: World,
    configuration: Configuration,
    *,
    batch: BatchEntryRef | None,
    sender: str | None,
) -> JobRecord:
    """Return the first record of a valid job, or raise `Rejected`; what it links is copied."""
    settings, fingerprint = configuration.settings, job.fingerprint
    valid = await validate_job(job, world, configuration, sender=sender)
    await _check_room(job, world, configuration)
    if has_links(job):
        from .linked_inputs import copy_links  # noqa: PLC0415 (few jobs link pictures)

        job = await copy_links(job, world, settings, sender=sender)
        valid = await validate_job(job, world, configuration)
    record = open_record(
        job,
        valid.plans,
        inputs=valid.inputs,
        now=world.clock.now(),
        publish=settings.publish_accepted,
        publish_pictures=settings.publish_pictures
        if job.publish_pictures is None
        else job.publish_pictures,
        review_seconds=settings.review_seconds if job.review else None,
        batch=batch,
    )
    # A repeat of the job has the links.
    record = record.model_copy(update={"fingerprint": fingerprint})
    if job.reuse:
        from .reuse import reuse_pictures  # noqa: PLC0415 (few jobs ask for it)

        record = await reuse_pictures(record, world, configuration)
    return record


async def _check_blobs(job: Job, sender: str, world: World) -> None:
    """Raise `NotAllowed` for blobs that the sender may not use.

    These are the inputs in its own folder, and the pictures of its own jobs.
    """
    named = [
        (f"inputs[{place}]", name) for place, name in enumerate(job.inputs) if not is_link(name)
    ]
    named += [("mask", job.mask)] if job.mask and not is_link(job.mask) else []
    named += [("prompt_blob", job.prompt_blob)] if job.prompt_blob else []
    faults = [
        Fault(
            field,
            f"{name!r} is not yours; name a blob under '{sender}/', or a picture of a job of yours",
        )
        for field, name in named
        if not await _is_own_blob(name, sender, world)
    ]
    if faults:
        raise NotAllowed(faults, job_id=job.job_id)


async def _is_own_blob(name: str, sender: str, world: World) -> bool:
    prefix = f"/{world.inputs.images_container}/"
    if not name.startswith(prefix):
        return name.startswith(f"{sender}/") and sender not in APP_FOLDERS
    job_id = name.removeprefix(prefix).partition("/")[0]
    stored = await world.records.read(job_id) if is_job_id(job_id) else None
    return stored is not None and stored.value.job.tenant == sender


async def _check_room(job: Job, world: World, configuration: Configuration) -> None:
    """Raise `NotAllowed` if the tenant of the job has as many open jobs as it may have."""
    settings = configuration.settings
    tenant = settings.find_tenant(job.tenant)
    if tenant.max_open_jobs is None or await world.index.admit(
        job.tenant,
        lambda name: settings.find_tenant(name) == tenant,
        most=tenant.max_open_jobs,
        now=world.clock.now(),
    ):
        return
    message = (
        f"{job.tenant!r} has {tenant.max_open_jobs:,} open jobs, as many as it may have; send the "
        "job again when some have ended"
    )
    code = RejectionCode.TOO_MANY_JOBS
    raise NotAllowed([Fault("tenant", message)], job_id=job.job_id, code=code)


async def _create_record(
    record: JobRecord, world: World, configuration: Configuration
) -> tuple[Versioned[JobRecord], bool]:
    """Write a job's first record, or find an earlier one; tell whether it was written."""
    in_line = record
    entry: OpenEntry

    async def take_places() -> None:
        nonlocal in_line
        in_line = await take_tickets(record, world, configuration)

    async def add_entry() -> None:
        nonlocal entry
        at = record.accepted_at + FIRST_CHECK_AFTER
        entry = await world.index.add(index_entry_of(record), next_check_at=at)

    await world.gather((take_places(), add_entry()))
    try:
        return Versioned(in_line, await world.records.create(in_line)), True
    except AlreadyExists:
        return await _find_existing(record, world, entry), False


async def _find_existing(
    record: JobRecord, world: World, entry: "OpenEntry"
) -> Versioned[JobRecord]:
    """Return the record of the job's id; remove the new index entry unless it is that job's."""
    job = record.job
    try:
        stored = await _read_record(job, world)
    except (ConflictingJob, NewerRecord):
        await world.index.remove(entry)
        raise
    if stored is None or index_entry_of(stored.value).place != entry.entry.place:
        await world.index.remove(entry)
    if stored is None or stored.value.fingerprint != record.fingerprint:
        raise ConflictingJob(
            [Fault("job_id", f"{job.job_id!r} belongs to a job with other content; use a new id")],
            job_id=job.job_id,
        )
    return stored


async def _find_same(job: Job, world: World) -> Versioned[JobRecord] | None:
    """Return the record of the same job, if there is one."""
    stored = await _read_record(job, world)
    return stored if stored and stored.value.fingerprint == job.fingerprint else None


async def _read_record(job: Job, world: World) -> Versioned[JobRecord] | None:
    """Return the record of the job's id; `ConflictingJob` if it is damaged."""
    try:
        return await world.records.read(job.job_id)
    except NewerRecord:
        raise
    except UnreadableRecord as error:
        why = f"{job.job_id!r} belongs to a job whose record is damaged; use a new id"
        raise ConflictingJob([Fault("job_id", why)], job_id=job.job_id) from error


async def wake(record: JobRecord, world: World, configuration: Configuration) -> None:
    """Send a message for each pending task, or for the pending finish; a second one is harmless.

    A job that is too early gets its messages for its `not_before`.
    """
    early = record.job.not_before
    if early and early <= world.clock.now():
        early = None
    await wake_finish(record, world, configuration)
    give_up_at = record.give_up_at(configuration.settings.job_lifetime)
    for task in record.tasks:
        if task.state is TaskState.PENDING:
            at = task.ticket.at if task.ticket else None
            too_late = give_up_at if at and at > give_up_at else None
            await world.tasks.send(task_message(record, task), due=early or too_late)
