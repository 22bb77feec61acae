"""Several things at a time: in order, bounded, and ended together by an error."""

import asyncio
from collections.abc import Coroutine

import pytest

from shared.adapters.world import gather_bounded
from shared.ports import Gather
from tests.fakes.world import gather_in_order


class Watched:
    def __init__(self) -> None:
        self.running = self.most = self.begun = 0

    async def work(self, number: int) -> int:
        self.begun += 1
        self.running += 1
        self.most = max(self.most, self.running)
        for _ in range(20 - number % 7):
            await asyncio.sleep(0)
        self.running -= 1
        if number == 13:
            raise ValueError("thirteen")
        return number

    def all(self, *numbers: int) -> list[Coroutine[None, None, int]]:
        return [self.work(number) for number in numbers]


@pytest.mark.parametrize("gather", [gather_in_order, gather_bounded])
async def test_results_come_in_the_order_of_the_work(gather: Gather) -> None:
    assert await gather(Watched().all(3, 1, 2, 9, 8, 7)) == [3, 1, 2, 9, 8, 7]
    assert await gather(Watched().all()) == []


async def test_no_more_than_the_bound_run_at_a_time() -> None:
    watched = Watched()
    await gather_bounded(watched.all(*range(12)), at_a_time=4)
    assert watched.most == 4


async def test_an_error_stops_what_runs_and_begins_nothing_more() -> None:
    watched = Watched()
    work = (watched.work(number) for number in range(10, 100))
    with pytest.raises(ValueError, match="thirteen"):
        await gather_bounded(work, at_a_time=4)
    begun = watched.begun
    await asyncio.sleep(0)
    assert watched.begun == begun < 20
