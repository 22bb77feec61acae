"""What the app tells of itself: spans and metrics, through OpenTelemetry's API and nothing else.

In Azure the worker sets up Azure Monitor before it loads the app (docs/runbook.md); where nobody
listens, this is not imported (`listeners`). A name of a metric here is one that
`infra/modules/alerts.bicep` and `infra/workbook.json` ask for: a test compares them.

No attribute holds a prompt, a URL or a secret: names of functions, models, deployments, outcomes.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..ports import Report

TRACER: Final = trace.get_tracer("image_jobs")
_METER: Final = metrics.get_meter("image_jobs")

JOBS: Final = _METER.create_counter("image_jobs.jobs", "{job}", "Jobs announced, by outcome")
CALLS: Final = _METER.create_counter(
    "image_jobs.calls", "{call}", "Calls, by what became of them; `throttled` is a 429"
)
COST: Final = _METER.create_counter("image_jobs.cost", "USD", "Cost of calls, as usage tells it")
TOKENS: Final = _METER.create_counter("image_jobs.tokens", "{token}", "Tokens of finished jobs")
DEAD_LETTERS: Final = _METER.create_counter(
    "image_jobs.dead_letters", "{letter}", "What was given up on, by reason"
)
WAITING: Final = _METER.create_histogram(
    "image_jobs.waiting", "s", "From a job's acceptance to its first call"
)
PACE_WAIT: Final = _METER.create_histogram(
    "image_jobs.pace_wait", "s", "What a task was put off for: its turn, or a retry"
)
CALLING: Final = _METER.create_histogram(
    "image_jobs.calling", "s", "From the request to the last byte of its reply"
)
STORING: Final = _METER.create_histogram(
    "image_jobs.storing", "s", "What writing a picture took of the time of its reply"
)
OLDEST: Final = _METER.create_gauge(
    "image_jobs.oldest_message_age", "s", "Age of the oldest message that waits in a queue"
)


@contextmanager
def task_span(name: str, traceparent: str | None) -> Iterator[Span]:
    """Follow a task from its message to its event, linked to whoever asked for the job."""
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""})
    asked = trace.get_current_span(context).get_span_context()
    links = [Link(asked)] if asked.is_valid else []
    with TRACER.start_as_current_span(
        name, kind=SpanKind.CONSUMER, links=links, record_exception=False
    ) as span:
        yield span


def note(function: str, report: Report) -> None:
    """Count what a piece of work came to."""
    facts = report.facts
    span = trace.get_current_span()
    span.set_attributes({"image_jobs.what": str(report.what), "job_id": report.job_id or ""})
    if facts.get("outcome") is not None:
        labels = {
            "function": function,
            "outcome": str(facts["outcome"]),
            "code": str(facts.get("code") or ""),
            "deployment": str(facts.get("deployment") or ""),
        }
        CALLS.add(1, labels)
        if facts.get("cost_usd"):
            COST.add(facts["cost_usd"], labels)
    if facts.get("again_in_seconds") is not None:
        PACE_WAIT.record(facts["again_in_seconds"], {"function": function, "what": report.what})


def note_ages(ages: Mapping[str, float]) -> None:
    """Tell how long the oldest message of each queue has waited, seconds."""
    for queue, seconds in ages.items():
        OLDEST.set(seconds, {"queue": queue})
