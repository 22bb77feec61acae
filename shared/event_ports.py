"""What events need of the world, as protocols: a part of `ports.World`."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from pydantic import JsonValue

if TYPE_CHECKING:  # 24 modules that no app needs before its first event
    from cloudevents.core.v1.event import CloudEvent


class Announcer(Protocol):
    """Where events go out: the events queue, the job's own reply queue, the sinks."""

    async def announce(self, event: "CloudEvent", *, reply_to: str | None) -> None:
        """Send the event to the queues, and on its way to every sink; at least once.

        A reply queue that does not exist is passed over.
        """
        ...


class Sink(Protocol):
    """Somewhere beyond our storage that events go to; adding one is one file in `services`."""

    @property
    def name(self) -> str:
        """What the sink is called in messages, logs and dead letters: `a-z 0-9 -`."""
        ...

    def wants(self, event_type: str) -> bool:
        """Tell whether events of this type are for this sink."""
        ...

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        """Hand over a structured CloudEvent, once; `NotTaken` unless the sink has it for sure.

        Returns or raises within seconds, whatever the other side does.
        """
        ...
