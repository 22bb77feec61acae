"""Events as messages: to the events queue, a job's reply queue, and on their way to the sinks.

The sinks that the settings ask for: a new one is a file beside this one, and a line here.

Each is imported where it is asked for: most apps have none.
"""

import json
import logging
from collections.abc import Collection, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..config.settings import Settings
from ..errors import NoSuchQueue
from ..ports import Clock, Queues, Sink

if TYPE_CHECKING:
    from cloudevents.core.v1.event import CloudEvent

    from .event_grid import Tokens

_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventPublisher:
    """`Announcer` over queues, all of one account: what it takes, it has for every sink."""

    queues: Queues
    events_queue: str
    deliveries_queue: str
    clock: Clock
    sinks: Collection[Sink] = ()

    async def publish(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event to the events queue, to `reply_to`, and a dispatch for each sink.

        A reply queue that does not exist is the caller's loss, told in the log: were it an error,
        the events queue would hear of the job again and again until somebody made that queue.
        """
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
                dispatch = Delivery(sink=sink.name, since=self.clock.now(), event=json.loads(body))
                await self.queues.send(self.deliveries_queue, dispatch.to_bytes())


def configured_sinks(
    settings: Settings, tokens: "Tokens", stack: AsyncExitStack | None
) -> dict[str, Sink]:
    """Return every configured sink by its name; what they open, `stack` closes if there is one."""
    return {sink.name: sink for sink in _configured(settings, tokens, stack or AsyncExitStack())}


def _configured(settings: Settings, tokens: "Tokens", stack: AsyncExitStack) -> Iterator[Sink]:
    # ruff: noqa: PLC0415 (see the module)
    if endpoint := settings.event_grid_topic_endpoint:
        from .event_grid import EventGridTopic
        from .webhook import Poster

        key, poster = settings.event_grid_topic_key, Poster()
        stack.push_async_callback(poster.close)
        yield EventGridTopic(
            endpoint, tokens, key=key.get_secret_value() if key else None, poster=poster
        )
    if settings.webhooks:
        from .webhook import WebhookSink, guarded

        hooks = guarded(settings.webhook_local_hosts)
        stack.push_async_callback(hooks.close)
        for webhook in settings.webhooks:
            yield WebhookSink(webhook, hooks)
