"""A delivery: the message that takes one event to one sink.

Each sink beyond the app's own storage gets its events in messages of a queue, so no job waits for a
sink and no sink for another.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from ..jobs.fields import is_job_id
from ..jobs.parsing import read_model
from ..records.dead_letter import DeadLetter, DeadLetterKind

#: Wait after the first try and the longest one, seconds: 5 s, 15 s, 45 s, … an hour. A day holds
#: some thirty tries, as many as Event Grid makes.
FIRST_WAIT: Final = 5.0
GROWTH: Final = 3
LONGEST_WAIT: Final = 3600.0
#: Jitter added to a wait, at most, as a share of it.
JITTER: Final = 0.25


class Delivery(BaseModel):
    """The event, its sink, and the tries so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sink: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    #: Tries made; the sink took none of them.
    tries: int = Field(default=0, ge=0)
    #: When the event was published.
    since: datetime
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
        """Return the message as it is on the queue."""
        return self.model_dump_json().encode()


def read_delivery(body: bytes) -> Delivery:
    """Read a message of the deliveries queue; `MalformedMessage` if it is not one."""
    return read_model(Delivery, body)


def wait_after(delivery: Delivery, asked: float | None) -> timedelta:
    """Return the wait before the next try: at least what the sink asked, and longer each time.

    The jitter is derived from event and sink: it spreads the events, and is the same each time.
    """
    grown = min(LONGEST_WAIT, FIRST_WAIT * GROWTH ** min(delivery.tries, 16))
    seed = f"{delivery.event_id}/{delivery.sink}/{delivery.tries}"
    noise = hashlib.sha256(seed.encode()).digest()[0] / 255
    return timedelta(seconds=max(asked or 0.0, grown) * (1 + JITTER * noise))


def delivery_letter(delivery: Delivery, why: str, *, at: datetime) -> DeadLetter:
    """Return the dead letter of an event that its sink did not take."""
    return DeadLetter(
        kind=DeadLetterKind.DELIVERY,
        reason="undeliverable",
        why=why,
        at=at,
        sink=delivery.sink,
        tries=delivery.tries,
        since=delivery.since,
        event=delivery.event,
    )
