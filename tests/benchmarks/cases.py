"""Which loads are measured, how often, and by which ways: what fits into ten minutes."""

from dataclasses import dataclass
from typing import Final, Literal

type WayName = Literal["ours", "copy", "least", "obvious", "openai"]

WAYS: Final[tuple[WayName, ...]] = ("ours", "copy", "least", "obvious", "openai")
#: The two that hold whole replies. 24 of four large pictures take 11 GB and a minute: of the two,
#: one is shown more than this at once, megabytes.
WHOLE: Final[tuple[WayName, ...]] = ("obvious", "openai")
_MOST_OF_BOTH: Final = 600

#: Paced replies arrive at 40 MB/s each, and storage answers after 10 ms.
RATE: Final = 40_000_000
LATENCY_MS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Case:
    """One load. A job is one reply of `pictures` pictures of `megabytes` MB each."""

    pictures: int
    megabytes: float
    in_flight: int
    jobs: int
    paced: bool
    #: Rounds of ours and of the copy, of the 3 of a full run.
    rounds: int = 3
    #: Rounds of the ways that hold whole replies.
    rounds_whole: int = 0
    #: Rounds of the least there can be: what it is about is CPU, of a worker that is not held up.
    rounds_least: int = 0
    #: Time the single steps of the event loop, which costs some CPU itself.
    steps: bool = False

    @property
    def reply(self) -> str:
        """What one reply holds, for people."""
        return f"{self.pictures} × {self.megabytes:g} MB"  # noqa: RUF001 (a sign of multiplication)

    def rounds_of(self, way: WayName) -> int:
        """How often a way is measured."""
        if way == "least":
            return self.rounds_least
        if way == "openai" and self.in_flight * self.pictures * self.megabytes > _MOST_OF_BOTH:
            return 0
        return self.rounds_whole if way in WHOLE else self.rounds


#: Pictures and megabytes of each. The last one tells about growth alone: one at a time is enough.
_REPLIES: Final = ((1, 2), (1, 25), (4, 25), (10, 8))


def _cases(in_flight: int, *, paced: bool, rounds: int, whole: tuple[int, ...]) -> list[Case]:
    jobs: dict[int, tuple[int, ...]] = {1: (40, 8, 4, 4), 8: (64, 16, 8), 24: (120, 24, 24)}
    if paced:
        jobs = {1: (8, 2, 1, 1), 8: (64, 16, 8)}
    least = 0 if paced else rounds
    return [
        Case(
            *(n, mb, in_flight, count, paced),
            rounds=rounds,
            rounds_whole=often,
            rounds_least=least,
        )
        for (n, mb), count, often in zip(_REPLIES, jobs[in_flight], whole, strict=False)
    ]


CASES: Final = (
    *_cases(1, paced=False, rounds=3, whole=(1, 1, 1, 0)),
    *_cases(8, paced=False, rounds=2, whole=(1, 1, 1)),
    *_cases(24, paced=False, rounds=1, whole=(1, 0, 1)),
    *_cases(1, paced=True, rounds=2, whole=(1, 1, 0, 0)),
    *_cases(8, paced=True, rounds=1, whole=(0, 0, 0)),
)
#: As many jobs a second as there can be: small pictures, an endpoint that answers at once.
SMALL_JOBS: Final = Case(
    1, 0.05, in_flight=24, jobs=2_000, paced=False, rounds=1, rounds_whole=1, rounds_least=1
)
#: Only ours: does it hold with 64, does it creep over 200 jobs, how long are the loop's steps?
SIXTY_FOUR: Final = Case(4, 25, in_flight=64, jobs=64, paced=False, rounds=1)
CREEP: Final = Case(1, 8, in_flight=8, jobs=200, paced=False, rounds=1)
STEPS: Final = Case(4, 25, in_flight=8, jobs=16, paced=True, rounds=1, steps=True)
ALONE: Final = (SIXTY_FOUR, CREEP, STEPS)
#: An instance of 512 MB leaves the worker about so much: the host takes the rest.
SMALL_INSTANCE_MB: Final = 300
