"""What the app tells of itself: spans and metrics, through OpenTelemetry's API and nothing else.

In Azure the worker sets up Azure Monitor before it loads the app (docs/runbook.md); anywhere else
the API does nothing, at the cost of a call. A name of a metric here is one that
`infra/modules/alerts.bicep` and `infra/workbook.json` ask for: a test compares them.

No attribute holds a prompt, a URL or a secret: names of functions, models, deployments, outcomes.
"""

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from cloudevents.core.v1.event import CloudEvent
from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..payloads import ImageRequest
from ..pictures import PictureFacts
from ..ports import (
    Announcer,
    ImagesEndpoint,
    PicturePart,
    Pictures,
    PictureWriter,
    Reply,
    StoredPicture,
    World,
)
from ..reports import Report

_TRACER: Final = trace.get_tracer("image_jobs")
_METER: Final = metrics.get_meter("image_jobs")

_JOBS: Final = _METER.create_counter("image_jobs.jobs", "{job}", "Jobs announced, by outcome")
_CALLS: Final = _METER.create_counter(
    "image_jobs.calls", "{call}", "Calls, by what became of them; `throttled` is a 429"
)
_COST: Final = _METER.create_counter("image_jobs.cost", "USD", "Cost of calls, as usage tells it")
_TOKENS: Final = _METER.create_counter("image_jobs.tokens", "{token}", "Tokens of finished jobs")
_DEAD_LETTERS: Final = _METER.create_counter(
    "image_jobs.dead_letters", "{letter}", "What was given up on, by reason"
)
_WAITING: Final = _METER.create_histogram(
    "image_jobs.waiting", "s", "From a job's acceptance to its first call"
)
_PACE_WAIT: Final = _METER.create_histogram(
    "image_jobs.pace_wait", "s", "What a task was put off for: its turn, or a retry"
)
_CALLING: Final = _METER.create_histogram(
    "image_jobs.calling", "s", "From the request to the last byte of its reply"
)
_STORING: Final = _METER.create_histogram(
    "image_jobs.storing", "s", "What writing a picture took of the time of its reply"
)
_OLDEST: Final = _METER.create_gauge(
    "image_jobs.oldest_message_age", "s", "Age of the oldest message that waits in a queue"
)

#: Last words of the types of events, which are the outcomes of jobs.
_ENDED: Final = "image.job."
#: Reports that left a dead letter, whose readers are people.
_BURIED: Final = frozenset({"buried", "failed", "rejected"})


@contextmanager
def task_span(name: str, traceparent: str | None) -> Iterator[Span]:
    """Follow a task from its message to its event, linked to whoever asked for the job."""
    context = TraceContextTextMapPropagator().extract({"traceparent": traceparent or ""})
    asked = trace.get_current_span(context).get_span_context()
    links = [Link(asked)] if asked.is_valid else []
    with _TRACER.start_as_current_span(
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
        _CALLS.add(1, labels)
        if facts.get("cost_usd"):
            _COST.add(facts["cost_usd"], labels)
    if facts.get("again_in_seconds") is not None:
        _PACE_WAIT.record(facts["again_in_seconds"], {"function": function, "what": report.what})
    if report.what in _BURIED:
        _DEAD_LETTERS.add(1, {"function": function, "reason": str(report.what)})


def note_ages(ages: Mapping[str, float]) -> None:
    """Tell how long the oldest message of each queue has waited, seconds."""
    for queue, seconds in ages.items():
        _OLDEST.set(seconds, {"queue": queue})


def measured(world: World) -> World:
    """Return the world with its announcements, calls and pictures measured."""
    return replace(
        world,
        announcer=MeasuredAnnouncer(world.announcer),
        endpoint=MeasuredEndpoint(world.endpoint),
        pictures=MeasuredPictures(world.pictures),
    )


@dataclass(frozen=True, slots=True)
class MeasuredAnnouncer:
    """`Announcer` that counts what goes out; a repeat, which is rare, counts again."""

    inner: Announcer

    async def announce(self, event: CloudEvent, *, reply_to: str | None) -> None:
        """Send the event, then count it."""
        await self.inner.announce(event, reply_to=reply_to)
        if not event.get_type().startswith(_ENDED):
            return
        data = event.get_data()
        facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
        model = str(facts.get("model") or "")
        _JOBS.add(1, {"outcome": event.get_type().removeprefix(_ENDED), "model": model})
        usage = facts.get("usage") or {}
        for kind in ("input_tokens", "output_tokens"):
            if usage.get(kind):
                _TOKENS.add(usage[kind], {"kind": kind, "model": model})
        timings = facts.get("timings") or {}
        if timings.get("started_at"):
            waited = _time(timings["started_at"]) - _time(timings["accepted_at"])
            _WAITING.record(waited.total_seconds(), {"model": model})


@dataclass(frozen=True, slots=True)
class MeasuredEndpoint:
    """`ImagesEndpoint` whose calls are spans with a length."""

    inner: ImagesEndpoint

    def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AbstractAsyncContextManager[Reply]:
        """Send the request, and follow it to the end of its reply."""
        return self._followed(request, limit, client_request_id)

    @asynccontextmanager
    async def _followed(
        self, request: ImageRequest, limit: timedelta, client_request_id: str
    ) -> AsyncIterator[Reply]:
        # Not the current span: a generator may be closed in another context than it was begun in.
        span = _TRACER.start_span("call the images endpoint", kind=SpanKind.CLIENT)
        span.set_attribute("client_request_id", client_request_id)
        begun, status = time.monotonic(), 0
        try:
            async with self.inner.post(
                request, limit=limit, client_request_id=client_request_id
            ) as reply:
                status = reply.status
                span.set_attribute("http.response.status_code", status)
                yield reply
        except BaseException as error:
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            _CALLING.record(time.monotonic() - begun, {"status": status})
            span.end()


@dataclass(frozen=True, slots=True)
class MeasuredPictures:
    """`Pictures` that time how long writing takes."""

    inner: Pictures

    def create(self, name: str) -> "MeasuredWriter":
        """Open a writer for the blob `name`."""
        return MeasuredWriter(self.inner.create(name))

    async def find(self, name: str) -> StoredPicture | None:
        """Return the committed picture of this name, or None."""
        return await self.inner.find(name)

    async def put_sidecar(self, name: str, body: bytes) -> None:
        """Write a small JSON blob once."""
        await self.inner.put_sidecar(name, body)

    async def read(self, name: str, *, start: int, length: int) -> PicturePart | None:
        """Return at most `length` bytes of the picture from `start` on, or None if it is none."""
        return await self.inner.read(name, start=start, length=length)


@dataclass(slots=True)
class MeasuredWriter:
    """`PictureWriter` that adds up the seconds a reply had to wait for storage."""

    inner: PictureWriter
    seconds: float = 0.0

    async def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes."""
        begun = time.monotonic()
        await self.inner.write(data)
        self.seconds += time.monotonic() - begun

    async def commit(self, facts: PictureFacts, metadata: Mapping[str, str]) -> StoredPicture:
        """Make the picture visible, and tell what writing it took."""
        begun = time.monotonic()
        stored = await self.inner.commit(facts, metadata)
        _STORING.record(self.seconds + time.monotonic() - begun)
        return stored

    async def abandon(self) -> None:
        """Forget what was staged."""
        await self.inner.abandon()


def _time(told: str | datetime) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)
