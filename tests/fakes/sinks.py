"""Where events go out, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloudevents.core.v1.event import CloudEvent
from pydantic import JsonValue

from shared.errors import DeliveryFailed
from tests.simulation.steps import Steps


@dataclass(slots=True)
class FakeAnnouncer:
    steps: Steps = field(default_factory=Steps)
    events: list[CloudEvent] = field(default_factory=list)
    #: The same events by the reply queue they went to as well.
    replies: dict[str, list[CloudEvent]] = field(default_factory=dict)

    async def publish(self, event: CloudEvent, *, reply_to: str | None) -> None:
        await self.steps.take("announcer.announce")
        self.events.append(event)
        if reply_to is not None:
            self.replies.setdefault(reply_to, []).append(event)
        self.steps.had("announcer.announce")

    def types(self) -> list[str]:
        return [event.get_type() for event in self.events]


@dataclass(slots=True)
class FakeSink:
    """Takes what it wants, unless it was told to refuse: then the error is raised, once each."""

    name: str = "elsewhere"
    types: set[str] | None = None
    refusals: list[DeliveryFailed] = field(default_factory=list)
    taken: list[Mapping[str, JsonValue]] = field(default_factory=list)

    def wants(self, event_type: str) -> bool:
        return self.types is None or event_type in self.types

    async def take(self, event: Mapping[str, JsonValue]) -> None:
        if self.refusals:
            raise self.refusals.pop(0)
        self.taken.append(event)
