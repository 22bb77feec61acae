"""The process that is measured: one way, one load; what it took is printed as JSON."""

import asyncio
import sys
import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tests.benchmarks.meters import peak_mb, settle, stalls
from tests.benchmarks.orders import Order
from tests.benchmarks.ways import Addresses, Way, opener

#: What keys of jobs begin with that are made before anything is measured: connections are open
#: then, and the interpreter has seen its way. A worker in the cloud lives for hours.
WARM = "bench-warm"
WARM_UPS = 4


class Load(BaseModel):
    """What a worker is given to do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    way: Literal["obvious", "openai", "copy", "least", "ours"]
    addresses: Addresses
    pictures: int
    picture_bytes: int
    rate: int | None = None
    in_flight: int = 1
    jobs: int = 1
    #: Time the loop's single steps as well.
    steps: bool = False
    #: Settings of the app that differ from what it comes with.
    knobs: dict[str, str] = Field(default_factory=dict)


class Taken(BaseModel):
    """What a worker took for it."""

    idle_mb: float
    peak_mb: float
    cpu_seconds: float
    wall_seconds: float
    late_p99_ms: float
    late_max_ms: float
    step_p99_ms: float
    step_max_ms: float
    #: Peaks over idle after each quarter of the jobs, MB: does it creep?
    quarters_mb: list[float]
    #: When each job was begun, by its key.
    begun: dict[str, float]


async def _run(load: Load) -> Taken:
    way = opener(load.way, load.knobs)(load.addresses)
    for number in range(WARM_UPS):
        key = f"{WARM}{number}"
        await way.make(Order(key=key, pictures=2, picture_bytes=1_500_000))
    await asyncio.sleep(0.05)
    idle = settle()
    begun: dict[str, float] = {}
    quarters: list[float] = []
    cpu, wall = time.process_time(), time.monotonic()
    async with stalls(steps=load.steps) as seen:
        await _make_all(way, load, begun, quarters, idle)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    peak = peak_mb()
    await way.close()
    return Taken(
        idle_mb=idle,
        peak_mb=peak - idle,
        cpu_seconds=cpu,
        wall_seconds=wall,
        quarters_mb=quarters,
        begun=begun,
        **seen.told(),
    )


async def _make_all(
    way: Way, load: Load, begun: dict[str, float], quarters: list[float], idle: float
) -> None:
    left = iter(range(load.jobs))

    async def lane() -> None:
        for number in left:
            key = f"bench-{number}"
            begun[key] = time.monotonic()
            await way.make(
                Order(
                    key=key,
                    pictures=load.pictures,
                    picture_bytes=load.picture_bytes,
                    rate=load.rate,
                )
            )
            if (number + 1) * 4 // load.jobs > len(quarters):
                quarters.append(peak_mb() - idle)

    async with asyncio.TaskGroup() as lanes:
        for _ in range(load.in_flight):
            lanes.create_task(lane())


def main() -> None:
    """Do the load of the first argument."""
    load = Load.model_validate_json(sys.argv[1])
    sys.stdout.write(asyncio.run(_run(load)).model_dump_json())


if __name__ == "__main__":
    main()
