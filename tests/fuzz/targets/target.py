"""A target of the fuzzer."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Target:
    """Reads one input, and raises a `Finding` where something is wrong with the reader."""

    name: str
    read: Callable[[bytes], None]
    #: Returns an input that is nearly valid.
    make: Callable[[Random], bytes]
    #: How many of all inputs it gets, as a weight.
    share: int
