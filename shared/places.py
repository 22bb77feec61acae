"""Places in the plan of a quota pool, as data: its counter, the numbers given, the turns."""

from datetime import datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from .tempo import Tempo

type Priority = Literal["normal", "low"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Pace(_Data):
    """The state of a pool's counter."""

    #: When this counter was begun: numbers of an earlier one mean nothing here.
    epoch: datetime
    tempo: Tempo
    #: The next free turn, and the number called then.
    free_at: datetime
    calling: float = 0.0
    #: The first number not given away, to normal and to low priority.
    promised: float = 0.0
    promised_low: float = 0.0
    #: No call before this: the last 429 said so. How many such stops there were: a turn given
    #: before the last of them is void.
    stopped_until: datetime | None = None
    stops: int = 0
    #: Promised numbers that passed while nobody came.
    lapsed: float = 0.0


class Appointment(_Data):
    """A place in the plan, carried by the message that waits."""

    pool: str = Field(default="", max_length=64)
    epoch: datetime
    number: float
    #: When it is probably called.
    at: datetime
    #: How often the message was put back by the pool, and of these for others' sake.
    postponed: int = Field(default=0, ge=0)
    yielded: int = Field(default=0, ge=0)


class Turn(_Data):
    """The right to make one call at `at`, `wait` from now."""

    at: datetime
    wait: timedelta
    #: `Pace.stops` when it was given.
    stops: int = 0
    #: Others were just before it: that it is accepted proves the rate.
    pressed: bool
    #: Its place, should the call be refused: it comes back with this and is due at once.
    appointment: Appointment


class Postponed(_Data):
    """Come back after `delay` with this appointment."""

    appointment: Appointment
    delay: timedelta
