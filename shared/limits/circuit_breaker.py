"""Stop calls to a blocked pool or a misconfigured deployment, and probe it until it works.

    closed ──a call is answered 403 blocked, 401 or 404──▶ open ──its time has come──▶ half-open
       ▲                                                    ▲                             │
       └──── the probe is accepted ───────                  └── the probe fails: longer ──┘

Half-open allows one call, the probe, with a lease: if its host dies, another probe may start when
the lease ends. Opening and closing are each reported once. A closed circuit is not stored.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, Field

from ..images_api.outcomes import MEANINGS, FeedbackKind, Outcome, OutcomeKind

type Reason = Literal["blocked", "misconfigured"]

#: Time to the first probe, and the longest between two.
FIRST_INTERVAL: Final = timedelta(seconds=30)
LONGEST_INTERVAL: Final = timedelta(minutes=15)
_MOST_DOUBLINGS: Final = 16


class Circuit(BaseModel, frozen=True, extra="ignore"):
    """A circuit that is not closed."""

    reason: Reason
    #: The message of the service.
    message: str
    opened_at: datetime
    #: When a probe may start.
    probe_at: datetime
    #: Probes that failed.
    failures: int = Field(default=0, ge=0)
    #: The token of the current probe, and the end of its lease.
    probe: str | None = None
    probe_ends_at: datetime | None = None

    @property
    def interval(self) -> timedelta:
        """Time from a failed probe to the next."""
        doublings = min(self.failures, _MOST_DOUBLINGS)
        return min(FIRST_INTERVAL * (1 << doublings), LONGEST_INTERVAL)


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
        return self.kind if self.kind in {"blocked", "misconfigured"} else None


#: The feedback of a reservation that was not used.
NOTHING: Final = CallFeedback("nothing")


def feedback_of(outcome: Outcome, *, before: str | None = None) -> CallFeedback:
    """Return what an outcome means for the pool; `before` is the task's last error code.

    A first 401 can be an expired token, and the next call has a new one. Only the second 401 in a
    row is a problem of the deployment.
    """
    if outcome.kind is OutcomeKind.UNAUTHORISED and before != outcome.code:
        return NOTHING
    return CallFeedback(MEANINGS[outcome.kind].feedback, outcome.message, outcome.retry_after)
