"""Describe the message that delivers one event to one sink, and the waits between its tries.

Each sink outside the app's storage has a message for each event. No job waits for a sink, and no
sink waits for another sink.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field, JsonValue, field_validator

from ..jobs.fields import added_field, is_job_id
from ..jobs.parsing import read_model
from ..records.dead_letter import DeadLetter, DeadLetterKind

#: The first and the longest wait, seconds: 5 s, 15 s, 45 s, … one hour. A day has about 30 tries,
#: like Event Grid.
FIRST_WAIT: Final = 5.0
GROWTH: Final = 3
LONGEST_WAIT: Final = 3600.0
#: Most jitter added to a wait, as a share of it.
JITTER: Final = 0.25


#: The sink of events that go to the `callback` of their job.
CALLBACK: Final = "callback"


class Delivery(BaseModel, frozen=True, extra="forbid"):
    """An event, its sink, and the tries so far."""

    sink: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    #: Tries so far; all of them failed.
    tries: int = Field(default=0, ge=0)
    #: When the event was published.
    since: AwareDatetime
    #: Where the event goes, if its job names a callback.
    url: str | None = added_field(repr=False)
    #: The CloudEvent, structured.
    event: dict[str, JsonValue]

    @field_validator("event")
    @classmethod
    def _has_an_id(cls, event: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if not is_job_id(event.get("id")):
            raise ValueError("an event's id is 1 to 64 of A-Z a-z 0-9 _ -")
        return event

    @property
    def event_id(self) -> str:
        """The event's id."""
        return str(self.event["id"])

    def to_bytes(self) -> bytes:
        """Return the body of the message."""
        return self.model_dump_json().encode()


def read_delivery(body: bytes) -> Delivery:
    """Read a message of the deliveries queue; raise `MalformedMessage` if it is not valid."""
    return read_model(Delivery, body)


def wait_after(delivery: Delivery, asked: float | None) -> timedelta:
    """Return the wait before the next try: longer each time, and at least `asked` (seconds).

    The jitter depends on event, sink and try alone, so it is the same for a repeated message.
    """
    grown = min(LONGEST_WAIT, FIRST_WAIT * GROWTH ** min(delivery.tries, 16))
    seed = f"{delivery.event_id}/{delivery.sink}/{delivery.tries}"
    noise = hashlib.sha256(seed.encode()).digest()[0] / 255
    return timedelta(seconds=max(asked or 0.0, grown) * (1 + JITTER * noise))


def delivery_letter(delivery: Delivery, why: str, *, at: datetime) -> DeadLetter:
    """Return the dead letter of an event that was not delivered."""
    return DeadLetter(
        kind=DeadLetterKind.DELIVERY,
        reason="undeliverable",
        why=why,
        at=at,
        sink=delivery.sink,
        url=delivery.url,
        tries=delivery.tries,
        since=delivery.since,
        event=delivery.event,
    )
