"""Batches: a manifest's message is read, its jobs are begun, watched to their ends, and told of.

Order of writes: the jobs of a page, the page, the batch's record; at the end the result manifest,
the record, the event. Any line may be the last one executed; the next message goes on from there.

Collecting what a batch comes to: page by page in order, each as soon as its jobs have ended.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..batches.data import Result
from ..batches.events import RESULTS, build_completed, counted, result_of
from ..batches.manifest import Continuation, DroppedFile, batch_id_of, read_notice, unquoted
from ..batches.record import (
    BatchRecord,
    BatchState,
    EntryPage,
    Manifest,
    TakenEntry,
    admitted,
    completed,
    next_turn,
    open_batch,
    page_of_entries,
    waiting,
    with_results,
)
from ..config.settings import Configuration
from ..errors import (
    AlreadyExists,
    MalformedMessage,
    StaleVersion,
    StoreUnavailable,
    UnreadableRecord,
)
from ..jobs.parsing import Message
from ..ports import Report, Versioned
from ..records.dead_letter import DeadLetterKind, message_letter
from ..records.record import JobRecord, JobState
from ..stores.manifests import FoundManifest
from ..stores.world import World
from .batch_entries import take_page

#: Records looked at before the first that is still running ends the search.
_AT_A_TIME: Final = 20


@dataclass(frozen=True, slots=True)
class Collected:
    """The next record, and whether a job of the page has not ended yet."""

    record: BatchRecord
    is_waiting: bool = False


async def collect(record: BatchRecord, world: World) -> Collected:
    """Write the results of the next page, or find the entry that it waits for."""
    page = await _entries(record, world)
    seen: dict[str, JobRecord | None] = {}
    for start in range(record.waiting_at, len(page), _AT_A_TIME):
        some = page[start : start + _AT_A_TIME]
        seen |= await _records([entry for entry in some if entry.job_id not in seen], world)
        for place, entry in enumerate(some, start):
            if _runs(seen.get(entry.job_id or "")):
                now = world.clock.now()
                same = record.waiting_at == place
                return Collected(record if same else waiting(record, place, now=now), True)
    seen |= await _records([entry for entry in page if entry.job_id not in seen], world)
    results = [result_of(record.batch_id, entry, seen.get(entry.job_id or "")) for entry in page]
    written = b"".join(result.model_dump_json().encode() + b"\n" for result in results)
    stands = await world.batches.put_page(record.batch_id, _page(record.collected), written)
    counts = counted(tuple(Result.model_validate_json(line) for line in stands.splitlines()))
    return Collected(with_results(record, counts, now=world.clock.now()))


async def publish(record: BatchRecord, world: World) -> BatchRecord:
    """Write the result manifest from its pages, and end the batch."""
    name = RESULTS.format(batch_id=record.batch_id)
    url = await world.batches.publish(name, _pages(record, world))
    return completed(record, url, now=world.clock.now())


async def _pages(record: BatchRecord, world: World) -> AsyncIterator[bytes]:
    for number in range(record.collected):
        body = await world.batches.read_page(record.batch_id, _page(number))
        yield body or b""


def _page(number: int) -> str:
    return f"results/{number:06d}.jsonl"


async def _entries(record: BatchRecord, world: World) -> Sequence[TakenEntry]:
    body = await world.batches.read_page(record.batch_id, page_of_entries(record.collected))
    return EntryPage.model_validate_json(body or b"").entries


async def _records(entries: Sequence[TakenEntry], world: World) -> Mapping[str, JobRecord | None]:
    ids = list(dict.fromkeys(entry.job_id for entry in entries if entry.job_id))
    found = await world.gather(_record(job_id, world) for job_id in ids)
    return dict(zip(ids, found, strict=True))


async def _record(job_id: str, world: World) -> JobRecord | None:
    try:
        stored = await world.records.read(job_id)
    except UnreadableRecord:
        return None
    return stored.value if stored else None


def _runs(record: JobRecord | None) -> bool:
    return record is not None and record.state is JobState.RUNNING


#: How long one message works on a batch before it hands it on: well within a function's time.
TURN: Final = timedelta(minutes=4)
#: How long a batch whose next job runs is left alone, seconds: at first, at most, and how it grows.
#: So long after its last job has ended is a batch told of at most; a look is some thirty requests.
FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 10.0
GROWTH: Final = 1.5


async def advance(message: Message, world: World, configuration: Configuration) -> Report:
    """Do what a message of the manifests queue asks for; raises only `Unavailable`."""
    try:
        notice = read_notice(message.body)
    except MalformedMessage as error:
        return await _keep(message, "malformed", world, why=str(error))
    if notice is None:
        return Report("ignored", None, {"why": "the event is of no file that was written"})
    if isinstance(notice, Continuation):
        stored = await world.batches.read(notice.batch_id)
        if stored is None:
            return Report("no_such_batch", None, {"batch_id": notice.batch_id})
        return await _Moved(stored, notice, world, configuration).work()
    if notice.container != configuration.settings.manifests_container:
        return Report("ignored", None, {"why": f"{notice.container!r} holds no manifests"})
    found = await world.manifests.find(notice.name)
    if found is None or (notice.version and notice.version != unquoted(found.version)):
        # Another event tells of the version that is there now.
        return Report("manifest_gone", None, {"version": notice.version})
    stored = await _opened(notice, found, world)
    return await _Moved(stored, None, world, configuration).work()


async def handle_poison_notice(
    message: Message, world: World, configuration: Configuration
) -> Report:
    """Keep a message that the platform gave up on, and see that its batch goes on all the same."""
    report = await _keep(message, "poisoned", world, why="the app stopped at it again and again")
    queue = configuration.settings.manifests_queue
    try:
        if read_notice(message.body) is None:
            return report
    except MalformedMessage:
        return report
    await world.queues.send(queue, message.body, delay=timedelta(minutes=10))
    return report


async def _opened(
    dropped: DroppedFile, found: FoundManifest, world: World
) -> Versioned[BatchRecord]:
    now = world.clock.now()
    manifest = Manifest(
        container=dropped.container,
        name=dropped.name,
        version=unquoted(found.version),
        bytes=found.bytes,
        modified_at=found.modified_at,
    )
    batch_id = batch_id_of(dropped.name, found.version, found.modified_at)
    record = open_batch(batch_id, manifest, due_at=now + TURN, now=now)
    try:
        return Versioned(record, await world.batches.create(record))
    except AlreadyExists:
        stored = await world.batches.read(batch_id)
        if stored is None:
            raise StoreUnavailable(f"the record of batch {batch_id} is gone") from None
        return stored


async def _keep(message: Message, reason: str, world: World, *, why: str) -> Report:
    letter = message_letter(DeadLetterKind.NOTICE, message, reason=reason, why=why)
    await world.dead_letters.put(letter.blob_name, letter.to_bytes())
    return Report(reason, None, {"why": why, "dead_letter": letter.blob_name})


@dataclass(slots=True)
class _Moved:
    """A batch that a message moves on."""

    stored: Versioned[BatchRecord]
    #: None: an event of Event Grid.
    continuation: Continuation | None
    world: World
    configuration: Configuration

    async def work(self) -> Report:
        turn = self.continuation.turn if self.continuation else None
        match admitted(self.record, turn, now=self.world.clock.now()):
            case "drop":
                return self.report("overtaken")
            case datetime() as until:
                await self.look_again(until)
                return self.report("left_alone")
            case _:
                pass
        try:
            return await self.move()
        except StaleVersion:
            return self.report("overtaken")  # whoever was faster has a message of its own

    @property
    def record(self) -> BatchRecord:
        return self.stored.value

    async def move(self) -> Report:
        """Work on the batch for one turn; raises `StaleVersion` where another has moved it."""
        began, before = self.world.clock.now(), self.stored.version
        while self.world.clock.now() - began < TURN:
            match self.record.state:
                case BatchState.READING:
                    await self.write(await take_page(self.record, self.world, self.configuration))
                case BatchState.RUNNING if self.record.collected < self.record.pages:
                    collected = await collect(self.record, self.world)
                    await self.write(collected.record)
                    if collected.is_waiting:
                        return await self.hand_on(has_moved=self.stored.version != before)
                case BatchState.RUNNING:
                    await self.write(await publish(self.record, self.world))
                case BatchState.COMPLETED:
                    await self.tell()
                    return self.report("completed")
        return await self.hand_on(has_moved=True)

    async def write(self, record: BatchRecord) -> None:
        """Write the next record; it is ours for another turn."""
        if record == self.record:
            return
        record = record.model_copy(update={"due_at": self.world.clock.now() + TURN})
        version = await self.world.batches.replace(record, self.stored.version)
        self.stored = Versioned(record, version)

    async def tell(self) -> None:
        """Send the batch's event, then note that it went out."""
        settings = self.configuration.settings
        if self.record.sent_at is None:
            event = build_completed(
                self.record, source=settings.event_source, container=settings.images_container
            )
            await self.world.publisher.publish(event, reply_to=None)
            sent = {"sent_at": self.world.clock.now()}
            await self.write(self.record.model_copy(update=sent))

    async def hand_on(self, *, has_moved: bool) -> Report:
        """Leave the batch to a message that comes later: the sooner, the more has happened."""
        waited = self.continuation.waited if self.continuation else 0.0
        wait = FIRST_WAIT if has_moved else min(LONGEST_WAIT, max(FIRST_WAIT, waited * GROWTH))
        now = self.world.clock.now()
        due_at = now + timedelta(seconds=wait)
        record = next_turn(self.record, due_at=due_at, now=now)
        version = await self.world.batches.replace(record, self.stored.version)
        self.stored = Versioned(record, version)
        message = Continuation(batch_id=record.batch_id, turn=record.turn, waited=wait)
        queue = self.configuration.settings.manifests_queue
        await self.world.queues.send(queue, message.to_bytes(), delay=timedelta(seconds=wait))
        return self.report("pending", again_in_seconds=round(wait, 1))

    async def look_again(self, until: datetime) -> None:
        """Send a copy that comes when the message before it is surely lost, if it is."""
        given = self.continuation or Continuation(
            batch_id=self.record.batch_id, turn=self.record.turn - 1
        )
        delay = until - self.world.clock.now()
        queue = self.configuration.settings.manifests_queue
        await self.world.queues.send(queue, given.to_bytes(), delay=delay)

    def report(self, what: str, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
        record = self.record
        told = {
            "batch_id": record.batch_id,
            "entries": record.reading.entries,
            "pages": record.pages,
            "collected": record.collected,
        }
        return Report(what, None, told | facts)
