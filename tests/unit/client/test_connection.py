"""Coroutines without an event loop, and several at a time on either side."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from shared.client.connection import (
    ASYNC,
    SYNC,
    Side,
    attempt,
    gather_in_threads,
    gather_on_loop,
    run_coroutine,
    run_generator,
)
from shared.errors import StoreUnavailable
from shared.ports import Gather


def test_a_coroutine_that_waits_for_a_loop_is_an_error_without_one() -> None:
    with pytest.raises(RuntimeError, match="not synchronous"):
        run_coroutine(asyncio.sleep(0))


def test_a_generator_runs_without_a_loop_and_is_closed() -> None:
    closed = []

    async def count() -> AsyncGenerator[int]:
        try:
            for number in range(3):
                yield number
        finally:
            closed.append(True)

    assert list(run_generator(count())) == [0, 1, 2]
    values = run_generator(count())
    assert next(values) == 0
    del values
    assert closed == [True, True]


async def answer(number: int) -> int:
    if number == 1:
        raise StoreUnavailable("no")
    return number


GATHERS = pytest.mark.parametrize("gather", [gather_in_threads, gather_on_loop])


@GATHERS
async def test_results_come_in_the_order_of_their_work(gather: Gather) -> None:
    found = await gather(attempt(answer(number)) for number in range(40))
    assert [type(each) for each in found[:3]] == [int, StoreUnavailable, int]
    assert found[2:] == list(range(2, 40))


@GATHERS
async def test_an_error_is_raised_and_leaves_no_work_behind(gather: Gather) -> None:
    with pytest.raises(StoreUnavailable):
        await gather(map(answer, range(40)))


@GATHERS
async def test_a_bounded_number_of_coroutines_runs_at_a_time(gather: Gather) -> None:
    running, most = 0, 0

    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        if gather is gather_on_loop:
            await asyncio.sleep(0)
        running -= 1

    await gather(count() for _ in range(100))
    assert 1 <= most <= 16


@pytest.mark.parametrize("side", [SYNC, ASYNC])
async def test_the_clock_of_a_side_waits(side: Side) -> None:
    before = side.clock.now()
    await side.clock.sleep(0.01)
    assert (side.clock.now() - before).total_seconds() >= 0.009
