"""What several suites share: one Azurite for the whole run."""

import os
from collections.abc import Iterator

import pytest

from local.stack import azurite as storage_emulator


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
