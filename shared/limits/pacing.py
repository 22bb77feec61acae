"""Turns of a quota pool: who may call when, decided from one small state that all hosts share.

It works like the number display at a counter. The display shows the number `calling`, and the call
of that number may be made at `free_at`; it goes on by one each 1/rate, whether somebody comes or
not. Who comes when nobody is before them, and has at most 5 s to wait, gets a *turn*. Everybody
else gets a *number* (an appointment) and goes away until shortly before it is called; who comes
back with a number that is due goes before those who come without one.

Times of appointments are never stored, only numbers: a 429 that stops the display, or a rate that
changes, moves everybody who waits, in order. Numbers whose holders never come back (a crashed host,
a cancelled job) are called and pass. Numbers that passed while nobody came at all (every host was
down) are called again when their holders do come (`lapsed`).

Spacing is exact. A burst is allowed only where the rate is above 2 a second, and of half a second's
turns: quotas are enforced in slices of 1 or 10 s, so below that a slice holds but one call.

Places in the plan of a quota pool, as data: its counter, the numbers given, the turns.
"""

import math
from datetime import datetime, timedelta
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .adaptive_rate import AdaptiveRate, Quota, apply_quota, lower_rate, raise_rate

type Priority = Literal["normal", "low"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Pace(_Data):
    """The state of a pool's counter."""

    #: When this counter was begun: numbers of an earlier one mean nothing here.
    epoch: datetime
    rate: AdaptiveRate
    #: The next free turn, and the number called then.
    free_at: datetime
    calling: float = 0.0
    #: The first number not given away, to normal and to low priority.
    promised: float = 0.0
    promised_low: float = 0.0
    #: No call before this: the last 429 said so. How many such stops there were: a turn given
    #: before the last of them is void.
    stopped_until: datetime | None = None
    stops: int = 0
    #: Promised numbers that passed while nobody came.
    lapsed: float = 0.0


class Ticket(_Data):
    """A place in the plan, carried by the message that waits."""

    pool: str = Field(default="", max_length=64)
    epoch: datetime
    number: float
    #: When it is probably called.
    at: datetime
    #: How often the message was put back by the pool, and of these for others' sake.
    postponed: int = Field(default=0, ge=0)
    yielded: int = Field(default=0, ge=0)


class CallTime(_Data):
    """The right to make one call at `at`, `wait` from now."""

    at: datetime
    wait: timedelta
    #: `Pace.stops` when it was given.
    stops: int = 0
    #: Others were just before it: that it is accepted proves the rate.
    at_full_rate: bool
    #: Its place, should the call be refused: it comes back with this and is due at once.
    ticket: Ticket


class Postponed(_Data):
    """Come back after `delay` with this appointment."""

    ticket: Ticket
    delay: timedelta


#: The longest wait inside a slot: of who comes unannounced, and of who comes with a number, who
#: may find the display a little slower than it was told.
SHORT_WAIT: Final = timedelta(seconds=5)
PATIENCE: Final = timedelta(seconds=10)
#: Who has a number comes back this long before it is called: queues deal in whole seconds.
LEAD: Final = timedelta(seconds=2)
#: Who had to go away again, since the display was slower than told, comes before them.
LONGER_LEAD: Final = timedelta(seconds=4)
#: Bounds of a delay: below, a message would come back before those it must let pass; above, it
#: looks again, since the plan may have emptied meanwhile.
SHORTEST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(hours=1)
#: A turn that nobody took for so long is anybody's.
GRACE: Final = timedelta(seconds=5)
#: How often a job of low priority lets those of normal priority pass that came after it.
MOST_YIELDS: Final = 3
#: The longest `retry-after` that is believed; users report as much (foundry-api.md section 10).
LONGEST_PENALTY: Final = timedelta(days=1)
#: The part of a second whose turns may be taken at once.
BURST: Final = timedelta(seconds=0.5)

_NOBODY: Final = 1e-6
_NONE: Final = timedelta()


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
    """Give a turn that is at most 5 s away, or a number.

    Normal and low priority: a job of low priority gets a turn only while no number is out to a job
    of normal priority, and its own number is always behind theirs. When its number is called and
    newer normal ones are out, it lets them pass and takes a new one; after three times it counts as
    normal, with the number it has.
    """
    idle = now - pace.free_at > GRACE
    pace = _advanced(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    wait = max(pace.free_at - now, _NONE)
    if ticket and ticket.epoch != pace.epoch:
        ticket = ticket.model_copy(update={"epoch": pace.epoch, "number": pace.calling})
    yielding = priority == "low" and (not ticket or ticket.yielded < MOST_YIELDS)
    if ticket is None:
        out = max(pace.promised, pace.promised_low) if yielding else pace.promised
        if wait <= SHORT_WAIT and (idle or out - pace.calling < _NOBODY):
            return _granted(pace, pace.calling, None, now)
        return _with_ticket(pace, None, now, yielding=yielding)
    if yielding and pace.promised - pace.calling >= _NOBODY and not idle:
        if ticket.number >= pace.promised:
            return pace, _postponed(pace, ticket.number, ticket, now)
        return _with_ticket(pace, ticket, now, yielding=True)
    due = _due(pace, ticket.number) - now
    came_when_told = now + SHORT_WAIT >= ticket.at
    # Whose number was called already takes the next turn, or those who come early took it forever.
    overdue = pace.rate.spacing if ticket.number < pace.calling else _NONE
    if wait <= PATIENCE + overdue and (idle or due <= PATIENCE or came_when_told):
        return _granted(pace, ticket.number, ticket, now)
    back = min(pace.lapsed, max(0.0, pace.calling - ticket.number))
    pace = pace.model_copy(update={"calling": pace.calling - back, "lapsed": pace.lapsed - back})
    return pace, _postponed(pace, ticket.number, ticket, now)


def apply_throttle(
    pace: Pace, *, now: datetime, turn: CallTime, retry_after: timedelta | None = None
) -> Pace:
    """Return the pace after a 429: the display stops until the service said, for everybody.

    Times that were granted and not yet used are void (`is_still_valid`), and their tickets are
    called again, as is the refused one. Without a `retry-after` the stop lasts one turn.
    """
    pace = _advanced(pace, now)
    rate = lower_rate(pace.rate, called_at=turn.at, now=now)
    stop = min(rate.spacing if retry_after is None else retry_after, LONGEST_PENALTY)
    until = now + stop
    if pace.stopped_until and until <= pace.stopped_until:
        return pace.model_copy(update={"rate": rate, "calling": pace.calling - 1})
    return pace.model_copy(
        update={
            "rate": rate,
            "free_at": until,
            "calling": pace.calling - 1 - _given(pace, now),
            "stopped_until": until,
            "stops": pace.stops + 1,
        }
    )


def is_still_valid(pace: Pace, turn: CallTime) -> bool:
    """Tell whether a turn may still be used: look just before the call, if it had to wait."""
    return turn.ticket.epoch == pace.epoch and turn.stops == pace.stops


def apply_successes(pace: Pace, *, quota: Quota, called_at: tuple[datetime, ...]) -> Pace:
    """Return the pace after calls were accepted whose turns were `pressed`."""
    rate = raise_rate(apply_quota(pace.rate, quota), quota, called_at)
    return pace if rate == pace.rate else pace.model_copy(update={"rate": rate})


def count_waiting(pace: Pace, *, now: datetime, quota: Quota) -> int:
    """Return how many turns are still to come, and how many numbers nobody came back with yet.

    It is told to people and decides nothing: a number of low priority that others passed shares
    its place with theirs, and who holds a number may be gone; then it passes.
    """
    pace = _advanced(pace.model_copy(update={"rate": apply_quota(pace.rate, quota)}), now)
    numbers = max(pace.promised, pace.promised_low) - pace.calling
    return _given(pace, now) + max(math.ceil(numbers - _NOBODY), 0)


def find_next_call(pace: Pace, *, now: datetime, quota: Quota) -> datetime:
    """Return when who asks now, without a number, would call."""
    _, answer = reserve(pace, now=now, quota=quota)
    return answer.at if isinstance(answer, CallTime) else answer.ticket.at


def burst_allowance(rate: AdaptiveRate) -> timedelta:
    """Return how far behind the clock the next free turn may stay, to be caught up with."""
    return max(BURST - rate.spacing, _NONE)


def _advanced(pace: Pace, now: datetime) -> Pace:
    """Let the display go on over turns that nobody took."""
    passed = now - burst_allowance(pace.rate) - pace.free_at
    if passed <= _NONE:
        return pace
    calling = pace.calling + passed / pace.rate.spacing
    lapsed = pace.lapsed + min(calling, pace.promised) - min(pace.calling, pace.promised)
    nobody = calling >= pace.promised
    return pace.model_copy(
        update={
            "free_at": pace.free_at + passed,
            "calling": calling,
            "promised": max(pace.promised, calling),
            # A plan that has run out owes nothing, but holders may still come for an hour or so.
            "lapsed": lapsed if not nobody else min(lapsed, LONGEST_DELAY / pace.rate.spacing),
        }
    )


def _given(pace: Pace, now: datetime) -> int:
    """Return how many turns were given that are still to come."""
    if pace.stopped_until and pace.stopped_until > now:
        return round(max(pace.free_at - pace.stopped_until, _NONE) / pace.rate.spacing)
    return max(math.ceil((pace.free_at - now) / pace.rate.spacing) - 1, 0)


def _granted(
    pace: Pace, number: float, ticket: Ticket | None, now: datetime
) -> tuple[Pace, CallTime]:
    at = max(pace.free_at, now)
    calling = pace.calling + 1
    place = _ticket(pace, number, ticket, at)
    turn = CallTime(
        at=at,
        wait=at - now,
        stops=pace.stops,
        at_full_rate=pace.free_at > now,
        ticket=place,
    )
    return pace.model_copy(
        update={
            "free_at": pace.free_at + pace.rate.spacing,
            "calling": calling,
            "promised": max(pace.promised, calling),
        }
    ), turn


def _with_ticket(
    pace: Pace, ticket: Ticket | None, now: datetime, *, yielding: bool
) -> tuple[Pace, Postponed]:
    """Give the next number of the plan, or the next behind it."""
    frontier = "promised_low" if yielding else "promised"
    number = max(pace.promised, pace.promised_low if yielding else pace.calling)
    if ticket:
        ticket = ticket.model_copy(update={"yielded": ticket.yielded + 1})
    pace = pace.model_copy(update={frontier: number + 1})
    return pace, _postponed(pace, number, ticket, now)


def _postponed(pace: Pace, number: float, ticket: Ticket | None, now: datetime) -> Postponed:
    ahead = max(number - pace.calling, 0.0) * pace.rate.spacing
    at = max(pace.free_at, now) + ahead
    place = _ticket(pace, number, ticket, at)
    lead = LONGER_LEAD if place.postponed else LEAD
    place = place.model_copy(update={"postponed": place.postponed + 1})
    return Postponed(ticket=place, delay=min(max(at - now - lead, SHORTEST_DELAY), LONGEST_DELAY))


def _ticket(pace: Pace, number: float, ticket: Ticket | None, at: datetime) -> Ticket:
    if ticket is None:
        return Ticket(epoch=pace.epoch, number=number, at=at)
    return ticket.model_copy(update={"number": number, "at": at})


def _due(pace: Pace, number: float) -> datetime:
    return pace.free_at + max(number - pace.calling, 0.0) * pace.rate.spacing
