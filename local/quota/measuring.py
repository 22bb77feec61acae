"""What became of a run, from the endpoint's own ledger. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

#: Left out at the start: the service's bucket is full then, and gives more than the quota.
WARM_UP_SECONDS: Final = 12.0
#: Left out at the end: the part of the jobs that come when there is hardly a backlog any more.
TAIL: Final = 0.08


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of calling, measured."""

    who: str
    jobs: int
    done: int
    #: Part of the quota that was used while there was a backlog.
    share: float
    #: Calls answered 429, per job done.
    refused: float
    jobs_a_minute: float
    #: Times that a message was taken off the queue, per job.
    dequeues: float
    poisoned: int = 0


def measured(
    who: str,
    ledger: Mapping[str, Any],
    *,
    jobs: int,
    rpm: float,
    seconds: float,
    dequeues: int,
    poisoned: int = 0,
) -> Measured:
    """Return what the ledger of a run of so many seconds says; each call of it makes one job."""
    made = sorted(datetime.fromisoformat(entry["at"]).timestamp() for entry in ledger["entries"])
    refused = sum(n for name, n in ledger["outcomes"].items() if name.startswith("429"))
    return Measured(
        who=who,
        jobs=jobs,
        done=len(made),
        share=_share(made, rpm),
        refused=refused / max(len(made), 1),
        jobs_a_minute=60 * len(made) / seconds,
        dequeues=dequeues / jobs,
        poisoned=poisoned,
    )


def _share(made: Sequence[float], rpm: float) -> float:
    """Return the calls made in the steady part, by those that the quota allows in that time."""
    kept = [at for at in made if at >= made[0] + WARM_UP_SECONDS]
    kept = kept[: len(kept) - int(TAIL * len(made))]
    if len(kept) < 2:  # noqa: PLR2004 (no time lies between fewer)
        return 0.0
    return (len(kept) - 1) / (rpm / 60 * (kept[-1] - kept[0]))
