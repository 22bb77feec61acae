"""The world with its announcements, calls, pictures and dead letters measured.

Ports are wrapped, so that neither the work nor what is behind a port knows of telemetry.
"""

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import SpanKind, StatusCode

from ..images_api.requests import ImageRequest
from ..pictures.measuring import PictureFacts
from ..ports import (
    DeadLetters,
    ImagesEndpoint,
    PicturePart,
    Pictures,
    PictureWriter,
    Publisher,
    Reply,
    StoredPicture,
    World,
)
from ..records.dead_letter import DeadLetterKind
from ..vocabulary import RejectionCode
from .telemetry import CALLING, DEAD_LETTERS, JOBS, STORING, TOKENS, TRACER, WAITING

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

#: First words of the types of a job's events; the last one is its outcome.
_ENDED: Final = "image.job."
#: What a caller did wrong; poison is ours to look at.
_OF_CALLERS: Final = frozenset(RejectionCode) - {RejectionCode.POISONED}


def measured(world: World) -> World:
    """Return the world with its announcements, calls and pictures measured."""
    return replace(
        world,
        publisher=MeasuredAnnouncer(world.publisher),
        endpoint=MeasuredEndpoint(world.endpoint),
        pictures=MeasuredPictures(world.pictures),
        dead_letters=MeasuredDeadLetters(world.dead_letters),
    )


@dataclass(frozen=True, slots=True)
class MeasuredAnnouncer:
    """`Publisher` that counts what goes out; a repeat, which is rare, counts again."""

    inner: Publisher

    async def publish(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event, then count it."""
        await self.inner.publish(event, reply_to=reply_to)
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
class MeasuredEndpoint:
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

    async def remove(self, name: str) -> None:
        """Delete a picture that nobody was told of, if it is there."""
        await self.inner.remove(name)

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
        STORING.record(self.seconds + time.monotonic() - begun)
        return stored

    async def abandon(self) -> None:
        """Forget what was staged."""
        await self.inner.abandon()


@dataclass(frozen=True, slots=True)
class MeasuredDeadLetters:
    """`DeadLetters` that counts them by reason; `rejected` is the fault of a caller."""

    inner: DeadLetters

    async def put(self, name: str, body: bytes) -> None:
        """Keep a dead letter, then count it."""
        await self.inner.put(name, body)
        letter = json.loads(body)
        reason = "failed" if letter["kind"] == DeadLetterKind.JOB else letter["reason"]
        DEAD_LETTERS.add(1, {"reason": "rejected" if reason in _OF_CALLERS else str(reason)})


def _time(told: str | datetime) -> datetime:
    return told if isinstance(told, datetime) else datetime.fromisoformat(told)
