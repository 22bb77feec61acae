"""A dispatch: one event on its way to one sink, as it waits on a queue of its own.

Every sink beyond our own storage gets its events this way: none waits for another, and no job for
any of them.
"""

import hashlib
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from ..jobs.fields import is_job_id
from ..jobs.parsing import read_model

#: Wait after the first try and the longest one, seconds: 5 s, 15 s, 45 s, … an hour. A day holds
#: some thirty tries, as many as Event Grid makes.
FIRST_WAIT: Final = 5.0
GROWTH: Final = 3
LONGEST_WAIT: Final = 3600.0
#: Jitter added to a wait, at most, as a share of it.
JITTER: Final = 0.25


class Delivery(BaseModel):
    """The event, the sink it goes to, and what was tried so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sink: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    #: Tries made; the sink took none of them.
    tries: int = Field(default=0, ge=0)
    #: When the event was first sent on its way.
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
        """Return the message as it stands on the queue."""
        return self.model_dump_json().encode()


def read_delivery(body: bytes) -> Delivery:
    """Read a message of the deliveries queue; `MalformedMessage` if it is none of ours."""
    return read_model(Delivery, body)


def wait_after(dispatch: Delivery, asked: float | None) -> timedelta:
    """Return how long the next try waits: not before the sink said, and longer each time.

    The jitter comes from the event and the sink, so that events spread and a test can tell.
    """
    grown = min(LONGEST_WAIT, FIRST_WAIT * GROWTH ** min(dispatch.tries, 16))
    seed = f"{dispatch.event_id}/{dispatch.sink}/{dispatch.tries}"
    noise = hashlib.sha256(seed.encode()).digest()[0] / 255
    return timedelta(seconds=max(asked or 0.0, grown) * (1 + JITTER * noise))
