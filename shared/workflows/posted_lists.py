"""A list of jobs that came over HTTP becomes a batch, as a file that was dropped does.

Order of writes: the list, a message that comes in half a minute, the batch's record, its jobs and
their page, the record, the message of the next turn. Stopped before the record, nothing was begun;
stopped after it, the message carries on, and so does the same list sent again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from ..batches.manifest import Continuation
from ..batches.posted_list import messages_in
from ..batches.record import (
    POSTED,
    BatchRecord,
    BatchState,
    EntryPage,
    Manifest,
    next_turn,
    open_batch,
    page_of_entries,
)
from ..config.settings import Configuration
from ..errors import AlreadyExists, Rejected, StaleVersion, StoreUnavailable
from ..http_api.problems import Refused, refused
from ..jobs.parsing import Message, derived_job_id, read_job
from ..ports import Versioned
from ..stores.world import World
from .acceptance import validate_job
from .batch_entries import take_page
from .batches import FIRST_WAIT

#: When the message comes that goes on with a list whose request was cut off.
_RESCUE: Final = timedelta(seconds=30)
#: A key makes the same id at any time.
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch whose entries are taken, each as a job or with its faults."""

    stored: Versioned[BatchRecord]
    page: EntryPage


async def begin(
    body: bytes, key: str | None, world: World, configuration: Configuration
) -> Begun | tuple[Rejected, ...]:
    """Begin the batch of a list, or find the one it is; why each is refused where all are.

    Without an idempotency key the list itself is the key. Raises `MalformedMessage` when the body
    is no list of jobs, `Refused` when the key belongs to another list, or `Unavailable`.
    """
    messages = messages_in(body)
    digest = hashlib.sha256(body).hexdigest()
    batch_id = derived_job_id(_EPOCH, f"list\nkey {key}" if key else f"list\n{digest}")
    stored = await world.batches.read(batch_id)
    if stored is None:
        if rejections := await _rejections(messages, world, configuration):
            return rejections
        stored = await _opened(batch_id, body, world, configuration)
    if stored.value.manifest.version != digest:
        raise _conflict(batch_id)
    if stored.value.state is BatchState.READING:
        stored = await _taken(stored, world, configuration)
    page = await world.batches.read_page(batch_id, page_of_entries(0))
    if page is None:
        raise StoreUnavailable(f"the entries of batch {batch_id} are gone")
    return Begun(stored, EntryPage.model_validate_json(page))


async def _rejections(
    messages: Sequence[bytes], world: World, configuration: Configuration
) -> tuple[Rejected, ...]:
    """Return why each is refused; nothing as soon as one is not."""
    found: list[Rejected] = []
    for place, message in enumerate(messages):
        try:
            job = read_job(Message(message, str(place), world.clock.now()))
            await validate_job(job, world, configuration)
        except Rejected as rejection:
            found.append(rejection)
        else:
            return ()
    return tuple(found)


async def _opened(
    batch_id: str, body: bytes, world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    settings, now = configuration.settings, world.clock.now()
    if await world.batches.put_page(batch_id, POSTED, body) != body:
        raise _conflict(batch_id)
    manifest = Manifest(
        is_posted=True,
        container=settings.jobs_container,
        name=f"batches/{batch_id}/{POSTED}",
        version=hashlib.sha256(body).hexdigest(),
        bytes=len(body),
        modified_at=now,
    )
    message = Continuation(batch_id=batch_id, turn=1)
    await world.queues.send(settings.manifests_queue, message.to_bytes(), delay=_RESCUE)
    record = open_batch(batch_id, manifest, due_at=now + _RESCUE, now=now, turn=message.turn)
    try:
        return Versioned(record, await world.batches.create(record))
    except AlreadyExists:
        return await _read(batch_id, world)


async def _taken(
    stored: Versioned[BatchRecord], world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    """Begin the jobs, and hand the batch on to a message that comes soon."""
    record = await take_page(stored.value, world, configuration)
    now, wait = world.clock.now(), timedelta(seconds=FIRST_WAIT)
    record = next_turn(record, due_at=now + wait, now=now)
    try:
        version = await world.batches.replace(record, stored.version)
    except StaleVersion:  # the message, or the same request, was faster
        return await _read(record.batch_id, world)
    message = Continuation(batch_id=record.batch_id, turn=record.turn, waited=FIRST_WAIT)
    queue = configuration.settings.manifests_queue
    await world.queues.send(queue, message.to_bytes(), delay=wait)
    return Versioned(record, version)


async def _read(batch_id: str, world: World) -> Versioned[BatchRecord]:
    stored = await world.batches.read(batch_id)
    if stored is None:
        raise StoreUnavailable(f"the record of batch {batch_id} is gone")
    return stored


def _conflict(batch_id: str) -> Refused:
    return refused("batch_conflict", f"the key belongs to batch {batch_id}, of other jobs")
