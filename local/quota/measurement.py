"""Quota use, throttling and speed of a run, computed from the endpoint's ledger. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

#: Ignored at the start: a full bucket gives more than the quota.
WARM_UP_SECONDS: Final = 12.0
#: Share of the jobs ignored at the end, when the backlog is nearly empty.
TAIL: Final = 0.08


@dataclass(frozen=True, slots=True)
class Measurement:
    """The figures of one run."""

    name: str
    jobs: int
    done: int
    #: Share of the quota used while there was a backlog.
    share: float
    #: Calls answered 429, per job done.
    throttled: float
    jobs_a_minute: float
    #: Deliveries of queue messages, per job.
    dequeues: float
    poisoned: int = 0


def measure(
    name: str,
    ledger: Mapping[str, Any],
    *,
    jobs: int,
    rpm: float,
    seconds: float,
    dequeues: int,
    poisoned: int = 0,
) -> Measurement:
    """Return the figures of a run of `seconds` seconds in which each call makes one job."""
    made = sorted(datetime.fromisoformat(entry["at"]).timestamp() for entry in ledger["entries"])
    throttled = sum(n for name, n in ledger["outcomes"].items() if name.startswith("429"))
    return Measurement(
        name=name,
        jobs=jobs,
        done=len(made),
        share=_share(made, rpm),
        throttled=throttled / max(len(made), 1),
        jobs_a_minute=60 * len(made) / seconds,
        dequeues=dequeues / jobs,
        poisoned=poisoned,
    )


def _share(made: Sequence[float], rpm: float) -> float:
    """Return calls made in the steady part, divided by the calls that the quota allows."""
    kept = [at for at in made if at >= made[0] + WARM_UP_SECONDS]
    kept = kept[: len(kept) - int(TAIL * len(made))]
    if len(kept) < 2:  # noqa: PLR2004 (a rate needs two)
        return 0.0
    return (len(kept) - 1) / (rpm / 60 * (kept[-1] - kept[0]))
