"""Where events go out, in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from shared.errors import DeliveryFailed


@dataclass(slots=True)
class FakeSink:
    """Takes the events it wants; raises each error of `refusals` once."""

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
