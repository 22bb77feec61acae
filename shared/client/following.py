"""Where a job stands: its record, or the dead letter of its rejection.

Events off a queue, one by one, each acknowledged when the caller is done with it.
"""

import logging
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from functools import partial
from typing import Final

from pydantic import ValidationError

from ..config.settings import Settings
from ..errors import ConflictingJob, Fault, ImageJobsError, Rejected, UnreadableRecord
from ..records.dead_letter import dead_letter_name, read_dead_letter
from ..records.record import JobRecord
from ..vocabulary import record_name
from .results import Event, JobEnded, NoSuchJob, Receipt, Status, StillRunning, read_event
from .storage import Received, Storage

#: Between two looks at a job, seconds: the first, the longest, and by how much they grow. A look
#: is one small read, and the quickest picture takes some seconds.
FIRST_LOOK: Final = 0.25
LONGEST_LOOK: Final = 5.0
GROWTH: Final = 1.4


async def status_of(whose: str | Receipt, storage: Storage, settings: Settings) -> Status:
    """Return where a job stands.

    Raises `NoSuchJob` when nothing is known of it (yet), and `Rejected` with every fault, where the
    receipt is given, if the app refused the message.
    """
    found = await _look(whose, storage, settings)
    if found is None:
        job_id = whose if isinstance(whose, str) else whose.job_id
        raise NoSuchJob(
            f"job {job_id!r} has no record in {settings.jobs_container}/: it was not taken in "
            "yet, or rejected, or never sent"
        )
    return found


async def statuses_of(
    whose: Sequence[str | Receipt], storage: Storage, settings: Settings
) -> list[Status | ImageJobsError]:
    """Return where jobs stand, in their order; for each one the error that asking for it raises."""
    looks = [partial(status_of, each, storage, settings) for each in whose]
    found: list[Status | ImageJobsError] = []
    for each in await storage.all_of(looks):
        if isinstance(each, BaseException) and not isinstance(each, ImageJobsError):
            raise each
        found.append(each)
    return found


async def wait_for(
    whose: str | Receipt, storage: Storage, settings: Settings, *, within: float | None
) -> Status:
    """Return a job's status once it has ended, well or not, or `StillRunning` in so many seconds.

    Raises `Rejected` where the receipt is given and the app refused the message.
    """
    end = None if within is None else storage.now() + timedelta(seconds=within)
    pause = FIRST_LOOK
    while True:
        found = await _look(whose, storage, settings)
        if found and found.ended:
            return found
        left = pause if end is None else (end - storage.now()).total_seconds()
        if left <= 0:
            job_id = whose if isinstance(whose, str) else whose.job_id
            state = f"{found.calls_ended} of {found.calls} calls are over" if found else "not begun"
            raise StillRunning(f"job {job_id!r} has not ended within {within:g} s: {state}")
        await storage.pause(min(pause, left))
        pause = min(pause * GROWTH, LONGEST_LOOK)


def succeeded(status: Status) -> Status:
    """Return the status of a job that has all of its pictures; `JobEnded` otherwise."""
    if not status.succeeded:
        raise JobEnded(status)
    return status


async def _look(whose: str | Receipt, storage: Storage, settings: Settings) -> Status | None:
    job_id = whose if isinstance(whose, str) else whose.job_id
    stored = await storage.read(settings.jobs_container, record_name(job_id))
    if stored is not None:
        record = _record(job_id, stored.body)
        if not isinstance(whose, str) and record.fingerprint != whose.fingerprint:
            fault = Fault("job_id", f"{job_id!r} belongs to a job with other content")
            raise ConflictingJob([fault], job_id=job_id)
        return Status(record)
    if not isinstance(whose, str):
        name = dead_letter_name(whose.digest, whose.inserted_at)
        letter = await storage.read(settings.dead_letters_container, name)
        if letter is not None:
            raise _rejection(letter.body, job_id)
    return None


def _record(job_id: str, body: bytes) -> JobRecord:
    try:
        return JobRecord.model_validate_json(body)
    except ValidationError as error:
        raise UnreadableRecord(
            f"the record of job {job_id} is none that this version of the client understands; "
            f"use the version of the app ({error.error_count()} fields differ)"
        ) from error


def _rejection(letter: bytes, job_id: str) -> Rejected:
    found = read_dead_letter(letter)
    rejection = Rejected(found.faults or [Fault("", found.reason)], job_id=job_id)
    rejection.code = found.reason
    return rejection


_log: Final = logging.getLogger(__name__)

#: Taken off the queue at a time: few, so that the last one's time is not up before its turn.
AT_A_TIME: Final = 8


async def events_of(
    queue: str, storage: Storage, *, idle: float | None, hidden_seconds: int
) -> AsyncGenerator[Event]:
    """Yield events as they come; each is deleted when the next one is asked for.

    An event whose caller stopped, or raised, comes again. Ends after `idle` seconds without any
    event, never if that is None. What is no event stays on the queue, with a warning in the log.
    """
    waiting: list[Received] = []
    pause, quiet_since = FIRST_LOOK, storage.now()
    try:
        while True:
            waiting = await storage.receive(queue, most=AT_A_TIME, hidden_seconds=hidden_seconds)
            if not waiting:
                quiet = storage.now() - quiet_since
                if idle is not None and quiet >= timedelta(seconds=idle):
                    return
                await storage.pause(pause)
                pause = min(pause * 2, LONGEST_LOOK)
                continue
            while waiting:
                message = waiting[0]
                if message.until > storage.now() and (event := _event(message, queue)):
                    yield event
                    await storage.delete(queue, message)
                del waiting[0]
            pause, quiet_since = FIRST_LOOK, storage.now()
    finally:
        for message in waiting:
            await storage.put_back(queue, message)


def _event(message: Received, queue: str) -> Event | None:
    try:
        return read_event(message.text)
    except ValueError as error:
        _log.warning(
            "message %s of the queue %s is left there: %s", message.message_id, queue, error
        )
        return None
