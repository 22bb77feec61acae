"""Poison: a message the platform gave up on ends as a dead letter and an event, like any other.

Only crashes get here: bad input is rejected by intake, and failures of a call are put back by the
work itself. The platform's copy carries no cause and lives seven days; the dead letter stays.
"""

import base64
import hashlib
import json
from datetime import datetime
from functools import partial
from typing import Final

from ..config.settings import Configuration, Settings
from ..errors import Fault, Rejected, UnreadableRecord
from ..events import cloud_events
from ..jobs.parsing import read_job, reply_queue_of
from ..ports import Report, Versioned, World
from ..records.record import Failure, JobRecord
from ..records.task_messages import read_finish, read_task
from ..records.transitions import OPEN, end_finish, finish_failure, give_up
from ..vocabulary import FailureCode, RejectionCode, dead_letter_name
from .acceptance import wake
from .finishing import wake_finish
from .intake import JobMessage
from .outbox import publish_pending, update_record

_WHY: Final = "the app stopped at this message again and again, so the platform set it aside"


async def handle_poison(
    message: JobMessage, queue: str, world: World, configuration: Configuration
) -> Report:
    """Keep the message, see that its job ends if it has one, and tell the world.

    `queue` is the queue the message was poison on. A job that intake had written down is not at
    its end: its tasks are woken, and go their own way. Raises only `Unavailable`.
    """
    digest = hashlib.sha256(message.body).hexdigest()
    letter = {
        "reason": RejectionCode.POISONED,
        "queue": queue,
        "received_at": message.inserted_at.isoformat(),
        "message_base64": base64.b64encode(message.body).decode(),
    }
    name = dead_letter_name(digest, message.inserted_at)
    await world.dead_letters.put(name, json.dumps(letter, indent=2).encode())
    lane = queue in configuration.settings.lanes.values()
    job_id, task = _addressee(message, queue, configuration.settings)
    facts = {"queue": queue, "task": task, "dead_letter": name}
    source = configuration.settings.event_source
    stored = await _record(job_id, world)
    if stored is None:
        rejection = Rejected([Fault("", _WHY)], job_id=job_id)
        rejection.code = RejectionCode.POISONED
        event = cloud_events.rejected(
            rejection, digest=digest, source=source, time=message.inserted_at
        )
        reply_to = reply_queue_of(message.body, configuration.settings.allows_reply_to)
        await world.publisher.publish(event, reply_to=reply_to)
        return Report("buried", job_id, facts)
    if lane and (alive := _live_until(stored.value, task, world)):
        await world.queues.send(queue, message.body, delay=alive - world.clock.now())
        return Report("left_alone", job_id, facts)
    if queue == configuration.settings.finish_queue:
        stored = await _end_finish(stored, world)
    elif lane:
        stored = await _end(stored, task, world)
        await wake_finish(stored.value, world, configuration)
    else:
        await wake(stored.value, world, configuration)
    await publish_pending(stored, world, source=source)
    return Report("buried", job_id, facts)


async def _record(job_id: str | None, world: World) -> Versioned[JobRecord] | None:
    if job_id is None:
        return None
    try:
        return await world.records.read(job_id)
    except UnreadableRecord:
        return None


def _addressee(
    message: JobMessage, queue: str, settings: Settings
) -> tuple[str | None, int | None]:
    """Return the job, and the task on a lane, that a message is about, as far as it says."""
    try:
        if queue == settings.finish_queue:
            return read_finish(message.body).job_id, None
        if queue in settings.lanes.values():
            task = read_task(message.body)
            return task.job_id, task.task
        job = read_job(message.body, inserted_at=message.inserted_at, seed=message.message_id)
    except Rejected as error:
        return error.job_id, None
    return job.job_id, None


def _live_until(record: JobRecord, task: int | None, world: World) -> datetime | None:
    """Return when the attempt that holds the task must be dead, if it may yet be alive."""
    if task is None or task >= len(record.tasks):
        return None
    current = record.tasks[task].current
    if current is None or current.deadline_at <= world.clock.now():
        return None
    return current.deadline_at


async def _end(
    stored: Versioned[JobRecord], task: int | None, world: World
) -> Versioned[JobRecord]:
    failure = Failure(code=FailureCode.POISONED, message=_WHY, retryable=True)

    def step(record: JobRecord) -> JobRecord:
        for candidate in record.tasks:
            if candidate.state in OPEN and task in {None, candidate.index}:
                record = give_up(record, candidate.index, failure, now=world.clock.now())
        return record

    return await update_record(world.records, stored, step)


async def _end_finish(stored: Versioned[JobRecord], world: World) -> Versioned[JobRecord]:
    step = partial(
        end_finish, failure=finish_failure(FailureCode.POISONED, _WHY), now=world.clock.now()
    )
    return await update_record(world.records, stored, step)
