"""Events as messages: to the events queue, a job's reply queue, and on their way to the sinks.

What events are made of is imported with the first one: no paid call waits for it.
"""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import NoSuchQueue
from ..ports import Clock, Queues, Sink

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Publishes events over queues of one account: what it accepts, it has for every sink."""

    queues: Queues
    events_queue: str
    deliveries_queue: str
    clock: Clock
    sinks: Collection[Sink] = ()

    async def publish(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event to the events queue, to `reply_to`, and a delivery for each sink.

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
                _LOG.warning("event %s of %s: %s", event.get_type(), event.get_subject(), error)
        wanting = [sink for sink in self.sinks if sink.wants(event.get_type())]
        if wanting:
            from ..events.delivery import Delivery

            for sink in wanting:
                delivery = Delivery(sink=sink.name, since=self.clock.now(), event=json.loads(body))
                await self.queues.send(self.deliveries_queue, delivery.to_bytes())
