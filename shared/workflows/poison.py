"""Handle poison messages: those that the platform set aside after several crashes.

Each becomes a dead letter and an event. Only crashes lead here: intake rejects bad input, and a
call that failed is tried again by its task. The platform keeps its copy for seven days, without a
cause; the dead letter stays.
"""

from datetime import datetime
from functools import partial
from typing import Final

from ..config.settings import Configuration, Settings
from ..errors import Fault, MalformedMessage, Rejected, UnreadableRecord
from ..jobs.parsing import Envelope, Message, job_in, open_envelope
from ..ports import Report, Versioned, What
from ..records.dead_letter import DeadLetterKind, message_letter
from ..records.record import Failure, JobRecord
from ..records.task_messages import read_finish, read_task
from ..records.transitions import OPEN, end_finish, finish_failure, give_up
from ..stores.world import World
from ..vocabulary import FailureCode, RejectionCode
from .acceptance import wake
from .finishing import wait_for_record, wake_finish
from .intake import publish_rejection
from .outbox import publish_pending

_WHY: Final = "the app stopped at this message again and again, so the platform set it aside"


async def handle_poison(
    message: Message, queue: str, world: World, configuration: Configuration
) -> Report:
    """Keep the message as a dead letter, and end its task or publish its rejection.

    `queue` is the queue where the message became poison. If intake had stored the job of the
    message, the job continues: its tasks are woken. Raises only `Unavailable`.
    """
    settings = configuration.settings
    kind = _kind(queue, settings)
    job_id, task = _task(message, kind)
    letter = message_letter(
        kind, message, reason=RejectionCode.POISONED, why=_WHY, job_id=job_id, queue=queue
    )
    name = await world.dead_letters.put(letter)
    envelope = None
    if kind is DeadLetterKind.MESSAGE:  # only now: reading it may have crashed
        envelope = _envelope(message)
        job_id = _job_id(envelope, message)
    facts = {"queue": queue, "task": task, "dead_letter": name}
    try:
        stored = await world.records.read(job_id) if job_id else None
    except UnreadableRecord as error:
        if job_id and kind is not DeadLetterKind.MESSAGE:
            return await wait_for_record(job_id, message.body, queue, error, world)
        stored = None
    if stored is None:
        rejection = Rejected([Fault("", _WHY)], job_id=job_id, code=RejectionCode.POISONED)
        await publish_rejection(message, envelope, rejection, world, settings)
        return Report(What.POISONED, job_id, facts)
    if task is not None and (alive := _live_until(stored.value, task, world)):
        await world.queues.send(queue, message.body, delay=alive - world.clock.now())
        return Report(What.IN_PROGRESS, job_id, facts)
    if kind is DeadLetterKind.FINISH:
        stored = await _end_finish(stored, world)
    elif task is not None:
        stored = await _end(stored, task, world)
        await wake_finish(stored.value, world, configuration)
    else:
        await wake(stored.value, world, configuration)
    await publish_pending(stored, world, source=settings.event_source)
    return Report(What.POISONED, job_id, facts)


def _kind(queue: str, settings: Settings) -> DeadLetterKind:
    if queue == settings.finish_queue:
        return DeadLetterKind.FINISH
    return DeadLetterKind.TASK if queue == settings.tasks_queue else DeadLetterKind.MESSAGE


def _task(message: Message, kind: DeadLetterKind) -> tuple[str | None, int | None]:
    """Return the job and the task that a message of the tasks or the finish queue names."""
    try:
        if kind is DeadLetterKind.FINISH:
            return read_finish(message.body).job_id, None
        if kind is DeadLetterKind.TASK:
            task = read_task(message.body)
            return task.job_id, task.task
    except MalformedMessage:
        pass
    return None, None


def _envelope(message: Message) -> Envelope | None:
    try:
        return open_envelope(message)
    except MalformedMessage:
        return None


def _job_id(envelope: Envelope | None, message: Message) -> str | None:
    """Return the id of the job that a message of the jobs queue holds, if it can be read."""
    try:
        return job_in(envelope, message).job_id if envelope else None
    except Rejected as error:
        return error.job_id


def _live_until(record: JobRecord, task: int, world: World) -> datetime | None:
    """Return when the attempt that holds the task must be dead, if it may still be alive."""
    current = record.tasks[task].current if task < len(record.tasks) else None
    return current.deadline_at if current and current.deadline_at > world.clock.now() else None


async def _end(stored: Versioned[JobRecord], task: int, world: World) -> Versioned[JobRecord]:
    failure = Failure(code=FailureCode.POISONED, message=_WHY, retryable=True)

    def step(record: JobRecord) -> JobRecord:
        if task >= len(record.tasks) or record.tasks[task].state not in OPEN:
            return record
        return give_up(record, task, failure, now=world.clock.now())

    return await world.records.update(stored, step)


async def _end_finish(stored: Versioned[JobRecord], world: World) -> Versioned[JobRecord]:
    step = partial(
        end_finish, failure=finish_failure(FailureCode.POISONED, _WHY), now=world.clock.now()
    )
    return await world.records.update(stored, step)
