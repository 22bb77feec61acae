"""Adapt the rate of a pool: the configured quota, corrected by what the service accepts.

Only replies show that a quota was cut, raised or is shared with another app. Every call accepted at
full rate raises the rate a little (0.05 %), up to just below the rate that was rejected last. A 429
lowers it, by 2 % the first time and twice as much each further time. The service counts in buckets
of 10 s, which hide a rate that is too high for a while. So a new rate is a *trial*: a tenth faster,
*proven* by 200 accepted calls in at least 3 minutes. A 429 before that returns to the proven rate,
and the time to the next trial doubles.

The rate may grow above the configured quota (up to twice, by default): without a setting it is the
default of the catalogue, and quotas are raised without notice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import AwareDatetime, BaseModel, Field

#: Factor of the rate for each accepted call.
RAISE_FACTOR: Final = 1.0005
#: The share that a rejected call takes from the rate: the first one since a proof, and the largest;
#: each takes twice as much as the one before.
FIRST_CUT: Final = 0.02
LARGEST_CUT: Final = 0.08
#: Rejections within this time after a lowering have the same cause.
LOWER_EVERY: Final = timedelta(seconds=3)
#: The lowest share of the configured quota: 429s alone never stop a pool.
MIN_SHARE: Final = 0.1
#: Accepted calls that prove a rate, and how far above it the next trial goes.
PROOF_CALLS: Final = 200
PROOF_TIME: Final = timedelta(minutes=3)
TRIAL_FACTOR: Final = 1.1
#: The share of the rate that the calls must reach to prove it.
FULL_RATE_SHARE: Final = 0.97
#: A failed trial is repeated after twice as many calls and twice the time, doubled at most 5 times.
MAX_DOUBLINGS: Final = 5
#: The rate stays below a rejected rate by this factor until then.
REJECTED_RATE_FACTOR: Final = 0.99
#: Factor of the proven rate just after a failed trial, because the service's bucket is empty.
REFILL_FACTOR: Final = 0.995
#: Changes that restart the count of accepted calls.
_NO_CALLS: Final = {"quiet": 0, "quiet_since": None}


@dataclass(frozen=True, slots=True)
class Quota:
    """The configured quota of a pool."""

    #: Requests a minute.
    rpm: float
    #: Factor up to which the rate may grow above `rpm`; 1: it may not grow.
    growth: float = 2.0

    def __post_init__(self) -> None:
        if self.rpm <= 0:
            raise ValueError(f"a quota of {self.rpm} requests a minute; it must be above 0")
        if self.growth < 1:
            raise ValueError(f"a growth of {self.growth} is below 1: lower the rpm instead")


class AdaptiveRate(BaseModel, frozen=True, extra="allow", allow_inf_nan=False):
    """The rate of a pool, and the observations behind it."""

    #: Requests a minute: as configured when this was written, and the current rate.
    configured: float = Field(gt=0)
    rpm: float = Field(gt=0)
    #: The proven rate, and the limit up to which the rate may rise at the moment.
    proven: float = Field(gt=0)
    ceiling: float = Field(gt=0)
    lowered_at: AwareDatetime | None = None
    #: Lowerings since the last proof, and trials that failed since one succeeded.
    cuts: int = Field(default=0, ge=0)
    failed_trials: int = Field(default=0, ge=0)
    #: Calls accepted at full rate since then, or since the last proof, and when the first was made.
    quiet: int = 0
    quiet_since: AwareDatetime | None = None

    @property
    def spacing(self) -> timedelta:
        """Time between two calls."""
        return timedelta(minutes=1) / self.rpm


def apply_quota(rate: AdaptiveRate | None, quota: Quota) -> AdaptiveRate:
    """Return the rate, started again if the configured quota has changed."""
    if rate is None or rate.configured != quota.rpm:
        return AdaptiveRate(
            configured=quota.rpm, rpm=quota.rpm, proven=quota.rpm, ceiling=quota.rpm
        )
    return rate


def raise_rate(rate: AdaptiveRate, quota: Quota, called_at: Iterable[datetime]) -> AdaptiveRate:
    """Return the rate after calls at full rate were accepted.

    Calls made before the last lowering say nothing about the present rate.
    """
    last = rate.lowered_at
    fresh = [called for called in called_at if last is None or called > last]
    if not fresh:
        return rate
    rpm = max(rate.rpm, min(rate.ceiling, rate.rpm * RAISE_FACTOR ** len(fresh)))
    if rpm < rate.ceiling:
        return rate.model_copy(update={"rpm": rpm})
    quiet, since = rate.quiet + len(fresh), rate.quiet_since or min(fresh)
    counted = rate.model_copy(update={"rpm": rpm, "quiet": quiet, "quiet_since": since})
    patience, lasted = 1 << min(rate.failed_trials, MAX_DOUBLINGS), max(fresh) - since
    if quiet < PROOF_CALLS * patience or lasted < PROOF_TIME * patience:
        return counted
    if quiet * rate.spacing < lasted * FULL_RATE_SHARE:
        # Not at full rate: callers with a ticket come at the rate of the time they got it.
        return counted.model_copy(update=_NO_CALLS)
    return _start_trial(counted, quota)


def _start_trial(rate: AdaptiveRate, quota: Quota) -> AdaptiveRate:
    """Return the rate with the next trial, after the present rate was proven."""
    # The configured quota is proven before it is exceeded.
    stop = quota.rpm if rate.rpm < quota.rpm else quota.rpm * quota.growth
    rpm = max(rate.rpm, min(rate.rpm * TRIAL_FACTOR, stop))
    return rate.model_copy(
        update={
            **_NO_CALLS,
            "rpm": rpm,
            "proven": rate.rpm,
            "ceiling": rpm,
            "cuts": 0,
            "failed_trials": 0 if rate.rpm > rate.proven else rate.failed_trials,
        }
    )


def lower_rate(rate: AdaptiveRate, *, called_at: datetime, now: datetime) -> AdaptiveRate:
    """Return the rate after a 429 of a call that was made at `called_at`."""
    last = rate.lowered_at
    if last and (now - last < LOWER_EVERY or called_at <= last):
        return rate.model_copy(update=_NO_CALLS)
    failed, cuts, lowest = rate.failed_trials, rate.cuts, rate.configured * MIN_SHARE
    if rate.rpm > rate.proven:
        rpm, ceiling = rate.proven * REFILL_FACTOR, rate.proven
        failed += 1
    else:
        rpm = rate.rpm * (1 - min(FIRST_CUT * (1 << min(cuts, MAX_DOUBLINGS)), LARGEST_CUT))
        ceiling = rate.rpm * REJECTED_RATE_FACTOR
        cuts += 1
    return rate.model_copy(
        update={
            **_NO_CALLS,
            "rpm": max(rpm, lowest),
            "ceiling": max(ceiling, lowest),
            "proven": max(ceiling, lowest),
            "lowered_at": now,
            "cuts": cuts,
            "failed_trials": failed,
        }
    )
