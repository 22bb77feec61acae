"""Stop calls to what does not work, and probe it until it does.

    closed ──403 blocked, 401, 404, or no service──▶ open ──its time has come──▶ half-open
       ▲                                              ▲                             │
       └──── the probe is accepted ───────            └── the probe fails: longer ──┘

Half-open allows one call, the probe, with a lease: if its host dies, another probe may start when
the lease ends. Opening and closing are each reported once. A closed circuit is not stored.

A service that fails (5xx, reset, silence, no connection) opens the circuit of its deployment after
two failures in a row, since each of these calls may be paid for. So that silence costs little too,
a process has few calls under way before one is accepted (`CallWindow`). A task that may not call
again after an unknown outcome leaves the next calls to other tasks for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, Field

from ..images_api.outcomes import MEANINGS, FeedbackKind, Outcome, OutcomeKind

type Reason = Literal["blocked", "misconfigured", "unavailable"]

#: Time to the first probe, and the longest between two.
FIRST_INTERVAL: Final = timedelta(seconds=30)
LONGEST_INTERVAL: Final = timedelta(minutes=15)
#: Factor of the interval for each probe that failed.
GROWTH: Final = 3
_MOST_GROWTHS: Final = 16
#: Failures of the service in a row that open a circuit.
FAILURES_TO_OPEN: Final = 2
#: How long after a failure the last call of a task is left to others.
LAST_CALL_WAIT: Final = timedelta(minutes=3)
#: Calls that a process may have under way beyond the most that were left when one was accepted, and
#: how long that number counts. A new process so doubles its calls with each round of replies.
CALLS_AHEAD: Final = 2
PROVEN_FOR: Final = timedelta(minutes=10)
#: Calls of all processes that a pool in full use grants beyond the last answer: a new process has
#: proven nothing itself, and takes its part of the calls nevertheless.
MOST_UNANSWERED: Final = 8


class Circuit(BaseModel, frozen=True, extra="allow"):
    """A circuit that is not closed."""

    reason: Reason
    #: The message of the service.
    message: str
    opened_at: AwareDatetime
    #: When a probe may start.
    probe_at: AwareDatetime
    #: Probes that failed.
    failures: int = Field(default=0, ge=0)
    #: The token of the current probe, and the end of its lease.
    probe: str | None = None
    probe_ends_at: AwareDatetime | None = None

    @property
    def interval(self) -> timedelta:
        """Time from a failed probe to the next."""
        growths = min(self.failures, _MOST_GROWTHS)
        return min(FIRST_INTERVAL * int(GROWTH**growths), LONGEST_INTERVAL)


class FailureStreak(BaseModel, frozen=True, extra="allow"):
    """Failures of the service in a row at one deployment."""

    count: int = Field(ge=1)
    last_at: AwareDatetime
    #: Of the last one.
    message: str


@dataclass(slots=True)
class CallWindow:
    """The calls that one process has under way in a pool, and how many it may have.

    While calls are accepted, there may be slightly more than there were. When none is, as in an
    outage by silence, hardly any is added to those that wait for their reply.
    """

    under_way: int = 0
    #: The most other calls under way when one was accepted, lately.
    proven: int = 0
    proven_at: datetime | None = None

    @property
    def has_room(self) -> bool:
        """Tell whether one more call may be made."""
        return self.under_way < self.proven + CALLS_AHEAD

    def note(self, kind: FeedbackKind, *, now: datetime) -> None:
        """Note the result of a call that is still counted."""
        if kind == "unavailable":
            self.proven = 1 - CALLS_AHEAD  # one call at a time, until one is accepted
        elif kind != "nothing":
            others = max(self.under_way - 1, 0)
            is_old = self.proven_at is None or now - self.proven_at > PROVEN_FOR
            if is_old or others >= self.proven:
                self.proven, self.proven_at = others, now


def open_until(circuit: Circuit, *, now: datetime) -> datetime | None:
    """Return when to try again; None if the caller may be the probe.

    While a probe runs, that is soon, because all waiting callers depend on its result.
    """
    if circuit.probe_ends_at and now < circuit.probe_ends_at:
        return min(circuit.probe_ends_at, now + FIRST_INTERVAL)
    return circuit.probe_at if now < circuit.probe_at else None


def start_probe(circuit: Circuit, *, token: str, now: datetime, lease: timedelta) -> Circuit:
    """Start a probe; `lease` is the longest time the call can take, waiting included."""
    if until := open_until(circuit, now=now):
        raise ValueError(f"no probe may start before {until.isoformat()}")
    return circuit.model_copy(update={"probe": token, "probe_ends_at": now + lease})


def apply_failure(
    circuit: Circuit | None, *, reason: Reason, message: str, token: str | None, now: datetime
) -> tuple[Circuit, bool]:
    """Return the circuit after a failed call, and whether this call opened it.

    Calls that were running when it opened change nothing: they are not probes.
    """
    if circuit is None:
        first = now + FIRST_INTERVAL
        return Circuit(reason=reason, message=message, opened_at=now, probe_at=first), True
    if not _is_probe(circuit, token):
        return circuit, False
    changes = {"reason": reason, "message": message, "failures": circuit.failures + 1}
    failed = circuit.model_copy(update=changes)
    return end_unclear_probe(failed, token=token, now=now), False


def is_closed_by(circuit: Circuit, *, token: str | None, called_at: datetime) -> bool:
    """Return whether an accepted call closes the circuit: the probe, or a later call."""
    return _is_probe(circuit, token) or called_at > circuit.opened_at


def end_unclear_probe(circuit: Circuit, *, token: str | None, now: datetime) -> Circuit:
    """Return the circuit after a probe without a clear result; the next one comes later."""
    if not _is_probe(circuit, token):
        return circuit
    return circuit.model_copy(
        update={"probe": None, "probe_ends_at": None, "probe_at": now + circuit.interval}
    )


def _is_probe(circuit: Circuit, token: str | None) -> bool:
    return token is not None and token == circuit.probe


@dataclass(frozen=True, slots=True)
class CallFeedback:
    """What the result of a call means for pool and deployment; `retry_after` in seconds."""

    kind: FeedbackKind
    message: str = ""
    retry_after: float | None = None

    @property
    def reason(self) -> Reason | None:
        """The reason to open a circuit, if there is one."""
        return self.kind if self.kind in {"blocked", "misconfigured", "unavailable"} else None


#: The feedback of a reservation that was not used.
NOTHING: Final = CallFeedback("nothing")


def feedback_of(outcome: Outcome, *, before: str | None = None) -> CallFeedback:
    """Return what an outcome means for the pool; `before` is the task's last error code.

    A first 401 can be an expired token, and the next call has a new one. Only the second 401 in a
    row is a problem of the deployment.
    """
    if outcome.service_failed:
        return CallFeedback("unavailable", outcome.message)
    if outcome.kind is OutcomeKind.UNAUTHORISED and before != outcome.code:
        return NOTHING
    return CallFeedback(MEANINGS[outcome.kind].feedback, outcome.message, outcome.retry_after)
