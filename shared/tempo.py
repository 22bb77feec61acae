"""How fast a pool is called: the configured quota, corrected by what the service accepts.

Nobody tells us of a quota that was cut, raised or shared with another app; only answers do. Every
call accepted at full rate raises the rate a little (0.05 %), a 429 lowers it (by 5 %, once in
10 s). Two things keep it from swinging between 95 % and 100 % at a 429 in a hundred calls:

* A refused rate is not tried again at once: the rate stays just under it for as long.
* A bucket of 10 s hides for long that the rate is too high. So an untried rate is tried in steps
  of a tenth, each *proven* by 200 accepted calls in at least 3 minutes, and a 429 on the way goes
  back to the proven one.

The rate may grow above what is configured (twice it, unless told otherwise): the configured number
is the catalogue's default tier where an operator says nothing, and tiers rise unannounced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

#: What one accepted call adds to the rate, and what a refused one leaves of it.
RAISE: Final = 1.0005
LOWER: Final = 0.95
#: Refusals within this time of a lowering are echoes of the same trouble.
LOWER_EVERY: Final = timedelta(seconds=10)
#: The least that is left of the configured quota: 429s alone never stop a pool.
LEAST: Final = 0.1
#: Accepted calls that prove a rate, and how far above it the next trial goes.
PROOF: Final = 200
PROOF_TIME: Final = timedelta(minutes=3)
STEP: Final = 1.1
#: How near a refused rate is held until then.
NEAR: Final = 0.99
#: What is left of the proven rate just after a trial failed: the service's bucket is empty.
REFILL: Final = 0.995


@dataclass(frozen=True, slots=True)
class Quota:
    """What an operator says of a pool."""

    #: Requests a minute.
    rpm: float
    #: How far above `rpm` the rate may grow while nothing is refused; 1 forbids it.
    growth: float = 2.0

    def __post_init__(self) -> None:
        if self.rpm <= 0:
            raise ValueError(f"a quota of {self.rpm} requests a minute; it must be above 0")
        if self.growth < 1:
            raise ValueError(f"a growth of {self.growth} is below 1: lower the rpm instead")


class Tempo(BaseModel):
    """The rate of a pool, and what it was learnt from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Requests a minute as configured when this was written, and now.
    configured: float = Field(gt=0)
    rpm: float = Field(gt=0)
    #: The rate that was accepted for long, and the one up to which it may rise for now.
    proven: float = Field(gt=0)
    ceiling: float = Field(gt=0)
    lowered_at: datetime | None = None
    #: Calls accepted at full rate since then, or since the last proof, and when the first was made.
    quiet: int = 0
    quiet_since: datetime | None = None

    @property
    def spacing(self) -> timedelta:
        """Time between two calls."""
        return timedelta(minutes=1) / self.rpm


def tuned(tempo: Tempo | None, quota: Quota) -> Tempo:
    """Return the tempo, begun anew when an operator has configured another quota."""
    if tempo is None or tempo.configured != quota.rpm:
        return Tempo(configured=quota.rpm, rpm=quota.rpm, proven=quota.rpm, ceiling=quota.rpm)
    return tempo


def raised(tempo: Tempo, quota: Quota, called_at: Iterable[datetime]) -> Tempo:
    """Return the tempo after calls were accepted that were made at full rate.

    Calls made before the last lowering say nothing of the rate since.
    """
    last = tempo.lowered_at
    fresh = [called for called in called_at if last is None or called > last]
    if not fresh:
        return tempo
    quiet, since = tempo.quiet + len(fresh), tempo.quiet_since or min(fresh)
    rpm = max(tempo.rpm, min(tempo.ceiling, tempo.rpm * RAISE ** len(fresh)))
    changed: dict[str, object] = {"rpm": rpm, "quiet": quiet, "quiet_since": since}
    if quiet >= PROOF and max(fresh) - since >= PROOF_TIME:
        # What an operator said is worth a proof of its own before it is exceeded.
        stop = quota.rpm if rpm < quota.rpm else quota.rpm * quota.growth
        ceiling = max(rpm, min(rpm * STEP, stop))
        changed |= {"quiet": 0, "quiet_since": None, "proven": rpm, "ceiling": ceiling}
    return tempo.model_copy(update=changed)


def lowered(tempo: Tempo, *, called_at: datetime, now: datetime) -> Tempo:
    """Return the tempo after a 429 of a call that was made at `called_at`."""
    last = tempo.lowered_at
    if last and (now - last < LOWER_EVERY or called_at <= last):
        return tempo.model_copy(update={"quiet": 0, "quiet_since": None})
    if tempo.rpm > tempo.proven:
        rpm, ceiling, proven = tempo.proven * REFILL, tempo.proven, tempo.proven
    else:
        rpm, ceiling = tempo.rpm * LOWER, tempo.rpm * NEAR
        proven = ceiling
    return tempo.model_copy(
        update={
            "rpm": max(rpm, tempo.configured * LEAST),
            "ceiling": max(ceiling, tempo.configured * LEAST),
            "proven": max(proven, tempo.configured * LEAST),
            "lowered_at": now,
            "quiet": 0,
            "quiet_since": None,
        }
    )
