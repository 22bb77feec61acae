"""Publish the events in a record's outbox, after the record is written.

The modules of events and of dead letters are imported with the first one: no paid call waits for
them.
"""

# ruff: noqa: PLC0415 (see above)

from functools import partial

from ..ports import Versioned
from ..records.costs import awaits_budget, resumes_at
from ..records.index_entry import IndexEntry, index_entry_of
from ..records.record import Failure, JobRecord, JobState, OutboxEntry
from ..records.transitions import mark_sent
from ..stores.world import World
from ..vocabulary import EventType, FailureCode, sidecar_name


async def publish_pending(
    stored: Versioned[JobRecord], world: World, *, source: str, again: bool = False
) -> Versioned[JobRecord]:
    """Publish the pending events of a record in order, then note them in the record.

    A stop between the two publishes events twice, with the same ids: delivery is at least once.
    After its last event, an ended job leaves the index of open jobs, so that no sweep checks it.
    `again` repeats the latest event, for a message that asks again for an ended job.
    """
    pending = [entry for entry in stored.value.outbox if entry.sent_at is None]
    if again and not pending:
        pending = list(stored.value.outbox[-1:])
    sent: list[OutboxEntry] = []
    record = stored.value
    try:
        for entry in pending:
            await _publish(record, entry, world, source=source)
            if entry.sent_at is None:
                sent.append(entry)
    finally:
        if sent:  # also if a later one can't be published now
            step = partial(mark_sent, sent=sent, now=world.clock.now())
            stored = await world.records.update(stored, step)
    if pending and stored.value.state is not JobState.RUNNING:
        await update_index(stored.value, world)
    return stored


async def update_index(record: JobRecord, world: World) -> None:
    """Note in the index that a job has ended, or when it is resumed or its review expires."""
    if awaits_budget(record):
        await world.index.add(index_entry_of(record), next_check_at=resumes_at(record))
    elif record.review_by:
        await world.index.add(index_entry_of(record), next_check_at=record.review_by)
    else:
        await world.index.close(index_entry_of(record))


async def end_damaged(entry: IndexEntry, why: str, world: World, *, source: str) -> None:
    """End a job whose record is damaged: keep a dead letter, publish why, close its index entry.

    The record stays as it is, so an operator can still mend it.
    """
    from ..events import cloud_events
    from ..records.dead_letter import damage_letter

    now, failure = world.clock.now(), Failure(code=FailureCode.RECORD_DAMAGED, message=why)
    await world.dead_letters.put(damage_letter(entry, failure, at=entry.accepted_at))
    event = cloud_events.damaged(entry, failure, source=source, time=now)
    await world.publisher.publish(event, reply_to=None)
    ended = {"state": JobState.FAILED, "code": failure.code, "updated_at": now}
    await world.index.close(entry.model_copy(update=ended))


async def _publish(record: JobRecord, entry: OutboxEntry, world: World, *, source: str) -> None:
    from ..events import cloud_events
    from ..events.projection import data_of

    kind, time, picture = EventType(entry.type), entry.time, entry.picture
    data = data_of(record, kind, time=time, picture=picture)
    event = cloud_events.build(record, kind, source=source, time=time, picture=picture, data=data)
    if kind is EventType.SUCCEEDED:
        sidecar = data.model_dump_json(indent=2).encode()
        await world.pictures.put_sidecar(sidecar_name(record.job_id), sidecar)
        if record.reuse_key and not record.reused:
            from ..stores.records import ReuseEntry

            made = ReuseEntry(job_id=record.job_id, made_at=entry.time)
            await world.reuse.put(record.reuse_key, made)
    if entry.type == EventType.CANCELLED:
        for blob in (blob for task in record.tasks for blob in task.dropped):
            await world.pictures.remove(blob)
    if entry.type == EventType.FAILED:
        from ..records.dead_letter import job_letter

        await world.dead_letters.put(job_letter(record, at=entry.time))
    job = record.job
    await world.publisher.publish(event, reply_to=job.reply_to, callback=job.callback)
