"""The functions of the app and their bindings, as Microsoft's own worker library indexes them."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from .tree import ROOT

#: The least an app needs to be indexed. Nothing is asked of the addresses.
SETTINGS = {
    "ImageStorage": "UseDevelopmentStorage=true",
    "FOUNDRY_ENDPOINT": "https://foundry.example",
    "FOUNDRY_DEPLOYMENTS": '[{"name": "gpt-image-2"}]',
}
INDEX = """
import asyncio, json, os, pathlib, sys
from local.host.worker import Worker
found = asyncio.run(Worker(pathlib.Path(sys.argv[1]), os.environ).load())
print(json.dumps({each.name: [json.loads(raw) for raw in each.raw_bindings] for each in found}))
"""


def run_index(settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Index the app under these settings and no others of its own."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ
    }
    command = [sys.executable, "-c", INDEX, str(ROOT)]
    return subprocess.run(  # noqa: S603 (the arguments are fixed)
        command,
        cwd=ROOT,
        env=inherited | settings,
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )


@pytest.fixture(scope="module")
def index() -> dict[str, list[dict[str, Any]]]:
    """The bindings of each function."""
    if not (ROOT / "function_app.py").exists():
        pytest.skip("function_app.py is not written yet")
    done = run_index(SETTINGS)
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout.splitlines()[-1])
    return found


def http(route: str, *methods: str, level: str = "FUNCTION") -> dict[str, str | list[str]]:
    """An HTTP trigger as in the index."""
    return {"type": "httpTrigger", "route": route, "methods": [*methods], "authLevel": level}


def queue(name: str) -> dict[str, str | list[str]]:
    """A queue trigger as in the index."""
    return {"type": "queueTrigger", "queueName": name, "connection": "ImageStorage"}


#: What starts each function. A function that is not here does not belong into the app.
TRIGGERS: dict[str, dict[str, str | list[str]]] = {
    "intake": queue("image-jobs"),
    "generate": queue("image-tasks"),
    "batch": queue("image-manifests"),
    "poison_batch": queue("image-manifests-poison"),
    "dispatch": queue("image-deliveries"),
    "poison_dispatch": queue("image-deliveries-poison"),
    "finish": queue("image-finish"),
    "poison_finish": queue("image-finish-poison"),
    "poison_intake": queue("image-jobs-poison"),
    "poison_generate": queue("image-tasks-poison"),
    "watch": {"type": "timerTrigger", "schedule": "0 */5 * * * *"},
    "submit_job": http("jobs", "POST"),
    "submit_batch": http("jobs/batch", "POST"),
    "list_batches": http("batches", "GET", "HEAD"),
    "read_batch": http("batches/{batch_id}", "GET", "HEAD"),
    "cancel_batch": http("batches/{batch_id}", "DELETE"),
    "read_results": http("batches/{batch_id}/results", "GET"),
    "estimate_job": http("estimate", "POST"),
    "list_jobs": http("jobs", "GET", "HEAD"),
    "count_jobs": http("counts", "GET", "HEAD"),
    "read_job": http("jobs/{job_id}", "GET", "HEAD"),
    "read_image": http("jobs/{job_id}/images/{number}", "GET"),
    "cancel_job": http("jobs/{job_id}", "DELETE"),
    "replay_job": http("jobs/{job_id}/replay", "POST"),
    "approve_job": http("jobs/{job_id}/approve", "POST"),
    "reject_job": http("jobs/{job_id}/reject", "POST"),
    "erase_job": http("jobs/{job_id}/erase", "POST"),
    "release_job": http("jobs/{job_id}/release", "POST"),
    "fail_job": http("jobs/{job_id}/fail", "POST"),
    "upload_input": http("inputs/{*name}", "PUT"),
    "read_overview": http("overview", "GET", "HEAD"),
    "probe_pool": http("pools/{pool}/probe", "POST"),
    "openai": http("openai/{*path}", "GET", "POST", level="ANONYMOUS"),
    "gallery": http("gallery", "GET", "HEAD", level="ANONYMOUS"),
    "gallery_file": http("gallery/{name}", "GET", "HEAD", level="ANONYMOUS"),
    "health": http("health", "GET", level="ANONYMOUS"),
    "sweep": {"type": "timerTrigger", "schedule": "30 * * * * *"},
}


def test_the_app_has_exactly_these_functions(index: dict[str, list[dict[str, Any]]]) -> None:
    assert sorted(index) == sorted(TRIGGERS)


@pytest.mark.parametrize("name", TRIGGERS)
def test_each_function_is_started_by_its_own_trigger(
    index: dict[str, list[dict[str, Any]]], name: str
) -> None:
    (trigger,) = [binding for binding in index[name] if "Trigger" in binding["type"]]
    assert {key: trigger.get(key) for key in TRIGGERS[name]} == TRIGGERS[name]


def test_queue_messages_arrive_as_bytes_so_that_no_payload_overwrites_metadata(
    index: dict[str, list[dict[str, Any]]],
) -> None:
    queues = [b for bindings in index.values() for b in bindings if b["type"] == "queueTrigger"]
    assert {binding.get("dataType") for binding in queues} == {"BINARY"}


def test_no_function_writes_through_an_output_binding(
    index: dict[str, list[dict[str, Any]]],
) -> None:
    outputs = {
        name: binding["type"]
        for name, bindings in index.items()
        for binding in bindings
        if "Trigger" not in binding["type"] and binding["type"] != "http"
    }
    assert outputs == {}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"FOUNDRY_DEPLOYMENTS": ""}, "FOUNDRY_DEPLOYMENTS"),
        ({"FOUNDRY_DEPLOYMENTS": '[{"name": "unheard-of"}]'}, "unheard-of"),
        ({"ImageStorage": ""}, "ImageStorage"),
        ({"CALL_DEADLINE_SECONDS": "soon"}, "CALL_DEADLINE_SECONDS"),
    ],
)
def test_a_misconfigured_app_does_not_index_and_names_what_is_wrong(
    wrong: dict[str, str], named: str
) -> None:
    if not (ROOT / "function_app.py").exists():
        pytest.skip("function_app.py is not written yet")
    done = run_index(SETTINGS | wrong)
    assert done.returncode != 0
    assert any(named in line for line in done.stderr.splitlines()[1:])
