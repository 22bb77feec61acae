"""How fast a pool is called: the configured quota, corrected by what the service accepts.

Nobody tells us of a quota that was cut, raised or shared with another app; only answers do. Every
call accepted at full rate raises the rate a little (0.05 %), up to just under the one that was
refused last; a 429 lowers it, by 2 % the first time and twice as much each further time. Since a
bucket of 10 s hides for long that a rate is too high, an untried one is a *trial*: a tenth faster,
*proven* by 200 accepted calls in at least 3 minutes. A 429 on the way goes back to the proven rate,
and the next trial takes twice as long to come.

The rate may grow above what is configured (twice it, unless told otherwise): the configured number
is the catalogue's default tier where an operator says nothing, and tiers rise unannounced.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

#: What one accepted call adds to the rate.
RAISE: Final = 1.0005
#: What a refused call takes from it: the first since a proof, and at most; each takes twice as much
#: as the one before.
CUT: Final = 0.02
LARGEST_CUT: Final = 0.08
#: Refusals within this time of a lowering are echoes of the same trouble.
LOWER_EVERY: Final = timedelta(seconds=3)
#: The least that is left of the configured quota: 429s alone never stop a pool.
LEAST: Final = 0.1
#: Accepted calls that prove a rate, and how far above it the next trial goes.
PROOF: Final = 200
PROOF_TIME: Final = timedelta(minutes=3)
STEP: Final = 1.1
#: The part of the rate at which calls must have come to prove it.
FULL: Final = 0.97
#: A trial that failed is made again after twice as many calls and twice the time, at most 32 times.
MOST_DOUBLINGS: Final = 5
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


class AdaptiveRate(BaseModel):
    """The rate of a pool, and what it was learnt from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    #: Requests a minute as configured when this was written, and now.
    configured: float = Field(gt=0)
    rpm: float = Field(gt=0)
    #: The rate that was accepted for long, and the one up to which it may rise for now.
    proven: float = Field(gt=0)
    ceiling: float = Field(gt=0)
    lowered_at: datetime | None = None
    #: Lowerings since the last proof, and trials that failed since one succeeded.
    cuts: int = Field(default=0, ge=0)
    failed_trials: int = Field(default=0, ge=0)
    #: Calls accepted at full rate since then, or since the last proof, and when the first was made.
    quiet: int = 0
    quiet_since: datetime | None = None

    @property
    def spacing(self) -> timedelta:
        """Time between two calls."""
        return timedelta(minutes=1) / self.rpm


def apply_quota(rate: AdaptiveRate | None, quota: Quota) -> AdaptiveRate:
    """Return the tempo, begun anew when an operator has configured another quota."""
    if rate is None or rate.configured != quota.rpm:
        return AdaptiveRate(
            configured=quota.rpm, rpm=quota.rpm, proven=quota.rpm, ceiling=quota.rpm
        )
    return rate


def raise_rate(rate: AdaptiveRate, quota: Quota, called_at: Iterable[datetime]) -> AdaptiveRate:
    """Return the tempo after calls were accepted that were made at full rate.

    Calls made before the last lowering say nothing of the rate since.
    """
    last = rate.lowered_at
    fresh = [called for called in called_at if last is None or called > last]
    if not fresh:
        return rate
    rpm = max(rate.rpm, min(rate.ceiling, rate.rpm * RAISE ** len(fresh)))
    if rpm < rate.ceiling:
        return rate.model_copy(update={"rpm": rpm})
    quiet, since = rate.quiet + len(fresh), rate.quiet_since or min(fresh)
    counted = rate.model_copy(update={"rpm": rpm, "quiet": quiet, "quiet_since": since})
    patience, lasted = 1 << min(rate.failed_trials, MOST_DOUBLINGS), max(fresh) - since
    if quiet < PROOF * patience or lasted < PROOF_TIME * patience:
        return counted
    if quiet * rate.spacing < lasted * FULL:
        # Not at full rate after all: who has a place comes as fast as the rate was back then.
        return counted.model_copy(update={"quiet": 0, "quiet_since": None})
    return _tried(counted, quota)


def _tried(rate: AdaptiveRate, quota: Quota) -> AdaptiveRate:
    """Return the tempo now that its rate is proven: the next step is tried, if there is one."""
    # What an operator said is worth a proof of its own before it is exceeded.
    stop = quota.rpm if rate.rpm < quota.rpm else quota.rpm * quota.growth
    rpm = max(rate.rpm, min(rate.rpm * STEP, stop))
    return rate.model_copy(
        update={
            "rpm": rpm,
            "proven": rate.rpm,
            "ceiling": rpm,
            "quiet": 0,
            "quiet_since": None,
            "cuts": 0,
            "failed_trials": 0 if rate.rpm > rate.proven else rate.failed_trials,
        }
    )


def lower_rate(rate: AdaptiveRate, *, called_at: datetime, now: datetime) -> AdaptiveRate:
    """Return the tempo after a 429 of a call that was made at `called_at`."""
    last = rate.lowered_at
    if last and (now - last < LOWER_EVERY or called_at <= last):
        return rate.model_copy(update={"quiet": 0, "quiet_since": None})
    failed, cuts = rate.failed_trials, rate.cuts
    if rate.rpm > rate.proven:
        rpm, ceiling, proven = rate.proven * REFILL, rate.proven, rate.proven
        failed += 1
    else:
        rpm = rate.rpm * (1 - min(CUT * (1 << min(cuts, MOST_DOUBLINGS)), LARGEST_CUT))
        proven = ceiling = rate.rpm * NEAR
        cuts += 1
    return rate.model_copy(
        update={
            "rpm": max(rpm, rate.configured * LEAST),
            "ceiling": max(ceiling, rate.configured * LEAST),
            "proven": max(proven, rate.configured * LEAST),
            "lowered_at": now,
            "cuts": cuts,
            "failed_trials": failed,
            "quiet": 0,
            "quiet_since": None,
        }
    )
