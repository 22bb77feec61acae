"""The world with its events, calls, pictures and dead letters measured.

So neither the workflows nor the repositories know of telemetry.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind, StatusCode

from ..images_api.requests import ImageRequest
from ..pictures.measuring import PictureFacts
from ..ports import ImagesEndpoint, Reply, StoredPicture
from ..records.dead_letter import DeadLetterKind
from ..stores.dead_letters import DeadLetters
from ..stores.pictures import Pictures, PictureWriter
from ..stores.publisher import Publisher
from ..stores.world import World
from ..vocabulary import RejectionCode
from .telemetry import CALLING, DEAD_LETTERS, JOBS, STORING, TOKENS, TRACER, WAITING

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

#: First words of the types of a job's events; the last one is its outcome.
_ENDED: Final = "image.job."
#: What a caller did wrong; poison is ours to look at.
_OF_CALLERS: Final = frozenset(RejectionCode) - {RejectionCode.POISONED}


def measured(world: World) -> World:
    """Return the world with its events, calls, pictures and dead letters measured."""
    return replace(
        world,
        publisher=_MeasuredPublisher(**_fields(world.publisher)),
        endpoint=_MeasuredEndpoint(world.endpoint),
        pictures=_MeasuredPictures(world.pictures),
        dead_letters=_MeasuredDeadLetters(**_fields(world.dead_letters)),
    )


def _fields(store: Publisher | DeadLetters) -> dict[str, Any]:
    return {each.name: getattr(store, each.name) for each in fields(store)}


class _MeasuredPublisher(Publisher):
    """Counts the events that are published; a repeat, which is rare, counts again."""

    async def publish(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        await Publisher.publish(self, event, reply_to=reply_to)
        if not event.get_type().startswith(_ENDED):
            return
        data = event.get_data()
        facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
        model = str(facts.get("model") or "")
        JOBS.add(1, {"outcome": event.get_type().removeprefix(_ENDED), "model": model})
        usage = facts.get("usage") or {}
        for kind in ("input_tokens", "output_tokens"):
            if usage.get(kind):
                TOKENS.add(usage[kind], {"kind": kind, "model": model})
        timings = facts.get("timings") or {}
        if timings.get("started_at"):
            waited = _time(timings["started_at"]) - _time(timings["accepted_at"])
            WAITING.record(waited.total_seconds(), {"model": model})


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


class _MeasuredDeadLetters(DeadLetters):
    """Counts dead letters by reason; `rejected` is the fault of a caller."""

    async def put(self, name: str, body: bytes) -> None:
        await DeadLetters.put(self, name, body)
        letter = json.loads(body)
        reason = "failed" if letter["kind"] == DeadLetterKind.JOB else letter["reason"]
        DEAD_LETTERS.add(1, {"reason": "rejected" if reason in _OF_CALLERS else str(reason)})


def _time(told: str | datetime) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)
