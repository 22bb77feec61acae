"""Spans and metrics through OpenTelemetry's API, and the world measured by them.

In Azure the worker sets up Azure Monitor before it loads the app (docs/runbook.md); without a
listener this module is not imported (`telemetry_enabled`). The metrics are those that
`infra/modules/alerts.bicep` and `infra/workbook.json` ask for: a test compares them.

No attribute holds a prompt, a URL or a secret: names of functions, models, deployments, outcomes.
"""

import time
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from ..config.settings import Settings
from ..config.tenants import Tenant, find_tenant
from ..images_api.requests import ImageRequest
from ..pictures.measuring import PictureFacts
from ..ports import ImagesEndpoint, ReceivedMessage, Reply, Report, StoredPicture
from ..records.dead_letter import DeadLetter, DeadLetterKind
from ..redaction import printable
from ..stores.dead_letters import DeadLetters
from ..stores.pictures import Pictures, PictureWriter
from ..stores.publisher import Publisher
from ..stores.waiting_tasks import WaitingTasks
from ..stores.world import World
from ..vocabulary import RejectionCode

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

TRACER: Final = trace.get_tracer("image_jobs")
_METER: Final = metrics.get_meter("image_jobs")

JOBS: Final = _METER.create_counter("image_jobs.jobs", "{job}", "Jobs announced, by outcome")
CALLS: Final = _METER.create_counter(
    "image_jobs.calls", "{call}", "Calls, by outcome; `throttled` is a 429"
)
COST: Final = _METER.create_counter("image_jobs.cost", "USD", "What calls certainly cost")
COST_AT_MOST: Final = _METER.create_counter(
    "image_jobs.cost_at_most", "USD", "What calls may have cost"
)
USAGE_IGNORED: Final = _METER.create_counter(
    "image_jobs.usage_ignored", "{call}", "Calls whose reported usage is not credible"
)
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
LATENESS: Final = _METER.create_histogram(
    "image_jobs.waiting_lateness", "s", "How late a task left the waiting queue, or has not left it"
)
OLDEST: Final = _METER.create_gauge(
    "image_jobs.oldest_message_age", "s", "Age of the oldest message that waits in a queue"
)


#: Values of one label from outside that a process reports; the others are `other`.
MOST_VALUES: Final = 50
_LONGEST_VALUE: Final = 64
_VALUES: Final[defaultdict[str, set[str]]] = defaultdict(set)


def _bounded(label: str, value: object) -> str:
    """Return a value of a label, `other` where a stranger could make up ever more series."""
    text, known = str(value or ""), _VALUES[label]
    if text not in known:
        is_word = text.isprintable() and len(text) <= _LONGEST_VALUE
        if not is_word or len(known) >= MOST_VALUES:
            return "other"
        known.add(text)
    return text


@contextmanager
def task_span(name: str, traceparent: str | None) -> Iterator[Span]:
    """Follow a task from its message to its event, linked to the caller of the job."""
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
    job_id = printable(report.job_id or "")
    span.set_attributes({"image_jobs.what": str(report.what), "job_id": job_id})
    if facts.get("outcome") is not None:
        labels = {
            "function": function,
            "outcome": str(facts["outcome"]),
            "code": _bounded("code", facts.get("code")),
            "deployment": str(facts.get("deployment") or ""),
            "tenant": str(facts.get("tenant") or ""),
        }
        CALLS.add(1, labels)
        for counter, usd in ((COST, "cost_usd"), (COST_AT_MOST, "cost_usd_at_most")):
            if facts.get(usd):
                counter.add(facts[usd], labels)
        if facts.get("usage_ignored"):
            USAGE_IGNORED.add(1, labels)
    if facts.get("again_in_seconds") is not None:
        PACE_WAIT.record(facts["again_in_seconds"], {"function": function, "what": report.what})


def note_ages(ages: Mapping[str, float]) -> None:
    """Tell how long the oldest message of each queue has waited, seconds."""
    for queue, seconds in ages.items():
        OLDEST.set(seconds, {"queue": queue})


def note_lateness(late: timedelta) -> None:
    """Tell how late the latest of some waiting tasks is."""
    LATENESS.record(late.total_seconds())


#: First words of the types of a job's events; the last one is its outcome.
_ENDED: Final = "image.job."
#: What a caller did wrong; poison is ours to look at.
_OF_CALLERS: Final = frozenset(RejectionCode) - {RejectionCode.POISONED}


def measured(world: World, settings: Settings) -> World:
    """Return the world with its events, calls, pictures, waiting tasks and dead letters measured.

    Jobs are counted by the tenants of the settings; those of others count as `default`.
    """
    return replace(
        world,
        publisher=_MeasuredPublisher(**_fields(world.publisher), tenants=settings.tenants),
        endpoint=_MeasuredEndpoint(world.endpoint),
        pictures=_MeasuredPictures(world.pictures),
        tasks=_MeasuredTasks(world.queues, world.pools, world.clock, settings),
        dead_letters=_MeasuredDeadLetters(**_fields(world.dead_letters)),
    )


def _fields(store: Publisher | DeadLetters) -> dict[str, Any]:
    return {each.name: getattr(store, each.name) for each in fields(store)}


@dataclass(frozen=True, slots=True)
class _MeasuredPublisher(Publisher):
    """Counts the events that are published; a repeat, which is rare, counts again."""

    tenants: Collection[Tenant] = ()

    async def publish(
        self, event: "CloudEvent", *, reply_to: str | None, callback: str | None = None
    ) -> None:
        await Publisher.publish(self, event, reply_to=reply_to, callback=callback)

        if not event.get_type().startswith(_ENDED):
            return
        data = event.get_data()
        facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
        model = _bounded("model", facts.get("model"))
        tenant = find_tenant(self.tenants, str(facts.get("tenant"))).name
        outcome = event.get_type().removeprefix(_ENDED)
        JOBS.add(1, {"outcome": outcome, "model": model, "tenant": tenant})
        usage = facts.get("usage") or {}
        for kind in ("input_tokens", "output_tokens"):
            if usage.get(kind):
                TOKENS.add(usage[kind], {"kind": kind, "model": model})
        timings = facts.get("timings") or {}
        if timings.get("started_at"):
            waited = _time(timings["started_at"]) - _time(timings["accepted_at"])
            WAITING.record(waited.total_seconds(), {"model": model, "tenant": tenant})


@dataclass(frozen=True, slots=True)
class _MeasuredEndpoint:
    """`ImagesEndpoint` whose calls are spans with a length."""

    inner: ImagesEndpoint

    def post(
        self, request: ImageRequest, *, limit: timedelta, client_request_id: str
    ) -> AbstractAsyncContextManager[Reply]:
        """Send the request, and follow it to the end of its reply."""
        return self._timed(request, limit, client_request_id)

    def follow(
        self, link: str, *, own: bool, limit: timedelta
    ) -> AbstractAsyncContextManager[Reply]:
        """Get a linked picture, which is no call."""
        return self.inner.follow(link, own=own, limit=limit)

    @asynccontextmanager
    async def _timed(
        self, request: ImageRequest, limit: timedelta, client_request_id: str
    ) -> AsyncIterator[Reply]:
        # Not the current span: a generator may be closed in another context than it was begun in.
        span = TRACER.start_span("call the images endpoint", kind=SpanKind.CLIENT)
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
            CALLING.record(time.monotonic() - begun, {"status": status})
            span.end()


class _MeasuredPictures(Pictures):
    """Times how long replies wait for storage."""

    def __init__(self, pictures: Pictures) -> None:
        super().__init__(pictures.blobs, pictures.sizes)

    def create(self, name: str) -> PictureWriter:
        return _MeasuredWriter(self.blobs, name, self.pool, self.sizes.in_flight)


class _MeasuredWriter(PictureWriter):
    """Adds up the seconds that a reply had to wait for storage."""

    seconds = 0.0

    async def write(self, data: bytes | memoryview) -> None:
        begun = time.monotonic()
        await super().write(data)
        self.seconds += time.monotonic() - begun

    async def commit(self, facts: PictureFacts, labels: Mapping[str, str]) -> StoredPicture:
        begun = time.monotonic()
        stored = await super().commit(facts, labels)
        STORING.record(self.seconds + time.monotonic() - begun)
        return stored


class _MeasuredTasks(WaitingTasks):
    """Measures how late waiting tasks are when somebody takes them, to move them or in vain."""

    async def take(self) -> list[ReceivedMessage]:
        taken = await super().take()
        if taken:
            note_lateness(self.find_lateness(each.text for each in taken))
        return taken


class _MeasuredDeadLetters(DeadLetters):
    """Counts dead letters by reason; `rejected` is the fault of a caller."""

    async def put(self, letter: DeadLetter) -> str:
        name = await DeadLetters.put(self, letter)
        reason = "failed" if letter.kind is DeadLetterKind.JOB else letter.reason
        DEAD_LETTERS.add(1, {"reason": "rejected" if reason in _OF_CALLERS else reason})
        return name


def _time(told: str | datetime) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)
