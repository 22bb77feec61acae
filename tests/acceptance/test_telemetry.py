"""What reaches Azure Monitor, as Microsoft's worker and exporter send it to a stand-in for it."""

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.acceptance.running_stack import Json, RunningStack, running_stack
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


class Monitor(ThreadingHTTPServer):
    """Takes telemetry as Azure Monitor does, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taking)
        self.taken: list[Json] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def of(self, kind: str) -> list[Json]:
        """The data of one kind of envelope."""
        return [each["data"]["baseData"] for each in self.taken if each["data"]["baseType"] == kind]

    def metrics(self) -> set[str]:
        """Names of our own metrics that arrived."""
        names = (each["metrics"][0]["name"] for each in self.of("MetricData"))
        return {name for name in names if name.startswith("image_jobs.")}


class _Taking(BaseHTTPRequestHandler):
    server: Monitor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/track"):
            self.server.taken += json.loads(body)
        answer = json.dumps({"itemsReceived": 1, "itemsAccepted": 1, "errors": []}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing: the test looks at what was taken."""


@contextmanager
def monitor() -> Iterator[Monitor]:
    with Monitor() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def told(azurite: str) -> Iterator[tuple[RunningStack, Monitor]]:
    del azurite  # where it is missing, this skips or fails
    with monitor() as server:
        settings = {
            "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
            "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME": "image_jobs",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                "InstrumentationKey=00000000-0000-0000-0000-000000000001;"
                f"IngestionEndpoint={server.url};LiveEndpoint={server.url}"
            ),
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests,urllib,urllib3",
            "OTEL_TRACES_SAMPLER": "parentbased_always_on",
            # Sooner than once a minute and every five seconds.
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "OTEL_BLRP_SCHEDULE_DELAY": "500",
        }
        options = [part for name in settings for part in ("--set", f"{name}={settings[name]}")]
        with running_stack(*options) as stack:
            stack.submit(JOB)
            assert stack.event("fox-1")["type"] == "image.job.succeeded"
            yield stack, server


def test_the_metrics_of_a_job_arrive(told: tuple[RunningStack, Monitor]) -> None:
    _, server = told
    of_a_job = {"jobs", "calls", "cost", "tokens", "waiting", "calling", "storing"}
    expected = {f"image_jobs.{name}" for name in of_a_job}
    until(lambda: expected <= server.metrics(), "metrics")
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
        lambda: [each for each in server.of("RequestData") if each["name"] == "generate_small"],
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
