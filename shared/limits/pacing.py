"""Decide who may call a quota pool when, from one small state that all hosts share.

The state is a line of numbered tickets. `calling` is the number that may call at `free_at`.
Both advance with every call, and also while nobody calls: by one number for each 1/rate of time.

* A caller without a ticket gets a *call time* if nobody waits before it and it is at most 5 s
  away. Otherwise it gets a *ticket*, and comes back shortly before its number is due.
* A caller whose number is due goes before callers without a ticket.
* Only numbers are stored, not times. A 429 that stops the line, or a new rate, moves everybody who
  waits and keeps their order.
* A number passes if its holder does not come back (a crashed host, a cancelled job). Numbers that
  passed while no caller came at all (every host was down) are called again (`lapsed`).

Spacing is exact. A burst is allowed only above 2 calls a second, for half a second: quotas are
enforced in slices of 1 or 10 s, so at a lower rate a slice has only one call.
"""

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import AwareDatetime, BaseModel, Field, FiniteFloat

from .adaptive_rate import AdaptiveRate, Quota, apply_quota, lower_rate, raise_rate

type Priority = Literal["normal", "low"]


class Pace(BaseModel, frozen=True, extra="allow"):
    """The line of a pool."""

    #: When this line was started: tickets of an earlier line are not valid.
    epoch: AwareDatetime
    rate: AdaptiveRate
    #: The next free call time, and the number that it belongs to.
    free_at: AwareDatetime
    calling: FiniteFloat = 0.0
    #: The next number to give away, to normal and to low priority.
    promised: FiniteFloat = 0.0
    promised_low: FiniteFloat = 0.0
    #: No call before this time, because of the last 429. And the number of such stops: a call time
    #: granted before the last stop is not valid.
    stopped_until: AwareDatetime | None = None
    stops: int = 0
    #: How many promised numbers passed while no caller came.
    lapsed: FiniteFloat = 0.0


class Ticket(BaseModel, frozen=True, extra="allow"):
    """A place in the line, carried by the message that waits."""

    pool: str = Field(default="", max_length=64)
    epoch: AwareDatetime
    number: FiniteFloat
    #: When it is expected to be due.
    at: AwareDatetime
    #: How often the message was postponed, and how often of these to let others go first.
    postponed: int = Field(default=0, ge=0)
    yielded: int = Field(default=0, ge=0)


class CallTime(BaseModel, frozen=True, extra="allow"):
    """The permission for one call at `at`, `wait` from now."""

    at: datetime
    wait: timedelta
    #: `Pace.stops` when it was granted.
    stops: int = 0
    #: Another call is just before it, so its success proves the rate.
    at_full_rate: bool
    #: If the call is rejected, it comes back with this ticket and is due at once.
    ticket: Ticket


class Postponed(BaseModel, frozen=True, extra="allow"):
    """The answer to come back after `delay` with this ticket."""

    ticket: Ticket
    delay: timedelta


#: The longest wait for a call time without going away: without a ticket, and with one, because the
#: line may be a little slower than expected.
SHORT_WAIT: Final = timedelta(seconds=5)
SHORT_WAIT_WITH_TICKET: Final = timedelta(seconds=10)
#: A caller with a ticket comes back this long before it is due: queues count whole seconds, and no
#: invocation pays in its first seconds.
LEAD: Final = timedelta(seconds=3)
#: Bounds of a delay: a shorter one would bring a message back before those it must let pass; after
#: a longer one the line may be empty.
SHORTEST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(hours=1)
#: A line whose next call time was not used for this long is idle: any caller may take it.
IDLE_AFTER: Final = timedelta(seconds=5)
#: How often a job of low priority lets later jobs of normal priority go first.
MAX_YIELDS: Final = 3
#: The longest `retry-after` that is obeyed; users report as much (foundry-api.md section 10).
LONGEST_PENALTY: Final = timedelta(days=1)
#: Call times within this time can be taken at once.
BURST: Final = timedelta(seconds=0.5)

_EPSILON: Final = 1e-6
_ZERO: Final = timedelta()


def start_pace(quota: Quota, *, now: datetime) -> Pace:
    """Return the state of a pool that was never called."""
    return Pace(epoch=now, rate=apply_quota(None, quota), free_at=now)


def reserve(
    pace: Pace,
    *,
    now: datetime,
    quota: Quota,
    priority: Priority = "normal",
    ticket: Ticket | None = None,
) -> tuple[Pace, CallTime | Postponed]:
    """Grant a call time that is near, or give a ticket.

    A job of low priority gets a call time only if no job of normal priority waits, and its number
    is always behind theirs. If its number is due while newer normal tickets wait, it takes a new
    number behind them; after three times it counts as normal and keeps its number.
    """
    idle = now - pace.free_at > IDLE_AFTER
    pace = _advance(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    if ticket and ticket.epoch != pace.epoch:
        ticket = ticket.model_copy(update={"epoch": pace.epoch, "number": pace.calling})
    yields = priority == "low" and (not ticket or ticket.yielded < MAX_YIELDS)
    if ticket is None:
        return _reserve_without_ticket(pace, now, idle=idle, yields=yields)
    if yields and not idle and pace.promised - pace.calling >= _EPSILON:
        if ticket.number >= pace.promised:
            return pace, _postpone(pace, ticket.number, ticket, now)
        return _give_ticket(pace, ticket, now, yields=True)
    return _reserve_with_ticket(pace, ticket, now, idle=idle)


def _reserve_without_ticket(
    pace: Pace, now: datetime, *, idle: bool, yields: bool
) -> tuple[Pace, CallTime | Postponed]:
    """Grant the next call time if nobody waits for it and it is near; else give a ticket."""
    last = max(pace.promised, pace.promised_low) if yields else pace.promised
    nobody_waits = last - pace.calling < _EPSILON
    if pace.free_at - now <= SHORT_WAIT and (idle or nobody_waits):
        return _grant(pace, pace.calling, None, now)
    return _give_ticket(pace, None, now, yields=yields)


def _reserve_with_ticket(
    pace: Pace, ticket: Ticket, now: datetime, *, idle: bool
) -> tuple[Pace, CallTime | Postponed]:
    """Grant the next call time if the number is due; else postpone the ticket."""
    wait = max(pace.free_at - now, _ZERO)
    due_in = pace.free_at + _measure_wait(pace, ticket.number) - now
    came_on_time = now + SHORT_WAIT >= ticket.at
    # An overdue ticket gets the next call time; otherwise early callers would always take it.
    extra = pace.rate.spacing if ticket.number < pace.calling else _ZERO
    if wait <= SHORT_WAIT_WITH_TICKET + extra and (
        idle or due_in <= SHORT_WAIT_WITH_TICKET or came_on_time
    ):
        return _grant(pace, ticket.number, ticket, now)
    back = min(pace.lapsed, max(0.0, pace.calling - ticket.number))
    pace = pace.model_copy(update={"calling": pace.calling - back, "lapsed": pace.lapsed - back})
    return pace, _postpone(pace, ticket.number, ticket, now)


def give_tickets(
    pace: Pace, count: int, *, now: datetime, quota: Quota, priority: Priority = "normal"
) -> tuple[Pace, tuple[Ticket, ...]]:
    """Give the next numbers to calls that will be asked for later; none is a permission to call."""
    pace = _advance(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    tickets: list[Ticket] = []
    for _ in range(count):
        pace, answer = _give_ticket(pace, None, now, yields=priority == "low")
        tickets.append(answer.ticket.model_copy(update={"postponed": 0}))
    return pace, tuple(tickets)


def find_call(pace: Pace, ticket: Ticket, *, now: datetime, quota: Quota) -> datetime:
    """Return when a ticket is due as the line is now, or about when its number passed."""
    pace = _advance(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    if ticket.epoch != pace.epoch:
        return min(ticket.at, now)
    return max(pace.free_at, now) + (ticket.number - pace.calling) * pace.rate.spacing


def apply_throttle(
    pace: Pace, *, now: datetime, call_time: CallTime, retry_after: timedelta | None = None
) -> Pace:
    """Return the pace after a 429: nobody calls until the time that the service gave.

    Call times that were granted and not used are no longer valid (`is_still_valid`); their numbers
    are called again, and so is the rejected one. Without `retry-after` it stops for one spacing.
    """
    pace = _advance(pace, now)
    rate = lower_rate(pace.rate, called_at=call_time.at, now=now)
    stop = min(rate.spacing if retry_after is None else retry_after, LONGEST_PENALTY)
    until = now + stop
    if pace.stopped_until and until <= pace.stopped_until:
        return pace.model_copy(update={"rate": rate, "calling": pace.calling - 1})
    return pace.model_copy(
        update={
            "rate": rate,
            "free_at": until,
            "calling": pace.calling - 1 - _count_granted(pace, now),
            "stopped_until": until,
            "stops": pace.stops + 1,
        }
    )


def is_still_valid(pace: Pace, call_time: CallTime) -> bool:
    """Return whether a call time is still valid; check it just before the call after a wait."""
    return call_time.ticket.epoch == pace.epoch and call_time.stops == pace.stops


def apply_successes(pace: Pace, *, quota: Quota, called_at: Sequence[datetime]) -> Pace:
    """Return the pace after calls `at_full_rate` were accepted."""
    rate = raise_rate(apply_quota(pace.rate, quota), quota, called_at)
    return pace if rate == pace.rate else pace.model_copy(update={"rate": rate})


def count_waiting(pace: Pace, *, now: datetime, quota: Quota) -> int:
    """Return how many call times are granted and not due yet, plus how many numbers wait.

    It is for display only and not exact: numbers of low priority can share a place with others, and
    the holder of a number may be gone.
    """
    pace = _advance(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    numbers = max(pace.promised, pace.promised_low) - pace.calling
    return _count_granted(pace, now) + max(math.ceil(numbers - _EPSILON), 0)


def is_same_place(one: Ticket | None, other: Ticket) -> bool:
    """Return whether two tickets are the same place in the same line."""
    return one is not None and (one.pool, one.epoch, one.number) == (
        other.pool,
        other.epoch,
        other.number,
    )


def find_next_call(pace: Pace, *, now: datetime, quota: Quota) -> datetime:
    """Return when a caller without a ticket would call if it asked now."""
    _, answer = reserve(pace, now=now, quota=quota)
    return answer.at if isinstance(answer, CallTime) else answer.ticket.at


def burst_allowance(rate: AdaptiveRate) -> timedelta:
    """Return how far the next free call time may be in the past, to allow a burst."""
    return max(BURST - rate.spacing, _ZERO)


def _advance(pace: Pace, now: datetime) -> Pace:
    """Advance the line over call times that nobody used."""
    passed = now - burst_allowance(pace.rate) - pace.free_at
    if passed <= _ZERO:
        return pace
    calling = pace.calling + passed / pace.rate.spacing
    lapsed = pace.lapsed + min(calling, pace.promised) - min(pace.calling, pace.promised)
    is_empty = calling >= pace.promised
    return pace.model_copy(
        update={
            "free_at": pace.free_at + passed,
            "calling": calling,
            "promised": max(pace.promised, calling),
            # The line is empty, but holders of passed numbers can still come for about an hour.
            "lapsed": min(lapsed, LONGEST_DELAY / pace.rate.spacing) if is_empty else lapsed,
        }
    )


def _count_granted(pace: Pace, now: datetime) -> int:
    """Return how many granted call times are not due yet."""
    if pace.stopped_until and pace.stopped_until > now:
        return round(max(pace.free_at - pace.stopped_until, _ZERO) / pace.rate.spacing)
    return max(math.ceil((pace.free_at - now) / pace.rate.spacing) - 1, 0)


def _grant(
    pace: Pace, number: float, ticket: Ticket | None, now: datetime
) -> tuple[Pace, CallTime]:
    at = max(pace.free_at, now)
    calling = pace.calling + 1
    call_time = CallTime(
        at=at,
        wait=at - now,
        stops=pace.stops,
        at_full_rate=pace.free_at > now,
        ticket=_update_ticket(pace, number, ticket, at),
    )
    return pace.model_copy(
        update={
            "free_at": pace.free_at + pace.rate.spacing,
            "calling": calling,
            "promised": max(pace.promised, calling),
        }
    ), call_time


def _give_ticket(
    pace: Pace, ticket: Ticket | None, now: datetime, *, yields: bool
) -> tuple[Pace, Postponed]:
    """Give the next number, or for low priority the next number behind all others."""
    frontier = "promised_low" if yields else "promised"
    number = max(pace.promised, pace.promised_low if yields else pace.calling)
    if ticket:
        ticket = ticket.model_copy(update={"yielded": ticket.yielded + 1})
    pace = pace.model_copy(update={frontier: number + 1})
    return pace, _postpone(pace, number, ticket, now)


def _postpone(pace: Pace, number: float, ticket: Ticket | None, now: datetime) -> Postponed:
    at = max(pace.free_at, now) + _measure_wait(pace, number)
    ticket = _update_ticket(pace, number, ticket, at)
    ticket = ticket.model_copy(update={"postponed": ticket.postponed + 1})
    return Postponed(ticket=ticket, delay=min(max(at - now - LEAD, SHORTEST_DELAY), LONGEST_DELAY))


def _update_ticket(pace: Pace, number: float, ticket: Ticket | None, at: datetime) -> Ticket:
    if ticket is None:
        return Ticket(epoch=pace.epoch, number=number, at=at)
    return ticket.model_copy(update={"number": number, "at": at})


def _measure_wait(pace: Pace, number: float) -> timedelta:
    """Return the time from the next free call time to that of a number."""
    return max(number - pace.calling, 0.0) * pace.rate.spacing
