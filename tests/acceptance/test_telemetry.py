"""What reaches Azure Monitor, as Microsoft's worker and exporter send it to a stand-in for it."""

import json
from collections.abc import Iterator

import pytest

from local.drill.monitor import Monitor, run_monitor
from tests.acceptance.running_stack import RunningStack, running_stack
from tests.simulation.waiting import until

PROMPT = "a secret fox in the snow"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
JOB = {
    "job_id": "fox-1",
    "prompt": PROMPT,
    "model": "gpt-image-2",
    "size": "1024x1024",
    "quality": "low",
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
}


def metrics(server: Monitor) -> set[str]:
    """Names of our own metrics that arrived."""
    names = (each["metrics"][0]["name"] for each in server.of("MetricData"))
    return {name for name in names if name.startswith("image_jobs.")}


@pytest.fixture(scope="module")
def told(azurite: str) -> Iterator[tuple[RunningStack, Monitor]]:
    del azurite  # where it is missing, this skips or fails
    with run_monitor() as server, running_stack(*server.options) as stack:
        stack.submit(JOB)
        assert stack.event("fox-1")["type"] == "image.job.succeeded"
        yield stack, server


def test_the_metrics_of_a_job_arrive(told: tuple[RunningStack, Monitor]) -> None:
    _, server = told
    of_a_job = {"jobs", "calls", "cost", "tokens", "waiting", "calling", "storing"}
    expected = {f"image_jobs.{name}" for name in of_a_job}
    until(lambda: expected <= metrics(server), "metrics")
    (calls,) = (
        each["properties"]
        for each in server.of("MetricData")
        if each["metrics"][0]["name"] == "image_jobs.calls"
    )
    assert calls["outcome"] == "done"
    assert calls["deployment"] == "gpt-image-2"


def test_log_lines_arrive_with_their_fields(told: tuple[RunningStack, Monitor]) -> None:
    _, server = told
    lines = until(
        lambda: [each for each in server.of("MessageData") if "done" in each["message"]], "a line"
    )
    properties = lines[0]["properties"]
    assert (properties["what"], properties["job_id"]) == ("done", "fox-1")


def test_the_task_is_a_span_linked_to_whoever_asked(told: tuple[RunningStack, Monitor]) -> None:
    _, server = told
    (span,) = until(
        lambda: [each for each in server.of("RequestData") if each["name"] == "generate"],
        "the span of the task",
    )
    assert span["properties"]["job_id"] == "fox-1"
    assert TRACE in span["properties"]["_MS.links"]


def test_neither_prompt_nor_key_arrives(told: tuple[RunningStack, Monitor]) -> None:
    stack, server = told
    everything = json.dumps(server.taken)
    assert "fox-1" in everything
    assert PROMPT not in everything
    assert "local-key" not in everything
    assert "AccountKey" not in everything
    assert stack.ready["keys"]["master"] not in everything
