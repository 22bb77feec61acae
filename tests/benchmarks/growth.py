"""Does a job cost more when many have gone before? The app on Azurite, with ever more behind it.

Run in a process of its own; prints a row for each length of the past as JSON.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Final
from uuid import uuid4

from pydantic import BaseModel, TypeAdapter

from local.stack.stack import create_all
from shared.adapters.storage.rest import StorageClient
from shared.adapters.world import open_world
from shared.records.index_entry import index_entry_of
from shared.records.record import JobRecord
from shared.stores.world import World
from shared.workflows.sweep import sweep
from tests.benchmarks.orders import Order
from tests.benchmarks.ways import Addresses
from tests.benchmarks.ways.ours import Ours

#: How many jobs have gone before.
PASTS: Final = (100, 1_000, 10_000)
#: Jobs, sweeps and pages of each row; the median counts.
TIMES: Final = 15
_AT_A_TIME: Final = 16


class Cost(BaseModel):
    """What something takes, the median of its times."""

    milliseconds: float
    requests: float


class Row(BaseModel):
    """What things take after so many jobs."""

    past: int
    job: Cost
    sweep: Cost
    page: Cost
    #: One write of one record: what is the account's own part in the rest.
    write: Cost


ROWS: Final = TypeAdapter(list[Row])


async def _rows(addresses: Addresses) -> list[Row]:
    await asyncio.to_thread(create_all, addresses.storage)
    ours = Ours(addresses, {})
    world = open_world(ours.configuration)
    for _ in range(TIMES):
        await _make(ours)
    newest = (await world.index.page(limit=1)).entries[0]
    made = await world.records.read(newest.job_id)
    if made is None:
        raise RuntimeError(f"the job {newest.job_id} was made and has no record")
    rows, behind = [], TIMES
    for past in PASTS:
        await _age(world, made.value, past - behind)
        rows.append(
            Row(
                past=past,
                job=await _cost(lambda: _make(ours)),
                sweep=await _cost(lambda: sweep(world, ours.configuration)),
                page=await _cost(lambda: world.index.page(limit=50)),
                write=await _cost(lambda: world.records.create(_like(made.value))),
            )
        )
        behind = past + TIMES
    return rows


async def _make(ours: Ours) -> None:
    await ours.make(Order(key=f"bench-{uuid4().hex}", pictures=1, picture_bytes=100_000))


async def _age(world: World, made: JobRecord, jobs: int) -> None:
    """Put so many jobs like this one behind the app: their records and entries."""
    numbers = itertools.repeat(None, jobs)

    async def work() -> None:
        for _ in numbers:
            record = _like(made)
            await world.records.create(record)
            await world.index.close(index_entry_of(record))

    async with asyncio.TaskGroup() as group:
        for _ in range(_AT_A_TIME):
            group.create_task(work())


def _like(made: JobRecord) -> JobRecord:
    return made.model_copy(update={"job_id": f"past-{uuid4().hex}"})


async def _cost(work: Callable[[], Awaitable[object]]) -> Cost:
    seconds, requests = [], []
    for _ in range(TIMES):
        before, begun = _Counted.requests, time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - begun)
        requests.append(_Counted.requests - before)
    return Cost(milliseconds=median(seconds) * 1000, requests=median(requests))


class _Counted:
    """Counts what the wire is asked."""

    requests = 0

    @classmethod
    def watch(cls) -> None:
        """Begin to count."""
        once = StorageClient._once

        async def counted(*given: object) -> object:
            cls.requests += 1
            return await once(*given)  # type: ignore[arg-type] # as it was called

        StorageClient._once = counted  # type: ignore[method-assign,assignment] # nothing else sees each try


def main() -> None:
    """Measure at the addresses of the first argument."""
    _Counted.watch()
    addresses = Addresses.model_validate_json(sys.argv[1])
    sys.stdout.write(ROWS.dump_json(asyncio.run(_rows(addresses))).decode())


if __name__ == "__main__":
    main()
