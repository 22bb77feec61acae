"""Collecting what a batch comes to: page by page in order, each as soon as its jobs have ended."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .batch_data import Result
from .batch_events import RESULTS, counted, result_of
from .batches import (
    BatchRecord,
    EntryPage,
    TakenEntry,
    completed,
    page_of_entries,
    waiting,
    with_results,
)
from .errors import UnreadableRecord
from .ports import World
from .records import JobRecord, JobState

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
    found = await world.abreast.run(_record(job_id, world) for job_id in ids)
    return dict(zip(ids, found, strict=True))


async def _record(job_id: str, world: World) -> JobRecord | None:
    try:
        stored = await world.records.read(job_id)
    except UnreadableRecord:
        return None
    return stored.value if stored else None


def _runs(record: JobRecord | None) -> bool:
    return record is not None and record.state is JobState.RUNNING
