"""Requests per minute, enforced in slices of one or ten seconds, as the service does."""

import time
from collections.abc import Callable
from dataclasses import dataclass

type Clock = Callable[[], float]


@dataclass(slots=True)
class Pool:
    """A quota that deployments share: a token bucket of the size of one slice."""

    rpm: float
    filled_at: float
    tokens: float | None = None  # None: full

    def largest(self, slice_seconds: float) -> float:
        """Return the requests of one slice: at least one."""
        return max(1.0, self.rpm * slice_seconds / 60)


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision about one request: `wait` in seconds is None when it is admitted."""

    wait: float | None
    limit: int
    remaining: int
    reset: float

    @property
    def headers(self) -> dict[str, str]:
        """The rate-limit headers of the reply; the reset is in seconds."""
        return {
            "x-ratelimit-limit-requests": str(self.limit),
            "x-ratelimit-remaining-requests": str(self.remaining),
            "x-ratelimit-reset-requests": str(-(-int(self.reset * 1000) // 1000)),
        }


class Quota:
    """All pools. Every request counts, also a throttled one, so that fast retries do not help."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._pools: dict[str, Pool] = {}

    def set(self, pool: str, rpm: float) -> None:
        """Set the requests per minute of a pool; earlier requests still count."""
        if rpm <= 0:
            raise ValueError(f"rpm of pool {pool!r} is {rpm}; it must be above 0")
        known = self._pools.get(pool)
        if known is None:
            self._pools[pool] = Pool(rpm, self._clock())
        else:
            known.rpm = rpm

    def rates(self) -> dict[str, float]:
        """Return the requests per minute of each pool."""
        return {name: pool.rpm for name, pool in self._pools.items()}

    def take(self, name: str, slice_seconds: float) -> Admission:
        """Count one request against a pool."""
        pool, now = self._pools[name], self._clock()
        largest, rate = pool.largest(slice_seconds), pool.rpm / 60
        held = largest if pool.tokens is None else pool.tokens
        held = min(largest, held + (now - pool.filled_at) * rate)
        left = max(held - 1, -largest)
        pool.tokens, pool.filled_at = left, now
        wait = None if held >= 1 else (1 - left) / rate
        return Admission(wait, int(pool.rpm), max(0, int(left)), (largest - left) / rate)
