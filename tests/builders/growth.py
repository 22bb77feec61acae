"""How the work of a function grows with its input: a ratio, which no slow machine changes."""

import time
from collections.abc import Callable

#: Linear work is 8 times as long for 8 times the input, quadratic work 64 times.
TIMES = 8
MOST = 24.0


def growth[T](make: Callable[[int], T], work: Callable[[T], object], size: int) -> float:
    """Return how many times longer `work` takes for an input that is `TIMES` as long."""
    short, long = make(size), make(TIMES * size)
    return _seconds(work, long) / _seconds(work, short)


def _seconds[T](work: Callable[[T], object], given: T) -> float:
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        work(given)
        best = min(best, time.process_time() - start)
    return max(best, 1e-4)
