"""The sinks of the settings: a new one is a module beside this one, and a branch here.

Each is imported where the settings ask for it: most apps have none.
"""

from collections.abc import Iterator
from contextlib import AsyncExitStack

from ..config.settings import Settings
from ..ports import Sink, Tokens


def configured_sinks(settings: Settings, tokens: Tokens, stack: AsyncExitStack) -> dict[str, Sink]:
    """Return every configured sink by its name; what they open`stack` closes."""
    return {sink.name: sink for sink in _configured(settings, tokens, stack)}


def _configured(settings: Settings, tokens: Tokens, stack: AsyncExitStack) -> Iterator[Sink]:
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
