"""Acceptance: a job becomes a record and a task on a lane; the queue and HTTP share it.

Order of writes: the marker of an open job, the record (create-only), the lane messages, the event.
Stopped between any two, the same job asked for again finds the record and carries on from there;
so does a sweep, which finds the marker.

Whether a job may go ahead: its plans, or every reason why not; nothing is written.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..config.settings import Configuration
from ..errors import AlreadyExists, ConflictingJob, Fault, InvalidJob, Rejected
from ..jobs.fields import MAX_PROMPT_BYTES
from ..jobs.job import Job
from ..pictures.inputs import HEAD_BYTES, InputPicture, read_inputs
from ..ports import Versioned
from ..records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from ..records.record import BatchEntryRef, JobRecord, JobState, TaskState
from ..records.task_messages import TaskMessage
from ..records.transitions import open_record
from ..routing.plan import Plan
from ..routing.planner import find_setting_faults, make_plans
from ..stores.world import World
from .finishing import wake_finish
from .outbox import publish_pending

if TYPE_CHECKING:  # a module less at the start
    from ..stores.index import OpenEntry


@dataclass(frozen=True, slots=True)
class ValidatedJob:
    """What is made of a job that may go ahead: its plans, and the pictures it edits."""

    plans: tuple[Plan, ...]
    inputs: tuple[InputPicture, ...]


async def validate_job(job: Job, world: World, configuration: Configuration) -> ValidatedJob:
    """Return what is made of a job that may go ahead, or raise `Rejected` with every fault."""
    settings = configuration.settings
    faults = list(find_setting_faults(job, settings))
    characters = len(job.prompt or "")
    if job.prompt_blob:
        try:
            prompt = await world.inputs.read_text(job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)
        except InvalidJob as error:
            faults += error.faults
        else:
            if prompt is None:
                where = f"{settings.inputs_container}/{job.prompt_blob}"
                faults.append(Fault("prompt_blob", f"there is no blob {where}"))
            elif not prompt.strip():
                faults.append(Fault("prompt_blob", f"{job.prompt_blob!r} holds no prompt"))
            characters = len(prompt or "")
    pictures, more = await _pictures(job, world)
    faults += more
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    plans = make_plans(
        job,
        configuration,
        prompt_characters=characters,
        today=world.clock.now().date(),
        input_pixels=[each.width * each.height for each in pictures if each.role == "input"],
    )
    return ValidatedJob(plans, pictures)


async def _pictures(job: Job, world: World) -> tuple[tuple[InputPicture, ...], tuple[Fault, ...]]:
    names = dict.fromkeys([*job.inputs, *([job.mask] if job.mask else [])])
    heads = {name: await world.inputs.head(name, most=HEAD_BYTES) for name in names}
    return read_inputs(job.inputs, job.mask, heads)


@dataclass(frozen=True, slots=True)
class Accepted:
    """A job that is taken: its record as it stands, and whether this call made it."""

    stored: Versioned[JobRecord]
    is_new: bool


async def accept(
    job: Job, world: World, configuration: Configuration, *, batch: BatchEntryRef | None = None
) -> Accepted:
    """Take a job that may go ahead, or the same job asked for again.

    A job that has ended is announced again, and nothing is made anew. `batch` is the entry that
    begins it. Raises `Rejected` with every fault (`ConflictingJob` for an id that belongs to
    another job), or `Unavailable`.
    """
    settings = configuration.settings
    try:
        judged = await validate_job(job, world, configuration)
    except Rejected:
        # It may have been accepted when a model was there, or its prompt's blob.
        stored, is_new = await _same(job, world), False
        if stored is None:
            raise
    else:
        record = open_record(
            job,
            judged.plans,
            inputs=judged.inputs,
            now=world.clock.now(),
            publish=settings.publish_accepted,
            batch=batch,
        )
        stored, is_new = await _opened(record, world)
    await wake(stored.value, world, configuration)
    ended = not is_new and stored.value.state is not JobState.RUNNING
    stored = await publish_pending(stored, world, source=settings.event_source, again=ended)
    return Accepted(stored, is_new)


async def _opened(record: JobRecord, world: World) -> tuple[Versioned[JobRecord], bool]:
    """Write a job's first record, or find the one it has; tell whether it was written."""
    marker = await world.index.add(
        index_entry_of(record), next_check_at=record.accepted_at + FIRST_CHECK_AFTER
    )
    try:
        return Versioned(record, await world.records.create(record)), True
    except AlreadyExists:
        return await _existing(record.job, world, marker), False


async def _existing(job: Job, world: World, marker: "OpenEntry") -> Versioned[JobRecord]:
    """Return the record that the job's id has; the marker just made is that job's, or no one's."""
    stored = await world.records.read(job.job_id)
    if stored is None or index_entry_of(stored.value).place != marker.entry.place:
        await world.index.remove(marker)
    if stored is None or stored.value.fingerprint != job.fingerprint:
        raise ConflictingJob(
            [Fault("job_id", f"{job.job_id!r} belongs to a job with other content; use a new id")],
            job_id=job.job_id,
        )
    return stored


async def _same(job: Job, world: World) -> Versioned[JobRecord] | None:
    """Return the record of this very job, if there is one."""
    stored = await world.records.read(job.job_id)
    return stored if stored and stored.value.fingerprint == job.fingerprint else None


async def wake(record: JobRecord, world: World, configuration: Configuration) -> None:
    """Send one message for each task that nobody has begun, or for the finish that is next.

    A second one does no harm.
    """
    await wake_finish(record, world, configuration)
    for task in record.tasks:
        if task.state is TaskState.PENDING:
            queue = configuration.settings.lanes[record.plans[task.part].lane]
            message = TaskMessage(
                job_id=record.job_id,
                task=task.index,
                run=record.run,
                traceparent=record.job.traceparent,
            )
            await world.queues.send(queue, message.to_bytes())
