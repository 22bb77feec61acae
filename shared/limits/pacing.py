"""Decide who may call a quota pool when, from one small state that all hosts share.

The state is a line of numbered tickets. `calling` is the number that may call at `free_at`.
Both advance with every call, and also while nobody calls: by one number for each 1/rate of time.
`fair_queue` divides the line among the tenants: which of those who wait has how many before it.

* A caller gets a *call time* when its call is 5 s away, and else a *ticket*: the next number. It
  waits in its place if its number is due soon, or comes back before (`find_lead`).
* A granted call time can't be overtaken; a number can. So little is granted in advance: 5 s, or one
  call if that is longer. A tenant that comes new does not wait long.
* Only numbers are stored, not times. A 429 that stops the line, or a new rate, moves everybody who
  waits and keeps their order.
* A number passes if its holder has not come (a crashed host, a cancelled job) when one behind it is
  called, or when its time is over. If the holder comes after all (`lapsed`), the line goes back to
  its number: after a night without a host the order holds.
* Numbers that belong to no flow are called first: those of calls that a 429 cancelled, and those
  that a version before the flows has given.

Spacing is exact. A burst is allowed only above 2 calls a second, for half a second: quotas are
enforced in slices of 1 or 10 s, so at a lower rate a slice has only one call.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    FiniteFloat,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from .adaptive_rate import AdaptiveRate, Quota, apply_quota, lower_rate, raise_rate
from .fair_queue import (
    FairQueue,
    Flow,
    count_ahead,
    enter_flow,
    pack_queue,
    pass_numbers,
    settle_flows,
    unpack_queue,
)

type Priority = Literal["normal", "low"]


def _read_queue(stored: Any) -> FairQueue:  # noqa: ANN401 (whatever is to be validated)
    return stored if isinstance(stored, FairQueue) else unpack_queue(stored)


@dataclass(frozen=True, slots=True)
class Share:
    """Whose call it is, and that tenant's share of the quota against others."""

    tenant: str = "default"
    weight: float = 1.0
    priority: Priority = "normal"


DEFAULT_SHARE: Final = Share()


class Pace(BaseModel, frozen=True, extra="allow"):
    """The line of a pool."""

    #: When this line was started: tickets of an earlier line are not valid.
    epoch: AwareDatetime
    rate: AdaptiveRate
    #: The next free call time, and the number that it belongs to.
    free_at: AwareDatetime
    calling: FiniteFloat = 0.0
    #: The next number to give away. `promised - calling` numbers wait, in flows or in none.
    promised: FiniteFloat = 0.0
    #: Who waits with these numbers.
    flows: Annotated[
        FairQueue,
        PlainValidator(_read_queue),
        PlainSerializer(pack_queue, when_used="json"),
        WithJsonSchema({"type": "string"}),
        Field(exclude_if=lambda flows: not flows.flows),
    ] = FairQueue()
    #: No call before this time, because of the last 429. And the number of such stops: a call time
    #: granted before the last stop is not valid.
    stopped_until: AwareDatetime | None = None
    stops: int = 0
    #: How many promised numbers passed while no caller came.
    lapsed: FiniteFloat = 0.0
    #: How many numbers passed for each of the last calls, because nobody came for them.
    no_shows: FiniteFloat = Field(default=0.0, ge=0, exclude_if=lambda value: not value)
    #: By how many numbers the line grew for each call of the last hour, before those that wait:
    #: those of newcomers, less those that passed.
    growth: FiniteFloat = Field(default=0.0, exclude_if=lambda value: not value)


class Ticket(BaseModel, frozen=True, extra="allow"):
    """A place in the line, carried by the message that waits."""

    pool: str = Field(default="", max_length=64)
    epoch: AwareDatetime
    number: FiniteFloat
    #: The flow that counts this number; None: given by a version that had one line for all.
    flow: str | None = None
    #: The flow was charged for the call, which a 429 cancelled.
    charged: bool = Field(default=False, exclude_if=lambda charged: not charged)
    #: When it is expected to be due.
    at: AwareDatetime
    #: How often the message was postponed.
    postponed: int = Field(default=0, ge=0)


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
    """The answer to ask again after `delay` with this ticket."""

    ticket: Ticket
    delay: timedelta

    @property
    def next_look(self) -> timedelta:
        """When a caller that waits in its place looks again: the line may have become faster."""
        return self.delay / 2 if self.delay > LOOK_AGAIN else self.delay


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the line."""

    #: Calls that come before.
    ahead: int
    #: The expected time of the call, if others come as they did lately and the rate stays.
    at: datetime


#: A call time is granted this long before the call: what is granted can't be overtaken.
SHORT_WAIT: Final = timedelta(seconds=5)
#: A caller comes back a lead before it is due, as long as so many calls take, but at most twice the
#: lead of the settings: where calls are rare, the platform takes the instance away meanwhile, looks
#: 30 s later and starts another one in up to 40 s (docs/decisions/0018).
LEAD_CALLS: Final = 12
#: A caller whose wait is not longer than so many leads waits in its place.
IN_PLACE: Final = 1.5
#: It looks at its place in between while it waits longer than this.
LOOK_AGAIN: Final = timedelta(seconds=20)
#: No time is expected to be farther away: a damaged ledger may have any numbers.
_FARTHEST: Final = timedelta(days=36_500)
#: Bounds of a delay: a shorter one would bring a message back before those it must let pass; after
#: a longer one the line may be empty.
SHORTEST_DELAY: Final = timedelta(seconds=1)
LONGEST_DELAY: Final = timedelta(hours=1)
#: Any caller takes a call time that is nearer than this, or it would pass unused.
LAST_MOMENT: Final = timedelta(seconds=1)
#: A number that has not come passes when one is called that is so much later in the line.
MAX_LATE: Final = timedelta(seconds=2)
#: How many calls `no_shows` remembers, and how long and how many calls at least `growth`.
NO_SHOW_CALLS: Final = 50
GROWTH_TIME: Final = timedelta(hours=1)
GROWTH_CALLS: Final = 100
#: The slowest line that is expected because others come, in numbers a call.
SLOWEST: Final = 0.2
#: The longest `retry-after` that is obeyed; users report as much (foundry-api.md section 10).
LONGEST_PENALTY: Final = timedelta(days=1)
#: Call times within this time can be taken at once.
BURST: Final = timedelta(seconds=0.5)

_EPSILON: Final = 1e-6
_ZERO: Final = timedelta()


def start_pace(quota: Quota, *, now: datetime) -> Pace:
    """Return the state of a pool that was never called."""
    return Pace(epoch=now, rate=apply_quota(None, quota), free_at=now)


def find_lead(rate: AdaptiveRate | None, start: timedelta) -> timedelta:
    """Return how long before its call a task is delivered, where an instance takes `start`."""
    calls = LEAD_CALLS * rate.spacing if rate else timedelta()
    return min(max(start, calls), 2 * start)


def reserve(
    pace: Pace,
    *,
    now: datetime,
    quota: Quota,
    share: Share = DEFAULT_SHARE,
    ticket: Ticket | None = None,
) -> tuple[Pace, CallTime | Postponed]:
    """Grant a call time that is near, or give a ticket.

    Jobs of low priority have a flow of their own with a tenth of the tenant's weight.
    """
    pace, flow = _enter(_advance(pace, now, quota), share, ticket)
    if ticket is None:
        pace, flow, ticket = _issue(pace, flow, now)
        is_due = ticket.at == max(pace.free_at, now) <= now + SHORT_WAIT
    else:
        if ticket.epoch != pace.epoch:
            ticket = Ticket(epoch=pace.epoch, number=flow.calling - 1, at=ticket.at, flow=flow.key)
        pace, flow = _call_again(pace, flow, ticket)
        at = _find_time(pace, _count_before_ticket(pace, flow, ticket), now)
        is_due = at - now <= _patience(flow, ticket) or pace.free_at - now < LAST_MOMENT
    if is_due:
        return _grant(pace, flow, ticket, now)
    return pace, _postpone(pace, flow, ticket, now)


def _patience(flow: Flow, ticket: Ticket) -> timedelta:
    """Return how long before its call a ticket gets its call time.

    One that is overdue, and asks every second, gets it before those that come on time.
    """
    return SHORT_WAIT + (SHORTEST_DELAY if ticket.number < flow.calling else _ZERO)


def _call_again(pace: Pace, flow: Flow, ticket: Ticket) -> tuple[Pace, Flow]:
    """Turn the line back to a number that passed and was not called."""
    passed = 0.0 if ticket.charged or ticket.flow != flow.key else flow.calling - ticket.number
    if (back := int(min(pace.lapsed, passed))) < 1:
        return pace, flow
    head = max(
        flow.head - back * flow.stride, min(flow.head, pace.flows.virtual_time - flow.stride)
    )
    flow = replace(flow, calling=flow.calling - back, head=head)
    changes = {
        "calling": pace.calling - back,
        "lapsed": pace.lapsed - back,
        **_learn(pace, passed=-back, calls=0),
        "flows": pace.flows.store(flow),
    }
    return pace.model_copy(update=changes), flow


def give_tickets(
    pace: Pace, count: int, *, now: datetime, quota: Quota, share: Share = DEFAULT_SHARE
) -> tuple[Pace, tuple[Ticket, ...]]:
    """Give the next numbers to calls that will be asked for later; none is a permission to call."""
    pace = _advance(pace, now, quota)
    tickets: list[Ticket] = []
    for _ in range(count):
        pace, flow = _enter(pace, share, None)
        pace, _, ticket = _issue(pace, flow, now)
        tickets.append(ticket)
    return pace, tuple(tickets)


def find_call(pace: Pace, ticket: Ticket, *, now: datetime, quota: Quota) -> datetime:
    """Return when a ticket is due as the line is now.

    A number that has passed was due at its expected time, or after the last stop of the line.
    """
    pace = _advance(pace, now, quota)
    flow = pace.flows.find(ticket.flow or "")
    calling = pace.calling if ticket.flow is None else flow.calling if flow else math.inf
    if ticket.epoch != pace.epoch or ticket.number < calling:
        return min(max(ticket.at, pace.stopped_until or ticket.at), now)
    return _find_time(pace, _count_before_ticket(pace, flow, ticket), now)


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

    It is for display only and not exact: the holder of a number may be gone.
    """
    pace = _advance(pace, now, quota)
    numbers = pace.promised - pace.calling
    return _count_granted(pace, now) + max(math.ceil(numbers - _EPSILON), 0)


def is_same_place(one: Ticket | None, other: Ticket) -> bool:
    """Return whether two tickets are the same place in the same line."""
    return one is not None and (one.pool, one.epoch, one.flow, one.number) == (
        other.pool,
        other.epoch,
        other.flow,
        other.number,
    )


def locate(pace: Pace, ticket: Ticket, *, now: datetime, quota: Quota) -> Place:
    """Return the present place of a ticket in the line; the pace is not changed.

    A ticket whose number has passed, or that is of another line, is called next.
    """
    pace = _advance(pace, now, quota)
    ahead = _count_before_ticket(pace, pace.flows.find(ticket.flow or ""), ticket)
    speed = max(1 - pace.growth, SLOWEST)
    at = max(pace.free_at, now) + ahead * pace.rate.spacing / speed
    return Place(ahead=math.ceil(ahead - _EPSILON), at=at)


def find_next_call(pace: Pace, *, now: datetime, quota: Quota) -> datetime:
    """Return when a caller that comes now would call."""
    _, (ticket,) = give_tickets(pace, 1, now=now, quota=quota)
    return ticket.at


def burst_allowance(rate: AdaptiveRate) -> timedelta:
    """Return how far the next free call time may be in the past, to allow a burst."""
    return max(BURST - rate.spacing, _ZERO)


def _advance(pace: Pace, now: datetime, quota: Quota | None = None) -> Pace:
    """Advance the line over call times that nobody used, at the rate of the configured quota."""
    if quota:
        pace = pace.model_copy(update={"rate": apply_quota(pace.rate, quota)})
    passed = now - burst_allowance(pace.rate) - pace.free_at
    if passed <= _ZERO:
        return _settle(pace)
    numbers, calls = pace.promised - pace.calling, passed / pace.rate.spacing
    lapsed = pace.lapsed + min(calls, numbers)
    if calls >= numbers:
        # The line is empty, but holders of passed numbers can still come for about an hour.
        lapsed = min(lapsed, LONGEST_DELAY / pace.rate.spacing)
    return _settle(
        pace.model_copy(
            update={
                "free_at": pace.free_at + passed,
                "calling": pace.calling + min(calls, numbers),
                "lapsed": lapsed,
            }
        )
    )


def _settle(pace: Pace) -> Pace:
    """Let the flows follow the line: numbers that it has passed are called in the flows."""
    flows = pass_numbers(pace.flows, math.floor(_EPSILON - _count_flowless(pace)))
    flows = settle_flows(flows)
    return pace if flows == pace.flows else pace.model_copy(update={"flows": flows})


def _count_flowless(pace: Pace) -> float:
    """Return how many numbers wait in no flow; less than 0: the part of a call time that passed."""
    return pace.promised - pace.calling - pace.flows.waiting


def _count_before(pace: Pace, flow: Flow, number: int) -> float:
    return max(count_ahead(pace.flows, flow, number) + _count_flowless(pace), 0.0)


def _count_before_ticket(pace: Pace, flow: Flow | None, ticket: Ticket) -> float:
    """Return how many calls come before that of a ticket."""
    if ticket.charged or ticket.epoch != pace.epoch:
        return 0.0
    if ticket.flow is None:
        return max(ticket.number - pace.calling, 0.0)
    return _count_before(pace, flow, int(ticket.number)) if flow else 0.0


def _find_time(pace: Pace, ahead: float, now: datetime) -> datetime:
    """Return when a number is called with so many before it, if nobody else comes."""
    seconds = ahead * pace.rate.spacing.total_seconds() / (1 + pace.no_shows)
    free_at = min(max(pace.free_at, now), now + _FARTHEST)
    return free_at + timedelta(seconds=min(seconds, _FARTHEST.total_seconds()))


def _enter(pace: Pace, share: Share, ticket: Ticket | None) -> tuple[Pace, Flow]:
    """Return the pace with the flow of a ticket, or that of a tenant."""
    if ticket and ticket.flow is not None and (flow := pace.flows.find(ticket.flow)):
        return pace, flow
    flows, flow = enter_flow(
        pace.flows,
        share.tenant,
        share.weight,
        is_low=share.priority == "low",
        first=math.ceil(pace.promised),
    )
    return pace.model_copy(update={"flows": flows}), flow


def _count_granted(pace: Pace, now: datetime) -> int:
    """Return how many granted call times are not due yet."""
    if pace.stopped_until and pace.stopped_until > now:
        return round(max(pace.free_at - pace.stopped_until, _ZERO) / pace.rate.spacing)
    return max(math.ceil((pace.free_at - now) / pace.rate.spacing) - 1, 0)


def _grant(pace: Pace, flow: Flow, ticket: Ticket, now: datetime) -> tuple[Pace, CallTime]:
    """Grant the next call time, and charge the flow once for each number."""
    at, flows, promised, passed = max(pace.free_at, now), pace.flows, pace.promised, 0
    if ticket.charged or ticket.flow is None:
        promised += max(1 - max(_count_flowless(pace), 0.0), 0.0)
    else:
        passed = _count_late(pace, flow, ticket)
        if not flow.waiting:  # its number has passed
            flow, promised = flow.issue(), promised + 1
        flows = flows.store(flow.call())
    call_time = CallTime(
        at=at,
        wait=at - now,
        stops=pace.stops,
        at_full_rate=pace.free_at > now,
        ticket=ticket.model_copy(update={"at": at, "charged": True}),
    )
    return _settle(
        pace.model_copy(
            update={
                "free_at": pace.free_at + pace.rate.spacing,
                "calling": pace.calling + 1 + passed,
                "promised": promised,
                "flows": flows,
                "lapsed": pace.lapsed + passed,
                **_learn(pace, passed=passed, calls=1),
            }
        )
    ), call_time


def _count_late(pace: Pace, flow: Flow, ticket: Ticket) -> int:
    """Return how many numbers before a ticket pass when it is called: they have not come."""
    late = _count_before_ticket(pace, flow, ticket) - MAX_LATE / pace.rate.spacing
    return math.ceil(max(min(late, SHORT_WAIT / pace.rate.spacing, pace.flows.waiting - 1), 0.0))


def _learn(
    pace: Pace, *, passed: int = 0, calls: int = 0, newcomers: float = 0.0
) -> dict[str, float]:
    """Return what is known of `no_shows` and `growth` after what has just happened."""
    no_shows = pace.no_shows + (passed - calls * pace.no_shows) / NO_SHOW_CALLS
    part = max(pace.rate.spacing / GROWTH_TIME, 1 / max(pace.calling, GROWTH_CALLS))
    growth = pace.growth + (newcomers - passed - calls * pace.growth) * part
    return {"no_shows": round(max(no_shows, 0.0), 6), "growth": round(growth, 6)}


def _issue(pace: Pace, flow: Flow, now: datetime) -> tuple[Pace, Flow, Ticket]:
    """Give the next number of a flow."""
    waiting, flow = pace.flows.waiting, flow.issue()
    ticket = Ticket(epoch=pace.epoch, number=flow.promised - 1, flow=flow.key, at=now)
    pace = pace.model_copy(update={"promised": pace.promised + 1, "flows": pace.flows.store(flow)})
    ahead = _count_before_ticket(pace, flow, ticket)
    overtaken = max(1 - ahead / waiting, 0.0) if waiting else 0.0
    ticket = ticket.model_copy(update={"at": _find_time(pace, ahead, now)})
    return pace.model_copy(update=_learn(pace, newcomers=overtaken)), flow, ticket


def _postpone(pace: Pace, flow: Flow, ticket: Ticket, now: datetime) -> Postponed:
    ahead = _count_before_ticket(pace, flow, ticket)
    at = _find_time(pace, ahead, now)
    ask_at = at - _patience(flow, ticket)
    if ahead <= 1:  # the first one may not come
        ask_at = min(ask_at, pace.free_at - LAST_MOMENT / 2)
    ticket = ticket.model_copy(update={"at": at, "postponed": ticket.postponed + 1})
    delay = min(max(ask_at - now, SHORTEST_DELAY), LONGEST_DELAY)
    return Postponed(ticket=ticket, delay=delay)
