"""Keep the ledger of one quota pool: its pace and its circuits, changed by `acquire` and `report`.

A caller that acquires gets a reservation (call at that time), is postponed (come back later, with a
ticket), or finds a circuit open (try another deployment, or wait). After a call it reports the
result. The ledger keeps alarms for operators until they are marked as sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, Field

from .adaptive_rate import Quota
from .circuit_breaker import (
    FAILURES_TO_OPEN,
    FIRST_INTERVAL,
    LAST_CALL_WAIT,
    MOST_UNANSWERED,
    PROVEN_FOR,
    CallFeedback,
    Circuit,
    FailureStreak,
    Reason,
    apply_failure,
    end_unclear_probe,
    is_closed_by,
    open_until,
    start_probe,
)
from .pacing import (
    DEFAULT_SHARE,
    CallTime,
    Pace,
    Postponed,
    Share,
    Ticket,
    apply_successes,
    apply_throttle,
    find_next_call,
    give_tickets,
    is_still_valid,
    reserve,
    start_pace,
)

#: A probe's lease ends this long after the call it was made for must have ended.
LEASE_MARGIN: Final = timedelta(seconds=30)
#: The circuit of a whole pool; those of deployments are kept under their names.
WHOLE_POOL: Final = ""


@dataclass(frozen=True, slots=True)
class AcquireRequest:
    """A request to call a deployment."""

    pool: str
    deployment: str
    quota: Quota
    #: The longest time the call may take.
    limit: timedelta
    #: Whose call it is.
    share: Share = DEFAULT_SHARE
    #: The ticket of the message; a ticket of another pool is ignored.
    ticket: Ticket | None = None
    #: Grant a call time now or change nothing: a caller that tries several pools takes no ticket.
    only_now: bool = False
    #: The task may not call again if the outcome is unknown.
    is_last_call: bool = False


@dataclass(frozen=True, slots=True)
class Reservation:
    """A granted time to call one deployment."""

    pool: str
    deployment: str
    call_time: CallTime
    #: Set when this call is a probe: its result opens or closes a circuit.
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class CircuitOpen:
    """A circuit is open: try again after `delay`, or another pool now. Nothing was reserved."""

    pool: str
    deployment: str
    reason: Reason
    message: str
    delay: timedelta


type AcquireResult = Reservation | Postponed | CircuitOpen


class Alarm(BaseModel, frozen=True, extra="allow"):
    """A circuit that opened or closed, to be reported to operators once."""

    kind: Literal["opened", "closed"]
    pool: str
    #: None: the whole pool.
    deployment: str | None
    reason: Reason
    #: The message of the service.
    message: str
    opened_at: datetime
    #: When it opened or closed.
    time: datetime

    def __str__(self) -> str:
        whose = f"pool={self.pool} deployment={self.deployment or 'all'}"
        return f"circuit {self.kind} {whose} reason={self.reason} opened_at={self.opened_at:%FT%TZ}"


class Ledger(BaseModel, frozen=True, extra="allow"):
    """The stored state of a pool."""

    version: Literal[1] = 1
    pace: Pace
    circuits: dict[str, Circuit] = Field(default_factory=dict)
    #: By deployment, until a call is answered.
    streaks: dict[str, FailureStreak] = Field(default_factory=dict)
    #: When an accepted call at full rate was known last, and the calls granted since.
    answered_at: AwareDatetime | None = Field(default=None, exclude_if=lambda at: at is None)
    unanswered: int = Field(default=0, ge=0, exclude_if=lambda count: count == 0)
    #: Alarms that were not sent yet.
    owed: tuple[Alarm, ...] = ()


def acquire(
    ledger: Ledger | None,
    request: AcquireRequest,
    *,
    now: datetime,
    token: str,
    accepted: Sequence[datetime] = (),
) -> tuple[Ledger, AcquireResult]:
    """Grant a reservation, postpone the caller, or report an open circuit.

    `token` identifies the call if it becomes a probe. `accepted` has the times of calls
    `at_full_rate` that were accepted since the last change.
    """
    ledger = ledger or Ledger(pace=start_pace(request.quota, now=now))
    ledger = _apply_accepted(ledger, request.quota, accepted, now=now)
    pace = ledger.pace
    if circuit_open := _find_open_circuit(ledger, request, now):
        return ledger, circuit_open
    ticket = request.ticket
    pace, answer = reserve(
        pace,
        now=now,
        quota=request.quota,
        share=request.share,
        ticket=ticket if ticket and ticket.pool == request.pool else None,
    )
    moved = ledger.model_copy(update={"pace": pace})
    named = answer.ticket.model_copy(update={"pool": request.pool})
    answer = answer.model_copy(update={"ticket": named})
    if isinstance(answer, Postponed):
        return ledger if request.only_now else moved, answer
    moved = moved.model_copy(update={"unanswered": moved.unanswered + 1})
    moved, probe = _start_probes(moved, request, answer, token=token, now=now)
    return moved, Reservation(request.pool, request.deployment, answer, probe)


def _apply_accepted(
    ledger: Ledger, quota: Quota, called_at: Sequence[datetime], *, now: datetime
) -> Ledger:
    """Return the ledger after calls at full rate were accepted."""
    changes: dict[str, object] = {"answered_at": now, "unanswered": 0} if called_at else {}
    pace = apply_successes(ledger.pace, quota=quota, called_at=called_at)
    return ledger.model_copy(update={"pace": pace, **changes})


def is_answering(ledger: Ledger | None, *, now: datetime) -> bool:
    """Return whether a pool in full use has answered lately, and no failure is known."""
    return bool(
        ledger
        and not ledger.streaks
        and ledger.answered_at
        and now - ledger.answered_at < PROVEN_FOR
        and ledger.unanswered <= MOST_UNANSWERED
    )


def take_tickets(
    ledger: Ledger | None,
    count: int,
    *,
    pool: str,
    quota: Quota,
    share: Share,
    now: datetime,
) -> tuple[Ledger, tuple[Ticket, ...]]:
    """Give places in the line to calls of jobs that are being accepted."""
    ledger = ledger or Ledger(pace=start_pace(quota, now=now))
    pace, tickets = give_tickets(ledger.pace, count, now=now, quota=quota, share=share)
    named = tuple(ticket.model_copy(update={"pool": pool}) for ticket in tickets)
    return ledger.model_copy(update={"pace": pace}), named


def expect_call(
    ledger: Ledger | None, deployment: str, *, quota: Quota, now: datetime
) -> datetime | None:
    """Return when a new caller would call a deployment; None while a circuit is open."""
    if ledger is None:
        return now
    circuits = (ledger.circuits.get(name) for name in (WHOLE_POOL, deployment))
    if any(open_until(circuit, now=now) for circuit in circuits if circuit):
        return None
    return find_next_call(ledger.pace, now=now, quota=quota)


def probe_now(ledger: Ledger, *, now: datetime) -> Ledger:
    """Let the next call be the probe of every open circuit; a probe in progress goes on."""
    circuits = {
        name: circuit.model_copy(update={"probe_at": min(circuit.probe_at, now)})
        for name, circuit in ledger.circuits.items()
    }
    return ledger.model_copy(update={"circuits": circuits})


def report(
    ledger: Ledger, reservation: Reservation, feedback: CallFeedback, *, now: datetime
) -> Ledger:
    """Update pace and circuits by the result of a call."""
    call_time = reservation.call_time
    if feedback.kind == "accepted" and call_time.at_full_rate:
        quota = Quota(ledger.pace.rate.configured)
        ledger = _apply_accepted(ledger, quota, [call_time.at], now=now)
    if feedback.kind == "throttled":
        after = feedback.retry_after
        pace = apply_throttle(
            ledger.pace,
            now=now,
            call_time=call_time,
            retry_after=None if after is None else timedelta(seconds=after),
        )
        ledger = ledger.model_copy(update={"pace": pace})
    ledger = _count_failures(ledger, reservation.deployment, feedback, now)
    streak = ledger.streaks.get(reservation.deployment)
    opens = streak is None or streak.count >= FAILURES_TO_OPEN or bool(reservation.probe)
    failed = WHOLE_POOL if feedback.kind == "blocked" else reservation.deployment
    for name in (WHOLE_POOL, reservation.deployment):
        if (reason := feedback.reason) and name == failed and opens:
            ledger = _open_circuit(ledger, reservation, name, reason, feedback.message, now)
        elif circuit := ledger.circuits.get(name):
            ledger = _close_circuit(ledger, reservation, name, circuit, feedback, now)
    return ledger


def is_usable(ledger: Ledger, reservation: Reservation) -> bool:
    """Return whether a reservation still holds: since then, no 429 came and no circuit opened."""
    names = () if reservation.probe else (WHOLE_POOL, reservation.deployment)
    is_open = any(name in ledger.circuits for name in names)
    return not is_open and is_still_valid(ledger.pace, reservation.call_time)


def has_trouble(ledger: Ledger | None, deployment: str) -> bool:
    """Return whether an accepted call changes more than the rate, or others wait for an answer."""
    if ledger is None:
        return False
    known = {**ledger.circuits, **ledger.streaks}
    return bool({WHOLE_POOL, deployment} & known.keys()) or (
        ledger.unanswered > MOST_UNANSWERED // 2
    )


def mark_sent(ledger: Ledger, alarms: Sequence[Alarm]) -> Ledger:
    """Remove alarms that were sent."""
    return ledger.model_copy(
        update={"owed": tuple(alarm for alarm in ledger.owed if alarm not in alarms)}
    )


def _find_open_circuit(
    ledger: Ledger, request: AcquireRequest, now: datetime
) -> CircuitOpen | None:
    for name in (WHOLE_POOL, request.deployment):
        circuit = ledger.circuits.get(name)
        if circuit and (until := open_until(circuit, now=now)):
            return CircuitOpen(
                request.pool, request.deployment, circuit.reason, circuit.message, until - now
            )
    streak = ledger.streaks.get(request.deployment)
    left = streak.last_at + LAST_CALL_WAIT - now if streak else timedelta()
    if streak and request.is_last_call and left > timedelta():
        delay = min(left, FIRST_INTERVAL)  # another task's call may succeed sooner
        return CircuitOpen(request.pool, request.deployment, "unavailable", streak.message, delay)
    return None


def _count_failures(
    ledger: Ledger, deployment: str, feedback: CallFeedback, now: datetime
) -> Ledger:
    """Count a failure of the service, or end the streak when it has answered."""
    streaks = dict(ledger.streaks)
    if feedback.kind == "nothing":
        return ledger
    before = streaks.pop(deployment, None)
    if feedback.kind == "unavailable":
        count = before.count + 1 if before else 1
        streaks[deployment] = FailureStreak(count=count, last_at=now, message=feedback.message)
    return ledger.model_copy(update={"streaks": streaks})


def _start_probes(
    ledger: Ledger, request: AcquireRequest, call_time: CallTime, *, token: str, now: datetime
) -> tuple[Ledger, str | None]:
    """Make the call the probe of each circuit that is open."""
    lease = call_time.wait + request.limit + LEASE_MARGIN
    probed = {
        name: start_probe(circuit, token=token, now=now, lease=lease)
        for name in (WHOLE_POOL, request.deployment)
        if (circuit := ledger.circuits.get(name))
    }
    if not probed:
        return ledger, None
    return ledger.model_copy(update={"circuits": {**ledger.circuits, **probed}}), token


def _open_circuit(
    ledger: Ledger, reservation: Reservation, name: str, reason: Reason, message: str, now: datetime
) -> Ledger:
    circuit, opened = apply_failure(
        ledger.circuits.get(name), reason=reason, message=message, token=reservation.probe, now=now
    )
    ledger = ledger.model_copy(update={"circuits": {**ledger.circuits, name: circuit}})
    return _add_alarm(ledger, "opened", reservation, name, circuit, now) if opened else ledger


def _close_circuit(
    ledger: Ledger,
    reservation: Reservation,
    name: str,
    circuit: Circuit,
    feedback: CallFeedback,
    now: datetime,
) -> Ledger:
    """Close a circuit, or end its probe without a result.

    An accepted or throttled call shows that the problem is over. A problem of a deployment says
    nothing about the pool, and a blocked pool says nothing about a deployment.
    """
    others = {each: known for each, known in ledger.circuits.items() if each != name}
    if feedback.kind in {"accepted", "throttled"} and is_closed_by(
        circuit, token=reservation.probe, called_at=reservation.call_time.at
    ):
        ledger = ledger.model_copy(update={"circuits": others})
        return _add_alarm(ledger, "closed", reservation, name, circuit, now)
    circuit = end_unclear_probe(circuit, token=reservation.probe, now=now)
    return ledger.model_copy(update={"circuits": {**others, name: circuit}})


def _add_alarm(
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
