"""Events as messages: to the events queue, a job's reply queue, and on their way to the sinks.

What events are made of is imported with the first one: no paid call waits for it.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from ..errors import NoSuchQueue, StoreUnavailable
from ..ports import Clock, Queues, Sink

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

_LOG: Final = logging.getLogger("image_jobs")
#: How long an answer about a reply queue counts. One that was missing may be made at any moment.
QUEUE_FOUND_FOR: Final = timedelta(minutes=10)
QUEUE_MISSING_FOR: Final = timedelta(seconds=10)
#: Names of reply queues that one process remembers.
MOST_QUEUES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes events over queues of one account: what it accepts, it has for every sink."""

    queues: Queues
    events_queue: str
    deliveries_queue: str
    clock: Clock
    sinks: Collection[Sink] = ()
    #: By reply queue: whether it is missing, and until when that counts.
    known_queues: dict[str, tuple[bool, datetime]] = field(default_factory=dict)

    async def is_missing(self, reply_to: str) -> bool:
        """Return whether a reply queue does not exist; at most one look in a while.

        False where storage does not answer, or does not let the app look: no job is rejected for
        that.
        """
        now, known = self.clock.now(), self.known_queues.get(reply_to)
        if known and now < known[1]:
            return known[0]
        try:
            await self.queues.oldest(reply_to)
            missing = False
        except NoSuchQueue:
            missing = True
        except StoreUnavailable:
            missing = False
        if len(self.known_queues) >= MOST_QUEUES:
            self.known_queues.clear()
        until = now + (QUEUE_MISSING_FOR if missing else QUEUE_FOUND_FOR)
        self.known_queues[reply_to] = missing, until
        return missing

    async def publish(
        self, event: "CloudEvent", *, reply_to: str | None, callback: str | None = None
    ) -> None:
        """Send the event to the events queue and `reply_to`, and a delivery for each receiver.

        The receivers are the sinks that want it, and the URL of the job's `callback`.

        A reply queue that does not exist is a warning in the log: as an error, it would publish
        the event again and again until somebody made that queue.
        """
        # ruff: noqa: PLC0415 (see the module)
        from ..events.cloud_events import to_json

        body = to_json(event)
        await self.queues.send(self.events_queue, body)
        if reply_to is not None:
            try:
                await self.queues.send(reply_to, body)
            except NoSuchQueue as error:
                kind, subject = event.get_type(), event.get_subject()
                _LOG.warning("publish: event=%s subject=%s: %s", kind, subject, error)
        wanting = [sink.name for sink in self.sinks if sink.wants(event.get_type())]
        if wanting or callback:
            from ..events.delivery import CALLBACK, Delivery

            since, content = self.clock.now(), json.loads(body)
            deliveries = [Delivery(sink=name, since=since, event=content) for name in wanting]
            if callback:
                deliveries.append(Delivery(sink=CALLBACK, since=since, url=callback, event=content))
            for delivery in deliveries:
                await self.queues.send(self.deliveries_queue, delivery.to_bytes())
