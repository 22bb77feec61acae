from collections.abc import AsyncIterator

import pytest

from .calls import Calls, started


@pytest.fixture
async def calls() -> AsyncIterator[Calls]:
    """An emulator without latency."""
    async with started() as running:
        yield running
