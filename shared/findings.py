"""What a call says of its quota pool and its deployment."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from .circuits import Reason
from .outcomes import Outcome, OutcomeKind

type FindingKind = Literal["accepted", "throttled", "blocked", "misconfigured", "nothing"]

#: A prompt that was refused was accepted by the counter. What never left, or whose reply was lost,
#: says nothing.
_KINDS: Final[Mapping[OutcomeKind, FindingKind]] = MappingProxyType(
    {
        OutcomeKind.DONE: "accepted",
        OutcomeKind.NO_IMAGE: "accepted",
        OutcomeKind.REFUSED: "accepted",
        OutcomeKind.INVALID: "accepted",
        OutcomeKind.THROTTLED: "throttled",
        OutcomeKind.BLOCKED: "blocked",
        OutcomeKind.UNAUTHORISED: "misconfigured",
        OutcomeKind.MISCONFIGURED: "misconfigured",
        OutcomeKind.NOT_SENT: "nothing",
        OutcomeKind.UNKNOWN: "nothing",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """What is found; seconds in `retry_after`."""

    kind: FindingKind
    message: str = ""
    retry_after: float | None = None

    @property
    def reason(self) -> Reason | None:
        """Why a circuit must open, if one must."""
        return self.kind if self.kind in {"blocked", "misconfigured"} else None


#: A permit that was not used.
NOTHING: Final = Finding("nothing")


def finding_of(outcome: Outcome, *, before: str | None = None) -> Finding:
    """Return what an outcome says of the pool; `before` is the code of the task's last refusal.

    A first 401 is a token that went stale, and the next call has a new one. Only the second says
    that something is wrong.
    """
    if outcome.kind is OutcomeKind.UNAUTHORISED and before != outcome.code:
        return NOTHING
    return Finding(_KINDS[outcome.kind], outcome.message, outcome.retry_after)
