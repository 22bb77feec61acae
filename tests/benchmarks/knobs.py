"""The settings that decide memory and speed of uploads, tried one beside the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.stores.pictures import BlockSizes
from tests.benchmarks.bed import Seen
from tests.benchmarks.cases import Case

_DEFAULT: Final = BlockSizes()


@dataclass(frozen=True, slots=True)
class Knobs:
    """One way to set them."""

    block_bytes: int = _DEFAULT.block_bytes
    in_flight: int = _DEFAULT.in_flight
    pool: int = _DEFAULT.pool

    def settings(self) -> dict[str, str]:
        """As the app reads them."""
        return {
            "UPLOAD_BLOCK_BYTES": str(self.block_bytes),
            "UPLOAD_BLOCKS_IN_FLIGHT": str(self.in_flight),
            "UPLOAD_BLOCK_POOL": str(self.pool),
        }


class Tried(NamedTuple):
    """Return the results: alone and unpaced, alone and paced, 24 at once."""

    flat: Seen
    paced: Seen
    many: Seen


MIB: Final = 1 << 20
SETTINGS: Final = (
    Knobs(MIB // 2),
    Knobs(),
    Knobs(pool=32),
    Knobs(2 * MIB),
    Knobs(4 * MIB),
)
LOADS: Final = (
    Case(4, 25, in_flight=1, jobs=3, paced=False),
    Case(1, 25, in_flight=1, jobs=2, paced=True),
    Case(1, 25, in_flight=24, jobs=24, paced=False),
)


def try_all(measure: Callable[[Case, dict[str, str]], Seen]) -> dict[Knobs, Tried]:
    """Measure each setting under each load."""
    return {
        knobs: Tried(*(measure(load, knobs.settings()) for load in LOADS)) for knobs in SETTINGS
    }
