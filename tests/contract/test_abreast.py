"""Several things at a time: in order, bounded, and ended together by an error."""

import asyncio
from collections.abc import Coroutine

import pytest

from shared.adapters.world import BoundedAbreast
from shared.ports import Abreast
from tests.fakes.batches import FakeAbreast


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


@pytest.mark.parametrize("abreast", [FakeAbreast(), BoundedAbreast(4)])
async def test_results_come_in_the_order_of_the_work(abreast: Abreast) -> None:
    assert await abreast.run(Watched().all(3, 1, 2, 9, 8, 7)) == [3, 1, 2, 9, 8, 7]
    assert await abreast.run(Watched().all()) == []


async def test_no_more_than_the_bound_run_at_a_time() -> None:
    watched = Watched()
    await BoundedAbreast(4).run(watched.all(*range(12)))
    assert watched.most == 4


async def test_an_error_stops_what_runs_and_begins_nothing_more() -> None:
    watched = Watched()
    work = (watched.work(number) for number in range(10, 100))
    with pytest.raises(ValueError, match="thirteen"):
        await BoundedAbreast(4).run(work)
    begun = watched.begun
    await asyncio.sleep(0)
    assert watched.begun == begun < 20
