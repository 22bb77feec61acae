"""Advance a batch: read its manifest, begin its jobs, collect their results, publish its event.

Order of writes: the jobs of a page, the page, the record of the batch; at the end the result
manifest, the record, the event. The process may stop after any of these; the next message goes on
from there.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from ..batches.events import RESULTS, Result, build_completed, count_results, result_of
from ..batches.manifest import (
    Continuation,
    CreatedBlob,
    batch_id_of,
    read_notice,
    tenant_of_file,
    unquoted,
)
from ..batches.record import (
    BatchRecord,
    BatchState,
    EntryPage,
    Manifest,
    TakenEntry,
    add_cancelled,
    add_results,
    complete,
    delay_of_step,
    entries_page,
    next_step,
    open_batch,
    request_cancel,
    results_page,
    stop_reading,
    wait_at,
)
from ..config.settings import Configuration
from ..errors import (
    AlreadyExists,
    BlobLeased,
    IllegalStep,
    MalformedMessage,
    NewerRecord,
    RecordGone,
    StaleVersion,
    StoreUnavailable,
    UnreadableRecord,
)
from ..jobs.parsing import Message
from ..ports import Report, Versioned, What
from ..records.commands import Action, Command
from ..records.dead_letter import DeadLetterKind, message_letter
from ..records.record import UNDECIDED, JobRecord, JobState
from ..stores.batches import publish_results
from ..stores.documents import until_written
from ..stores.manifests import FoundManifest
from ..stores.world import World
from .batch_entries import take_page
from .control import execute_command
from .finishing import BLOB_AGAIN

#: How long one message works on a batch: well within the time limit of a function.
MAX_STEP: Final = timedelta(minutes=4)
#: How long a batch waits while its next job runs, seconds: at first, at most, and how it grows. The
#: longest is also how late its event may be. One check is about thirty requests.
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 10.0
GROWTH: Final = 1.5
#: Job records read before the first that is still running ends the search.
_AT_A_TIME: Final = 20


async def advance(message: Message, world: World, configuration: Configuration) -> Report:
    """Do what a message of the manifests queue asks for; raises only `Unavailable`.

    While somebody holds a lease on the batch's record, the message is put back. A damaged record
    can't be continued: its message becomes a dead letter.
    """
    try:
        return await _advance(message, world, configuration)
    except (BlobLeased, NewerRecord) as error:
        queue = configuration.settings.manifests_queue
        await world.queues.send(queue, message.body, delay=BLOB_AGAIN)
        return Report(What.WAITING, None, {"why": str(error)})
    except UnreadableRecord as error:
        return await _keep(message, What.FAILED, world, why=str(error))


async def _advance(message: Message, world: World, configuration: Configuration) -> Report:
    try:
        notice = read_notice(message.body)
    except MalformedMessage as error:
        return await _keep(message, What.MALFORMED, world, why=str(error))
    if notice is None:
        return Report(What.IGNORED, None, {"why": "the event does not report a new file"})
    if isinstance(notice, Continuation):
        stored = await world.batches.read(notice.batch_id)
        if stored is None:
            return Report(What.NO_SUCH_BATCH, None, {"batch_id": notice.batch_id})
        return await _BatchStep(stored, notice, world, configuration).run()
    if notice.container != configuration.settings.manifests_container:
        return Report(What.IGNORED, None, {"why": f"{notice.container!r} holds no manifests"})
    found = await world.manifests.find(notice.name)
    if found is None or (notice.version and notice.version != unquoted(found.version)):
        # The version that is there now has an event of its own.
        return Report(What.MANIFEST_GONE, None, {"version": notice.version})
    stored = await _open_file(notice, found, world)
    return await _BatchStep(stored, None, world, configuration).run()


async def handle_poison_notice(
    message: Message, world: World, configuration: Configuration
) -> Report:
    """Keep a message that the platform set aside, and send it again later: its batch goes on."""
    report = await _keep(message, What.POISONED, world, why="the app stopped at it again and again")
    try:
        is_relevant = read_notice(message.body) is not None
    except MalformedMessage:
        is_relevant = False
    if is_relevant:
        queue = configuration.settings.manifests_queue
        await world.queues.send(queue, message.body, delay=timedelta(minutes=10))
    return report


async def create_batch(record: BatchRecord, world: World) -> Versioned[BatchRecord]:
    """Store the first record of a batch, or return the record it has already."""
    try:
        return Versioned(record, await world.batches.create(record))
    except AlreadyExists:
        return await read_batch(record.batch_id, world)


async def read_batch(batch_id: str, world: World) -> Versioned[BatchRecord]:
    """Return the record of a batch that exists."""
    stored = await world.batches.read(batch_id)
    if stored is None:
        raise StoreUnavailable(f"the record of batch {batch_id} is gone")
    return stored


async def hand_over(
    record: BatchRecord, version: str, wait: float, world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    """Write the record with its next step, then send the message of that step.

    `wait` is in seconds. Raises `StaleVersion` when another message has advanced the batch.
    """
    now, delay = world.clock.now(), timedelta(seconds=wait)
    record = next_step(record, due_at=now + delay, now=now)
    version = await world.batches.replace(record, version)
    message = Continuation(batch_id=record.batch_id, step=record.step, waited=wait)
    await world.queues.send(configuration.settings.manifests_queue, message.to_bytes(), delay=delay)
    return Versioned(record, version)


async def _open_file(
    blob: CreatedBlob, found: FoundManifest, world: World
) -> Versioned[BatchRecord]:
    now, tenant = world.clock.now(), None
    with contextlib.suppress(ValueError):  # its first page says that it is not read
        tenant = tenant_of_file(blob.name)
    manifest = Manifest(
        container=blob.container,
        name=blob.name,
        version=unquoted(found.version),
        bytes=found.bytes,
        modified_at=found.modified_at,
        tenant=tenant,
    )
    batch_id = batch_id_of(blob.name, found.version, found.modified_at)
    return await create_batch(open_batch(batch_id, manifest, due_at=now + MAX_STEP, now=now), world)


async def _keep(message: Message, reason: What, world: World, *, why: str) -> Report:
    letter = message_letter(DeadLetterKind.NOTICE, message, reason=reason, why=why)
    name = await world.dead_letters.put(letter)
    return Report(reason, None, {"why": why, "dead_letter": name})


@dataclass(slots=True)
class _BatchStep:
    """One message that advances a batch."""

    stored: Versioned[BatchRecord]
    #: None: an event of Event Grid.
    continuation: Continuation | None
    world: World
    configuration: Configuration

    @property
    def record(self) -> BatchRecord:
        return self.stored.value

    async def run(self) -> Report:
        """Advance the batch if this message may, or requeue or drop it."""
        step = self.continuation.step if self.continuation else None
        delay = delay_of_step(self.record, step, now=self.world.clock.now())
        if delay is None:
            return self.report(What.OVERTAKEN)
        if delay:
            await self.requeue(delay)
            return self.report(What.IN_PROGRESS)
        try:
            return await self.work()
        except StaleVersion:
            return self.report(
                What.OVERTAKEN
            )  # another message was faster, and continues the batch

    async def work(self) -> Report:
        """Advance the batch for at most `MAX_STEP`; `StaleVersion` if another message did too."""
        began, version = self.world.clock.now(), self.stored.version
        while self.world.clock.now() - began < MAX_STEP:
            match self.record.state:
                case BatchState.READING:
                    # A cancelled batch takes one more page: its jobs may have begun already.
                    record = await take_page(self.record, self.world, self.configuration)
                    if record.cancel_requested_at and record.state is BatchState.READING:
                        record = stop_reading(record, now=self.world.clock.now())
                    await self.write(record)
                case BatchState.RUNNING if (
                    self.record.cancel_requested_at and self.record.cancelled < self.record.pages
                ):
                    await self.write(await cancel_page(self.record, self.world, self.configuration))
                case BatchState.RUNNING if self.record.collected < self.record.pages:
                    collected = self.record.collected
                    await self.write(await collect_page(self.record, self.world))
                    if self.record.collected == collected:
                        return await self.hand_over(has_moved=self.stored.version != version)
                case BatchState.RUNNING:
                    await self.write(await write_results(self.record, self.world))
                case BatchState.COMPLETED:
                    await self.publish()
                    return self.report(What.COMPLETED)
        return await self.hand_over(has_moved=True)

    async def write(self, record: BatchRecord) -> None:
        """Write the next record, and note that this message may work on for another `MAX_STEP`."""
        if record == self.record:
            return
        record = record.model_copy(update={"due_at": self.world.clock.now() + MAX_STEP})
        version = await self.world.batches.replace(record, self.stored.version)
        self.stored = Versioned(record, version)

    async def publish(self) -> None:
        """Publish the batch's event, then note that it was sent."""
        settings = self.configuration.settings
        if self.record.sent_at is None:
            event = build_completed(
                self.record, source=settings.event_source, container=settings.images_container
            )
            await self.world.publisher.publish(event, reply_to=None)
            sent = {"sent_at": self.world.clock.now()}
            await self.write(self.record.model_copy(update=sent))

    async def hand_over(self, *, has_moved: bool) -> Report:
        """Leave the batch to a later message: the sooner, the more has happened."""
        waited = self.continuation.waited if self.continuation else 0.0
        wait = FIRST_WAIT if has_moved else min(LONGEST_WAIT, max(FIRST_WAIT, waited * GROWTH))
        self.stored = await hand_over(
            self.record, self.stored.version, wait, self.world, self.configuration
        )
        return self.report(What.PENDING, again_in_seconds=round(wait, 1))

    async def requeue(self, delay: timedelta) -> None:
        """Send a copy of this message that comes when the newer one must be lost, if it is."""
        message = self.continuation or Continuation(
            batch_id=self.record.batch_id, step=self.record.step - 1
        )
        queue = self.configuration.settings.manifests_queue
        await self.world.queues.send(queue, message.to_bytes(), delay=delay)

    def report(self, what: What, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
        record = self.record
        known = {
            "batch_id": record.batch_id,
            "entries": record.reading.entries,
            "pages": record.pages,
            "collected": record.collected,
        }
        return Report(what, None, known | facts)


async def cancel_batch(
    batch_id: str, world: World, configuration: Configuration
) -> Versioned[BatchRecord]:
    """Cancel a batch: nothing more of it is read, and its running jobs are cancelled.

    A message does so; a batch that is completed stays as it is.
    """

    async def attempt(_is_first: bool) -> Versioned[BatchRecord]:  # noqa: FBT001 (of `until_written`)
        stored = await read_batch(batch_id, world)
        record = request_cancel(stored.value, now=world.clock.now())
        if record == stored.value:
            return stored
        return await hand_over(record, stored.version, 0, world, configuration)

    return await until_written(attempt, world.clock, what=f"record of batch {batch_id}")


async def cancel_page(
    record: BatchRecord, world: World, configuration: Configuration
) -> BatchRecord:
    """Cancel the running jobs that a page began; those begun elsewhere go on."""
    body = await world.batches.read_page(record.batch_id, entries_page(record.cancelled))
    jobs = await _read_jobs(EntryPage.model_validate_json(body or b"").entries, {}, world)
    for job in jobs.values():
        is_ours = job and job.batch and job.batch.batch_id == record.batch_id
        if job and is_ours and job.state is JobState.RUNNING:
            command = Command(
                command=Action.CANCEL,
                job_id=job.job_id,
                run=job.run,
                reason=f"batch {record.batch_id} was cancelled",
            )
            with contextlib.suppress(IllegalStep, RecordGone):  # it ended meanwhile
                try:
                    await execute_command(command, world, configuration)
                except BlobLeased:  # the message of a command waits
                    await world.queues.send(configuration.settings.jobs_queue, command.to_bytes())
    return add_cancelled(record, now=world.clock.now())


async def collect_page(record: BatchRecord, world: World) -> BatchRecord:
    """Write the results of the next page, or note the entry whose job still runs."""
    body = await world.batches.read_page(record.batch_id, entries_page(record.collected))
    entries = EntryPage.model_validate_json(body or b"").entries
    found: dict[str, JobRecord | None] = {}
    for start in range(record.waiting_at, len(entries), _AT_A_TIME):
        some = entries[start : start + _AT_A_TIME]
        found |= await _read_jobs(some, found, world)
        for place, entry in enumerate(some, start):
            job = found.get(entry.job_id or "")
            if job is not None and job.state in UNDECIDED:
                return wait_at(record, place, now=world.clock.now())
    found |= await _read_jobs(entries, found, world)
    results = [result_of(record.batch_id, each, found.get(each.job_id or "")) for each in entries]
    written = b"".join(result.model_dump_json().encode() + b"\n" for result in results)
    name = results_page(record.collected)
    stored = await world.batches.put_page(record.batch_id, name, written)
    counts = count_results(tuple(Result.model_validate_json(line) for line in stored.splitlines()))
    return add_results(record, counts, now=world.clock.now())


async def _read_jobs(
    entries: Sequence[TakenEntry], known: Mapping[str, JobRecord | None], world: World
) -> Mapping[str, JobRecord | None]:
    """Return the records of the entries' jobs that are not known yet; None for one that is gone."""
    named = dict.fromkeys(each.job_id for each in entries)
    ids = [job_id for job_id in named if job_id and job_id not in known]
    records = await world.gather(_read_job(job_id, world) for job_id in ids)
    return dict(zip(ids, records, strict=True))


async def _read_job(job_id: str, world: World) -> JobRecord | None:
    try:
        stored = await world.records.read(job_id)
    except NewerRecord:
        raise
    except UnreadableRecord:
        return None
    return stored.value if stored else None


async def write_results(record: BatchRecord, world: World) -> BatchRecord:
    """Write the result manifest from its pages, and return the batch as completed."""
    name = RESULTS.format(batch_id=record.batch_id)
    url = await publish_results(world.pictures.blobs, name, _result_pages(record, world))
    return complete(record, url, now=world.clock.now())


async def _result_pages(record: BatchRecord, world: World) -> AsyncIterator[bytes]:
    for number in range(record.collected):
        body = await world.batches.read_page(record.batch_id, results_page(number))
        yield body or b""
