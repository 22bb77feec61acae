"""One quota pool's ledger: its pace and its circuits, changed by two pure steps, `ask` and `tell`.

Who asks gets one of three answers: a turn (call at that moment), postponed (come back, with a
place in the plan), or held (the pool is blocked or the deployment wrong: go elsewhere or wait).
Who had a turn tells what came of it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .circuits import Circuit, Reason, failed, healed, held_until, probing, undecided
from .outcomes import Outcome, OutcomeKind
from .pacing import (
    Appointment,
    Pace,
    Postponed,
    Priority,
    Turn,
    begun,
    reserve,
    succeeded,
    throttled,
)
from .tempo import Quota

#: A probe's lease ends this long after the call it was made for must have ended.
LEASE_MARGIN: Final = timedelta(seconds=30)
#: The circuit of a whole pool; those of deployments are kept under their names.
WHOLE_POOL: Final = ""


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody wants to call a deployment."""

    pool: str
    deployment: str
    quota: Quota
    #: The longest the call may take.
    limit: timedelta
    priority: Priority = "normal"
    #: How much of the quota it uses.
    weight: float = 1.0
    #: What the message carries; one of another pool means nothing here.
    appointment: Appointment | None = None


@dataclass(frozen=True, slots=True)
class Permit:
    """A turn at one deployment."""

    pool: str
    deployment: str
    turn: Turn
    #: Set when this call is a probe: what comes of it decides over a circuit.
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """A circuit is open: ask again at `until`, or elsewhere now. Nothing was reserved."""

    reason: Reason
    message: str
    until: datetime
    delay: timedelta


type Answer = Permit | Postponed | Held


@dataclass(frozen=True, slots=True)
class Finding:
    """What a call says of its pool and deployment; seconds in `retry_after`."""

    kind: Literal["accepted", "throttled", "blocked", "misconfigured", "nothing"]
    message: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something an operator must see, once: a circuit opened, or closed again."""

    kind: Literal["circuit_opened", "circuit_closed"]
    pool: str
    #: None: the whole pool.
    deployment: str | None
    reason: Reason
    message: str
    opened_at: datetime


class Ledger(BaseModel):
    """What is stored of a pool."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    pace: Pace
    circuits: dict[str, Circuit] = Field(default_factory=dict)


_FINDINGS: Final = {
    OutcomeKind.DONE: "accepted",
    OutcomeKind.NO_IMAGE: "accepted",
    OutcomeKind.REFUSED: "accepted",
    OutcomeKind.INVALID: "accepted",
    OutcomeKind.THROTTLED: "throttled",
    OutcomeKind.BLOCKED: "blocked",
    OutcomeKind.UNAUTHORISED: "misconfigured",
    OutcomeKind.MISCONFIGURED: "misconfigured",
}
_REASONS: Final[dict[str, tuple[Reason, bool]]] = {
    "blocked": ("blocked", True),
    "misconfigured": ("misconfigured", False),
}


def finding_of(outcome: Outcome) -> Finding:
    """Return what an outcome says of the pool: a refused prompt was accepted by the counter."""
    kind = _FINDINGS.get(outcome.kind, "nothing")
    return Finding(kind, outcome.message, outcome.retry_after)  # type: ignore[arg-type]  # a dict


def ask(
    ledger: Ledger | None,
    question: Ask,
    *,
    now: datetime,
    token: str,
    accepted: tuple[datetime, ...] = (),
) -> tuple[Ledger, Answer]:
    """Answer who wants to call; `token` names the call should it become a probe.

    `accepted` are the turns, `pressed` ones, of calls accepted since the last step.
    """
    ledger = ledger or Ledger(pace=begun(question.quota, now=now))
    pace = succeeded(ledger.pace, quota=question.quota, called_at=accepted)
    if held := _held(ledger, question, now):
        return ledger.model_copy(update={"pace": pace}), held
    place = question.appointment
    pace, answer = reserve(
        pace,
        now=now,
        quota=question.quota,
        priority=question.priority,
        weight=question.weight,
        appointment=place if place and place.pool == question.pool else None,
    )
    named = answer.appointment.model_copy(update={"pool": question.pool})
    answer = answer.model_copy(update={"appointment": named})
    ledger = ledger.model_copy(update={"pace": pace})
    if isinstance(answer, Postponed):
        return ledger, answer
    lease = answer.wait + question.limit + LEASE_MARGIN
    probed = {
        name: probing(circuit, token=token, now=now, lease=lease)
        for name in (WHOLE_POOL, question.deployment)
        if (circuit := ledger.circuits.get(name))
    }
    if probed:
        ledger = ledger.model_copy(update={"circuits": {**ledger.circuits, **probed}})
    return ledger, Permit(question.pool, question.deployment, answer, token if probed else None)


def tell(
    ledger: Ledger, permit: Permit, finding: Finding, *, now: datetime
) -> tuple[Ledger, tuple[Alarm, ...]]:
    """Take in what came of a call; the alarms are the caller's to raise if its write stands."""
    circuits = dict(ledger.circuits)
    pace = ledger.pace
    alarms: list[Alarm] = []
    if finding.kind == "throttled":
        after = finding.retry_after
        pace = throttled(
            pace,
            now=now,
            turn=permit.turn,
            retry_after=None if after is None else timedelta(seconds=after),
        )
    reason, whole = _REASONS.get(finding.kind, (None, False))
    if reason:
        name = WHOLE_POOL if whole else permit.deployment
        circuit, opened = failed(
            circuits.get(name), reason=reason, message=finding.message, token=permit.probe, now=now
        )
        circuits[name] = circuit
        alarms += [_alarm("circuit_opened", permit, name, circuit)] if opened else []
    for name in (WHOLE_POOL, permit.deployment):
        known = ledger.circuits.get(name)
        if known is None or circuits[name] != known:
            continue
        # An answer of the service that is not this circuit's trouble says that the trouble is over;
        # but one deployment's trouble says nothing of the pool's, nor a block of a deployment's.
        if finding.kind in {"accepted", "throttled"} and healed(
            known, token=permit.probe, called_at=permit.turn.at
        ):
            del circuits[name]
            alarms.append(_alarm("circuit_closed", permit, name, known))
        else:
            circuits[name] = undecided(known, token=permit.probe, now=now)
    return ledger.model_copy(update={"pace": pace, "circuits": circuits}), tuple(alarms)


def _held(ledger: Ledger, question: Ask, now: datetime) -> Held | None:
    for name in (WHOLE_POOL, question.deployment):
        circuit = ledger.circuits.get(name)
        if circuit and (until := held_until(circuit, now=now)):
            return Held(circuit.reason, circuit.message, until, until - now)
    return None


def _alarm(
    kind: Literal["circuit_opened", "circuit_closed"], permit: Permit, name: str, circuit: Circuit
) -> Alarm:
    return Alarm(
        kind=kind,
        pool=permit.pool,
        deployment=name or None,
        reason=circuit.reason,
        message=circuit.message,
        opened_at=circuit.opened_at,
    )
