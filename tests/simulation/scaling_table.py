"""The cases of `docs/scaling.md`, and their table.

`python -m tests.simulation.scaling_table` prints the small cases, with `--large` the others too (a
quarter of an hour); `--write` puts what it prints into the page.
"""

import argparse
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from local.contracts.tables import printed_tables, table
from tests.simulation.flex_consumption import ROOT
from tests.simulation.scaling import (
    FORMER,
    SHIPPED,
    Design,
    Figures,
    Load,
    Run,
    backlog,
    counting_hidden,
    mean_of,
    measure,
    storm,
    trickle,
)

PAGE: Final = ROOT / "docs/scaling.md"
HEAD: Final = (
    "load | rpm | way to wait | quota used, once warm | instances, needed | most | started | billed"
    " | cut | 429s | requests | waits, median / longest s"
)
LANES: Final = replace(SHIPPED, name="three lanes", lanes=True)
READY: Final = replace(
    SHIPPED, name="one always ready", platform=replace(SHIPPED.platform, always_ready=1)
)
#: For quick newcomers: as many instances as the quota needs, which read whenever there is room.
FOUR_READY: Final = replace(
    SHIPPED,
    name="four always ready",
    platform=replace(SHIPPED.platform, always_ready=4, batch_size=8, new_batch_threshold=20),
    lead=8.0,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A row of the table: what is simulated with some seeds."""

    load: str
    rpm: float
    design: Design = SHIPPED
    seeds: Sequence[int] = (1,)

    def find_load(self, seed: int) -> Load:
        """Return the jobs of a seed."""
        kind, _, share = self.load.partition(" ")
        if kind == "trickle":
            part = float(share.rstrip("%")) / 100
            return trickle(part, self.rpm, count=60 if part < 0.1 else 120, seed=seed)
        count = int(kind.replace(",", ""))
        return (storm if "429" in share else backlog)(count, self.rpm, seed=seed)

    def simulate(self) -> Figures:
        """Return the mean figures of all seeds."""
        return mean_of(
            [measure(Run(self.find_load(each), self.design, each).go()) for each in self.seeds]
        )

    @property
    def name(self) -> str:
        """The cells that say what is simulated."""
        formula = ", hidden count" if self.design.platform.counts_hidden else ""
        return f"{self.load} | {self.rpm:g} | {self.design.name}{formula}"

    def row(self) -> str:
        """Return the row."""
        found = figures(self)
        used = f"{found.used:.0%}, {found.used_warm:.0%}"
        cells = (
            self.name,
            "-" if self.load.startswith("trickle") else used,
            f"{found.instances:.1f}, {found.needed:.0f}",
            f"{found.most:.0f}",
            f"{found.cold_starts:.0f}",
            f"{found.billed:.2f}",
            f"{found.cut:.1f}",
            f"{found.throttled:.0f}",
            f"{found.operations:.1f}",
            f"{found.wait:.0f} / {found.longest:.0f}",
        )
        return f" {' | '.join(cells)} "


@cache
def figures(case: Case) -> Figures:
    """Return the figures of a case; each is simulated once."""
    return case.simulate()


def _with(designs: Iterable[Design], load: str, rpm: float) -> list[Case]:
    return [Case(load, rpm, design) for design in designs]


BOTH: Final = (FORMER, counting_hidden(FORMER), SHIPPED, counting_hidden(SHIPPED))
#: Those that the tests simulate too: seconds each.
SMALL: Final = (
    *_with((FORMER, SHIPPED, counting_hidden(SHIPPED), LANES, FOUR_READY), "300 jobs", 60),
    *_with((FORMER, SHIPPED, READY), "100 jobs", 6),
    Case("300 jobs, a minute of 429s", 60, seeds=(1, 2, 3, 4, 5)),
    *_with((FORMER, SHIPPED), "trickle 50%", 60),
    *_with((FORMER, SHIPPED), "trickle 10%", 60),
)
LARGE: Final = (
    *_with((*BOTH, LANES, READY), "1,000 jobs", 60),
    *_with((FORMER, SHIPPED, READY), "1,000 jobs", 6),
    *_with((FORMER, SHIPPED), "5,000 jobs", 600),
    *_with((SHIPPED,), "10,000 jobs", 60),
    *_with((SHIPPED, READY), "trickle 1%", 60),
    *_with((FORMER, SHIPPED, READY), "trickle 50%", 6),
)


def main() -> None:
    """Print or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the large cases too")
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    options = parser.parse_args()
    tables = {"small": SMALL} | ({"large": LARGE} if options.large else {})
    printed = dict[str, str]()
    for name, cases in tables.items():
        rows = list[str]()
        for case in cases:
            rows.append(case.row())
            sys.stderr.write(f"{rows[-1]}\n")
        printed[name] = table(HEAD, rows)
    if options.write:
        PAGE.write_text(printed_tables(PAGE.read_text(), printed))
    else:
        sys.stdout.write("\n".join(printed.values()))


if __name__ == "__main__":
    main()
