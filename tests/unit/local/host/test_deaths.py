"""A process that is asked to die at a request dies there, and keeps what the app traces."""

import os
import subprocess
import sys

import pytest

#: A request that no server answers, from a session with a trace of its own.
PROGRAM = """
import asyncio, os, aiohttp
from local.host import deaths, logs
logs.configure(quiet="azure")
deaths.arrange(os.environ)

async def seen(*_):
    print("traced", flush=True)

async def main():
    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(seen)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        try:
            await session.get("http://127.0.0.1:1/waiting/messages")
        except aiohttp.ClientError:
            print("lived")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("asked", "code", "printed"),
    [("waiting=2", -9, "traced\n"), ("other=2", 0, "traced\nlived\n"), ("", 0, "traced\nlived\n")],
)
def test_it_dies_at_a_request_that_is_named(asked: str, code: int, printed: str) -> None:
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "LOCAL_DEATHS": asked},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (code, printed)
    assert ("died before GET /waiting/messages" in done.stderr) == (code != 0)
