"""A target of the fuzzer."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

#: Of an input: as long as a message may be.
MAX_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """Reads one input, and raises a `Finding` where something is wrong with the reader."""

    name: str
    read: Callable[[bytes], None]
    #: Returns an input that is nearly valid.
    make: Callable[[Random], bytes]
    #: How many of all inputs it gets, as a weight.
    share: int

    def next_input(self, rng: Random) -> bytes:
        """Return an input of at most `MAX_BYTES`."""
        return self.make(rng)[:MAX_BYTES]
