"""The sinks that the settings ask for: a new one is a file beside this one, and a line here."""

from collections.abc import Iterator

from ..event_ports import Sink
from ..settings import Settings
from .event_grid import EventGridTopic, Tokens
from .posting import Poster
from .webhook import WebhookSink


def sinks_of(
    settings: Settings, tokens: Tokens, poster: Poster, guarded: Poster
) -> dict[str, Sink]:
    """Return every configured sink by its name; `guarded` posts to hosts that others run."""
    return {sink.name: sink for sink in _configured(settings, tokens, poster, guarded)}


def _configured(
    settings: Settings, tokens: Tokens, poster: Poster, guarded: Poster
) -> Iterator[Sink]:
    if endpoint := settings.event_grid_topic_endpoint:
        key = settings.event_grid_topic_key
        yield EventGridTopic(
            endpoint, tokens, key=key.get_secret_value() if key else None, poster=poster
        )
    for webhook in settings.webhooks:
        yield WebhookSink(webhook, guarded)
