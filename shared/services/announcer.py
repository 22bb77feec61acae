"""Events as messages: to the events queue, a job's reply queue, and on their way to the sinks."""

import json
import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import NoSuchQueue
from ..event_ports import Sink
from ..ports import Clock, Queues

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueAnnouncer:
    """`Announcer` over queues, all of one account: what it takes, it has for every sink."""

    queues: Queues
    events_queue: str
    deliveries_queue: str
    clock: Clock
    sinks: Collection[Sink] = ()

    async def announce(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event to the events queue, to `reply_to`, and a dispatch for each sink.

        A reply queue that does not exist is the caller's loss, told in the log: were it an error,
        the events queue would hear of the job again and again until somebody made that queue.
        """
        from ..cloud_events import to_json  # noqa: PLC0415 (as in `announcing`)

        body = to_json(event)
        await self.queues.send(self.events_queue, body)
        if reply_to is not None:
            try:
                await self.queues.send(reply_to, body)
            except NoSuchQueue as error:
                _LOG.warning("event %s of %s: %s", event.get_type(), event.get_subject(), error)
        wanting = [sink for sink in self.sinks if sink.wants(event.get_type())]
        if wanting:
            from ..dispatches import Dispatch  # noqa: PLC0415 (most apps have no sink)

            for sink in wanting:
                dispatch = Dispatch(sink=sink.name, since=self.clock.now(), event=json.loads(body))
                await self.queues.send(self.deliveries_queue, dispatch.to_bytes())
