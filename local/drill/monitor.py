"""A server that receives telemetry as Azure Monitor does, and keeps it as rows of its tables."""

import gzip
import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

type Json = dict[str, Any]

#: The tables of Log Analytics, by the kind of an envelope of Application Insights.
_TABLES: Final = {"MetricData": "AppMetrics", "MessageData": "AppTraces"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table: its columns, and when it arrived (`time.monotonic`)."""

    table: str
    columns: Mapping[str, Any]
    arrived_at: float


class Monitor(ThreadingHTTPServer):
    """Takes telemetry as Azure Monitor does, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receiver)
        self.taken: list[Json] = []
        self.rows: list[Row] = []

    @property
    def url(self) -> str:
        """The address of the server."""
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def options(self) -> tuple[str, ...]:
        """The options of `python -m local up` that make the app send its telemetry here."""
        settings = {
            "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "true",
            "PYTHON_APPLICATIONINSIGHTS_LOGGER_NAME": "image_jobs",
            "APPLICATIONINSIGHTS_CONNECTION_STRING": (
                "InstrumentationKey=00000000-0000-0000-0000-000000000001;"
                f"IngestionEndpoint={self.url};LiveEndpoint={self.url}"
            ),
            "APPLICATIONINSIGHTS_STATSBEAT_DISABLED_ALL": "true",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests,urllib,urllib3",
            "OTEL_TRACES_SAMPLER": "parentbased_always_on",
            # Sooner than once a minute and every five seconds.
            "OTEL_METRIC_EXPORT_INTERVAL": "1000",
            "OTEL_BSP_SCHEDULE_DELAY": "500",
            "OTEL_BLRP_SCHEDULE_DELAY": "500",
        }
        return tuple(part for name in settings for part in ("--set", f"{name}={settings[name]}"))

    def take(self, envelopes: list[Json]) -> None:
        """Keep envelopes, in the order of their arrival."""
        self.taken += envelopes
        now = time.monotonic()
        for each in envelopes:
            if table := _TABLES.get(each["data"]["baseType"]):
                self.rows.append(Row(table, read_columns(each["data"]["baseData"]), now))

    def of(self, kind: str) -> list[Json]:
        """Return the data of one kind of envelope."""
        return [each["data"]["baseData"] for each in self.taken if each["data"]["baseType"] == kind]


def read_columns(data: Json) -> Json:
    """Return the columns of a row: those that Log Analytics makes of an envelope's data.

    Source: learn.microsoft.com/azure/azure-monitor/reference/tables/appmetrics and apptraces.
    """
    columns: Json = {"Properties": data.get("properties") or {}}
    for point in data.get("metrics", ())[:1]:
        value = point["value"]
        columns |= {"Name": point["name"], "Sum": value}
        columns |= {"Min": point.get("min") or value, "Max": point.get("max") or value}
    if "message" in data:
        columns["Message"] = data["message"]
    return columns


class _Receiver(BaseHTTPRequestHandler):
    server: Monitor

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        if self.path.endswith("/track"):
            self.server.take(json.loads(body))
        answer = json.dumps({"itemsReceived": 1, "itemsAccepted": 1, "errors": []}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Print nothing: what counts is kept."""


@contextmanager
def run_monitor() -> Iterator[Monitor]:
    """Run the server for the block."""
    with Monitor() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
