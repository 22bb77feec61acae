"""The sinks that the settings ask for: a new one is a file beside this one, and a line here.

Each is imported where it is asked for: most apps have none.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from ..event_ports import Sink
from ..settings import Settings

if TYPE_CHECKING:
    from .event_grid import Tokens


def sinks_of(settings: Settings, tokens: "Tokens", stack: AsyncExitStack | None) -> dict[str, Sink]:
    """Return every configured sink by its name; what they open, `stack` closes if there is one."""
    return {sink.name: sink for sink in _configured(settings, tokens, stack or AsyncExitStack())}


def _configured(settings: Settings, tokens: "Tokens", stack: AsyncExitStack) -> Iterator[Sink]:
    # ruff: noqa: PLC0415 (see the module)
    if endpoint := settings.event_grid_topic_endpoint:
        from .event_grid import EventGridTopic
        from .posting import Poster

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
