"""Events as messages, structured CloudEvents JSON: to the events queue and a job's reply queue."""

import logging
from dataclasses import dataclass
from typing import Final

from cloudevents.core.v1.event import CloudEvent

from ..errors import NoSuchQueue
from ..events import to_json
from ..ports import Queues

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueueAnnouncer:
    """`Announcer` over queues."""

    queues: Queues
    events_queue: str

    async def announce(self, event: CloudEvent, *, reply_to: str | None) -> None:
        """Send the event to the events queue, then to `reply_to`.

        A reply queue that does not exist is the caller's loss, told in the log: were it an error,
        the events queue would hear of the job again and again until somebody made that queue.
        """
        body = to_json(event)
        await self.queues.send(self.events_queue, body)
        if reply_to is None:
            return
        try:
            await self.queues.send(reply_to, body)
        except NoSuchQueue as error:
            _LOG.warning("event %s of %s: %s", event.get_type(), event.get_subject(), error)
