"""One quota pool's ledger: its pace and its circuits, changed by `acquire` and `report`.

Who asks gets one of three answers: a permit (call at that moment), postponed (come back, with a
place in the plan), or held (the pool is blocked or the deployment wrong: go elsewhere or wait).
Who had a permit tells what came of it; what operators must hear of that is owed by the ledger
until somebody says that it was told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .adaptive_rate import Quota
from .circuit_breaker import (
    CallFeedback,
    Circuit,
    Reason,
    apply_failure,
    end_unclear_probe,
    is_closed_by,
    open_until,
    start_probe,
)
from .pacing import (
    CallTime,
    Pace,
    Postponed,
    Priority,
    Ticket,
    apply_successes,
    apply_throttle,
    reserve,
    start_pace,
)

#: A probe's lease ends this long after the call it was made for must have ended.
LEASE_MARGIN: Final = timedelta(seconds=30)
#: The circuit of a whole pool; those of deployments are kept under their names.
WHOLE_POOL: Final = ""


@dataclass(frozen=True, slots=True)
class AcquireRequest:
    """Somebody wants to call a deployment."""

    pool: str
    deployment: str
    quota: Quota
    #: The longest the call may take.
    limit: timedelta
    priority: Priority = "normal"
    #: What the message carries; one of another pool means nothing here.
    ticket: Ticket | None = None
    #: A turn now, or nothing: whoever has other pools to ask takes no number in each.
    only_now: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """A turn at one deployment."""

    pool: str
    deployment: str
    turn: CallTime
    #: Set when this call is a probe: what comes of it decides over a circuit.
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class CircuitOpen:
    """A circuit is open: ask again after `delay`, or elsewhere now. Nothing was reserved."""

    pool: str
    deployment: str
    reason: Reason
    message: str
    delay: timedelta


type AcquireResult = Reservation | Postponed | CircuitOpen


class Alarm(BaseModel):
    """Something an operator must see, once: a circuit opened, or closed again."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    kind: Literal["opened", "closed"]
    pool: str
    #: None: the whole pool.
    deployment: str | None
    reason: Reason
    #: What the service said.
    message: str
    opened_at: datetime
    #: When this came to pass.
    time: datetime

    def __str__(self) -> str:
        whose = f"pool={self.pool} deployment={self.deployment or 'all'}"
        return f"circuit {self.kind} {whose} reason={self.reason} opened_at={self.opened_at:%FT%TZ}"


class Ledger(BaseModel):
    """What is stored of a pool."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = 1
    pace: Pace
    circuits: dict[str, Circuit] = Field(default_factory=dict)
    #: Alarms that nobody has yet said to have raised.
    owed: tuple[Alarm, ...] = ()


def acquire(
    ledger: Ledger | None,
    question: AcquireRequest,
    *,
    now: datetime,
    token: str,
    accepted: Sequence[datetime] = (),
) -> tuple[Ledger, AcquireResult]:
    """Answer who wants to call; `token` names the call should it become a probe.

    `accepted` are the turns, `pressed` ones, of calls accepted since the last step.
    """
    ledger = ledger or Ledger(pace=start_pace(question.quota, now=now))
    pace = apply_successes(ledger.pace, quota=question.quota, called_at=tuple(accepted))
    ledger = ledger.model_copy(update={"pace": pace})
    if held := _open_circuit(ledger, question, now):
        return ledger, held
    place = question.ticket
    pace, answer = reserve(
        pace,
        now=now,
        quota=question.quota,
        priority=question.priority,
        ticket=place if place and place.pool == question.pool else None,
    )
    named = answer.ticket.model_copy(update={"pool": question.pool})
    answer = answer.model_copy(update={"ticket": named})
    if isinstance(answer, Postponed):
        return ledger if question.only_now else _paced(ledger, pace), answer
    ledger, probe = _probed(_paced(ledger, pace), question, answer, token=token, now=now)
    return ledger, Reservation(question.pool, question.deployment, answer, probe)


def report(
    ledger: Ledger, reservation: Reservation, finding: CallFeedback, *, now: datetime
) -> Ledger:
    """Take in what came of a call."""
    ledger = _after(ledger, reservation, finding, now)
    name = WHOLE_POOL if finding.kind == "blocked" else reservation.deployment
    for each in (WHOLE_POOL, reservation.deployment):
        if finding.reason and each == name:
            ledger = _failed(ledger, reservation, name, finding, now)
        elif known := ledger.circuits.get(each):
            ledger = _otherwise(ledger, reservation, each, known, finding, now)
    return ledger


def mark_sent(ledger: Ledger, alarms: Sequence[Alarm]) -> Ledger:
    """Note that these alarms were raised."""
    return ledger.model_copy(
        update={"owed": tuple(alarm for alarm in ledger.owed if alarm not in alarms)}
    )


def _paced(ledger: Ledger, pace: Pace) -> Ledger:
    return ledger.model_copy(update={"pace": pace})


def _open_circuit(ledger: Ledger, question: AcquireRequest, now: datetime) -> CircuitOpen | None:
    for name in (WHOLE_POOL, question.deployment):
        circuit = ledger.circuits.get(name)
        if circuit and (until := open_until(circuit, now=now)):
            return CircuitOpen(
                question.pool, question.deployment, circuit.reason, circuit.message, until - now
            )
    return None


def _probed(
    ledger: Ledger, question: AcquireRequest, turn: CallTime, *, token: str, now: datetime
) -> tuple[Ledger, str | None]:
    """Make the call a probe of whatever circuit is open before it."""
    lease = turn.wait + question.limit + LEASE_MARGIN
    probed = {
        name: start_probe(circuit, token=token, now=now, lease=lease)
        for name in (WHOLE_POOL, question.deployment)
        if (circuit := ledger.circuits.get(name))
    }
    if not probed:
        return ledger, None
    return ledger.model_copy(update={"circuits": {**ledger.circuits, **probed}}), token


def _after(
    ledger: Ledger, reservation: Reservation, finding: CallFeedback, now: datetime
) -> Ledger:
    if finding.kind != "throttled":
        return ledger
    after = finding.retry_after
    stop = None if after is None else timedelta(seconds=after)
    return _paced(
        ledger, apply_throttle(ledger.pace, now=now, turn=reservation.turn, retry_after=stop)
    )


def _failed(
    ledger: Ledger, reservation: Reservation, name: str, finding: CallFeedback, now: datetime
) -> Ledger:
    if finding.reason is None:
        return ledger
    circuit, opened = apply_failure(
        ledger.circuits.get(name),
        reason=finding.reason,
        message=finding.message,
        token=reservation.probe,
        now=now,
    )
    ledger = ledger.model_copy(update={"circuits": {**ledger.circuits, name: circuit}})
    return _owing(ledger, "opened", reservation, name, circuit, now) if opened else ledger


def _otherwise(
    ledger: Ledger,
    reservation: Reservation,
    name: str,
    known: Circuit,
    finding: CallFeedback,
    now: datetime,
) -> Ledger:
    """Close a circuit, or leave it to another probe.

    An answer of the service that is not this circuit's trouble says that the trouble is over; but
    one deployment's trouble says nothing of the pool's, nor a block of a deployment's.
    """
    others = {each: circuit for each, circuit in ledger.circuits.items() if each != name}
    if finding.kind in {"accepted", "throttled"} and is_closed_by(
        known, token=reservation.probe, called_at=reservation.turn.at
    ):
        ledger = ledger.model_copy(update={"circuits": others})
        return _owing(ledger, "closed", reservation, name, known, now)
    left = end_unclear_probe(known, token=reservation.probe, now=now)
    return ledger.model_copy(update={"circuits": {**others, name: left}})


def _owing(
    ledger: Ledger,
    kind: Literal["opened", "closed"],
    reservation: Reservation,
    name: str,
    circuit: Circuit,
    now: datetime,
) -> Ledger:
    alarm = Alarm(
        kind=kind,
        pool=reservation.pool,
        deployment=name or None,
        reason=circuit.reason,
        message=circuit.message,
        opened_at=circuit.opened_at,
        time=now,
    )
    return ledger.model_copy(update={"owed": (*ledger.owed, alarm)})
