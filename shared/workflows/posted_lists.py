"""A list of jobs that came over HTTP: a batch whose caller waits for the answer of each entry.

Order of writes: the list, a message that is due in half a minute, the batch's record, its jobs and
their page, the record, the message of the next step. If the process stops before the record is
written, nothing was begun. If it stops later, the message continues the batch, and so does the same
list sent again.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from ..batches.entries import ManifestEntry
from ..batches.manifest import Continuation, list_batch_id
from ..batches.reader import read_list
from ..batches.record import (
    POSTED,
    BatchRecord,
    BatchState,
    EntryPage,
    Manifest,
    entries_page,
    open_batch,
)
from ..config.settings import Configuration
from ..errors import Rejected, StaleVersion, StoreUnavailable
from ..http_api.problems import Refused, refused
from ..ports import Versioned
from ..stores.world import World
from .acceptance import validate_job
from .batch_entries import job_of_entry, take_page
from .batches import FIRST_WAIT, create_batch, hand_over, read_batch

#: When the message is due that continues a list whose request was cut off.
_RESCUE: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Begun:
    """A batch whose entries are taken, each as a job or with its faults."""

    stored: Versioned[BatchRecord]
    page: EntryPage


async def begin(
    body: bytes,
    key: str | None,
    world: World,
    configuration: Configuration,
    *,
    tenant: str | None = None,
) -> Begun | tuple[Rejected, ...]:
    """Begin the batch of a list, or find it; return the rejections if every entry is rejected.

    Without an idempotency key, the list itself is the key. `tenant` is that of all its jobs, as of
    a sender that is bound to it. Raises `MalformedMessage` when the body is not a list of jobs,
    `Refused` when the key belongs to another list, or `Unavailable`.
    """
    entries = read_list(body)
    digest = hashlib.sha256(body).hexdigest()
    batch_id = list_batch_id(key, digest, tenant)
    stored = await world.batches.read(batch_id)
    if stored is None:
        manifest = Manifest(
            is_posted=True,
            container=configuration.settings.jobs_container,
            name=f"batches/{batch_id}/{POSTED}",
            version=digest,
            bytes=len(body),
            modified_at=world.clock.now(),
            tenant=tenant,
        )
        if rejections := await _rejections(entries, manifest, world, configuration):
            return rejections
        stored = await _open(batch_id, manifest, body, world, configuration)
    if stored.value.manifest.version != digest:
        raise _conflict(batch_id)
    if stored.value.state is BatchState.READING:
        record = await take_page(stored.value, world, configuration)
        try:
            stored = await hand_over(record, stored.version, FIRST_WAIT, world, configuration)
        except StaleVersion:  # the message, or the same request, was faster
            stored = await read_batch(batch_id, world)
    page = await world.batches.read_page(batch_id, entries_page(0))
    if page is None:
        raise StoreUnavailable(f"the entries of batch {batch_id} are gone")
    return Begun(stored, EntryPage.model_validate_json(page))


async def _rejections(
    entries: Sequence[ManifestEntry], manifest: Manifest, world: World, configuration: Configuration
) -> tuple[Rejected, ...]:
    """Return the rejection of each entry; nothing as soon as one entry is valid."""
    found: list[Rejected] = []
    for entry in entries:
        try:
            job = job_of_entry(entry, manifest)
            await validate_job(job, world, configuration, sender=manifest.tenant)
        except Rejected as rejection:
            found.append(rejection)
        else:
            return ()
    return tuple(found)


async def _open(
    batch_id: str, manifest: Manifest, body: bytes, world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    if await world.batches.put_page(batch_id, POSTED, body) != body:
        raise _conflict(batch_id)
    message = Continuation(batch_id=batch_id, step=1)
    queue = configuration.settings.manifests_queue
    await world.queues.send(queue, message.to_bytes(), delay=_RESCUE)
    now = world.clock.now()
    record = open_batch(batch_id, manifest, due_at=now + _RESCUE, now=now, step=message.step)
    return await create_batch(record, world)


def _conflict(batch_id: str) -> Refused:
    return refused("batch_conflict", f"the key belongs to batch {batch_id}, of other jobs")
