"""What several suites share: one Azurite for the whole run, and properties without a time limit."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from local.stack import azurite as storage_emulator

# A property says what holds, and a busy machine is slow: time is measured by `make bench`.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def azurite() -> Iterator[str]:
    """The connection string of a fresh Azurite, in memory, shared by the run.

    Containers and queues are shared too: give yours a name of its own.
    """
    missing = storage_emulator.missing_part()
    if missing and os.environ.get("CI"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with storage_emulator.run_azurite() as connection_string:
        yield connection_string
