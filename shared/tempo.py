"""How fast a pool is called: the configured quota, corrected by what the service accepts.

Nobody tells us of a quota that was cut, raised or shared with another app; only answers do. Every
accepted call raises the rate a little (0.05 %), a 429 lowers it (by 5 %, once in 10 s). A refused
rate is remembered: the rate then stays just under it, for 200 accepted calls, before it tries
again. Without that memory the rate would swing between 95 % and 100 % and cost a 429 in a hundred.

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
#: Accepted calls after a 429 (or after the start) before an untried rate is tried.
QUIET: Final = 200
#: How near a refused rate is held meanwhile.
NEAR: Final = 0.99
#: A rate refused so little above the configured one says that the configured one is right.
RIGHT: Final = 1.1


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
    #: The rate at which the last lowering 429 came.
    refused: float | None = None
    lowered_at: datetime | None = None
    #: Calls accepted at full rate since then.
    quiet: int = 0

    @property
    def spacing(self) -> timedelta:
        """Time between two calls."""
        return timedelta(minutes=1) / self.rpm


def tuned(tempo: Tempo | None, quota: Quota) -> Tempo:
    """Return the tempo, begun anew when an operator has configured another quota."""
    if tempo is None or tempo.configured != quota.rpm:
        return Tempo(configured=quota.rpm, rpm=quota.rpm)
    return tempo


def raised(tempo: Tempo, quota: Quota, called_at: Iterable[datetime]) -> Tempo:
    """Return the tempo after calls were accepted that were made at full rate.

    Calls made before the last lowering say nothing of the rate since.
    """
    since = tempo.lowered_at
    count = sum(since is None or called > since for called in called_at)
    if not count:
        return tempo
    quiet = tempo.quiet + count
    limit = _limit(tempo, quota, quiet)
    rpm = max(tempo.rpm, min(limit, tempo.rpm * RAISE**count))
    return tempo.model_copy(update={"quiet": quiet, "rpm": rpm})


def lowered(tempo: Tempo, *, called_at: datetime, now: datetime) -> Tempo:
    """Return the tempo after a 429 of a call that was made at `called_at`."""
    last = tempo.lowered_at
    if last and (now - last < LOWER_EVERY or called_at <= last):
        return tempo.model_copy(update={"quiet": 0})
    rpm = max(tempo.configured * LEAST, tempo.rpm * LOWER)
    return tempo.model_copy(
        update={"rpm": rpm, "refused": tempo.rpm, "lowered_at": now, "quiet": 0}
    )


def _limit(tempo: Tempo, quota: Quota, quiet: int) -> float:
    """Return how far the rate may rise for now."""
    if quiet >= QUIET:
        return quota.rpm * quota.growth
    if tempo.refused is None or quota.rpm < tempo.refused <= quota.rpm * RIGHT:
        return quota.rpm
    return tempo.refused * NEAR
