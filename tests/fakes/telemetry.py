"""OpenTelemetry's own SDK with its ends in memory: what the app tells, to be looked at."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


@dataclass(frozen=True, slots=True)
class Told:
    """What was reported since the start of the test."""

    reader: InMemoryMetricReader
    exporter: InMemorySpanExporter
    before: Mapping[tuple[str, tuple[tuple[str, Any], ...]], float]

    def sums(self, name: str) -> dict[tuple[tuple[str, Any], ...], float]:
        """The growth of a metric, by labels."""
        return {
            labels: value - self.before.get((metric, labels), 0.0)
            for (metric, labels), value in points(self.reader).items()
            if metric == name and value != self.before.get((metric, labels), 0.0)
        }

    @property
    def spans(self) -> tuple[ReadableSpan, ...]:
        """Spans that have ended."""
        return self.exporter.get_finished_spans()

    @property
    def everything(self) -> str:
        """All of it as text, to look for what must not be there."""
        metrics = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans) + (
            metrics.to_json() if metrics else ""
        )


def points(
    reader: InMemoryMetricReader,
) -> dict[tuple[str, tuple[tuple[str, Any], ...]], float]:
    """Value, or sum, of every metric by its labels."""
    data = reader.get_metrics_data()
    return {
        (metric.name, tuple(sorted((point.attributes or {}).items()))): float(
            point.value if hasattr(point, "value") else point.sum
        )
        for resource in (data.resource_metrics if data else [])
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }


@cache
def _sdk() -> tuple[InMemoryMetricReader, InMemorySpanExporter]:
    # A process has one of each, and keeps it.
    reader, exporter = InMemoryMetricReader(), InMemorySpanExporter()
    metrics.set_meter_provider(MeterProvider([reader]))
    tracer = TracerProvider()
    tracer.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracer)
    return reader, exporter


def listening() -> Told:
    """Begin to listen."""
    reader, exporter = _sdk()
    exporter.clear()
    return Told(reader, exporter, points(reader))
