"""What a cold start may load, in modules: a time would depend on the machine.

`make bench` measures the CPU time to the first call, as deployed, and that of an earlier version.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable

import pytest

from .test_index import SETTINGS
from .tree import ROOT

#: azure.functions and pydantic alone load 380.
MOST_AT_INDEX = 440
#: Not loaded while the app is indexed: only a message needs them.
NOT_AT_INDEX = {
    *("aiohttp", "yarl"),  # connections
    *("azure.core", "azure.identity", "azure.storage"),  # the SDKs
    *("cloudevents", "dateutil"),  # the first event
    *("opentelemetry", "shared.adapters.telemetry"),  # somebody who listens
    *(
        "shared.events.data",
        "shared.images_api.decoder",
        "shared.workflows.poison",
        "shared.batches.record",
    ),  # their turn
    *(
        "shared.triggers.http.responses",
        "shared.triggers.http.jobs",
        "shared.http_api.job_documents",
    ),  # the first request
}
#: Nowhere, ever.
NEVER = {"openai", "httpx", "requests", "urllib3", "pandas", "numpy", "PIL"}

INDEXED = "import function_app"
WATCHED = """
import asyncio, function_app
named = {each.get_function_name(): each for each in function_app.app.get_functions()}
asyncio.run(named["watch"].get_user_function()(None))
"""


def loaded(code: str, **settings: str) -> set[str]:
    """Return the modules of a process that ran this code."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    code = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(  # noqa: S603 (the arguments are fixed)
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=inherited | SETTINGS | settings,
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def found(modules: set[str], unwanted: Iterable[str]) -> set[str]:
    return {
        name
        for name in unwanted
        if any(module == name or module.startswith(f"{name}.") for module in modules)
    }


@pytest.fixture(scope="module")
def indexed() -> set[str]:
    return loaded(INDEXED)


def test_an_index_loads_no_more_than_its_budget(indexed: set[str]) -> None:
    assert len(indexed) <= MOST_AT_INDEX


def test_an_index_loads_nothing_that_only_a_message_needs(indexed: set[str]) -> None:
    assert found(indexed, NOT_AT_INDEX) == set()
    assert found(indexed, NEVER) == set()


def test_a_watch_without_telemetry_loads_and_requests_nothing() -> None:
    assert found(loaded(WATCHED), NOT_AT_INDEX) == set()
