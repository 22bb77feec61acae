"""A coroutine that is cut runs not another line: no `finally`, no `except`."""

import asyncio

import pytest

from local.host.worker_process import Stoppable


async def test_what_is_not_cut_runs_as_ever() -> None:
    async def work() -> str:
        async with asyncio.timeout(10):
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await asyncio.sleep(10)
        return "done"

    assert await Stoppable(work()) == "done"


async def test_an_error_reaches_the_caller() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await Stoppable(fail())


async def test_what_is_cut_stays_where_it_is() -> None:
    steps: list[str] = []
    waits = asyncio.Event()

    async def work() -> str:
        try:
            steps.append("begun")
            await waits.wait()
            steps.append("went on")
        finally:
            steps.append("cleaned up")
        return "done"

    running = Stoppable(work())

    async def run() -> object:
        return await running

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    running.is_cut = True
    waits.set()
    assert await task is None
    assert steps == ["begun"]
