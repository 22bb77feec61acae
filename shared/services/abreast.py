"""Several things at a time, on the one event loop."""

import asyncio
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class BoundedAbreast:
    """`Abreast` with a bound."""

    at_a_time: int = 16

    async def run[T](self, work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """Await all, some at a time, and return what they return in their order."""
        each = enumerate(work)
        results: dict[int, T] = {}

        async def work_off() -> None:
            for place, coroutine in each:
                results[place] = await coroutine

        workers = [asyncio.create_task(work_off()) for _ in range(self.at_a_time)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            for _, coroutine in each:
                coroutine.close()
        return [results[place] for place in range(len(results))]
