"""Seeking a turn: which of a plan's deployments may be called, and when.

A deployment whose pool is throttled, blocked or busy gives way to the next one of the plan, since
nothing was sent. A wait of seconds is waited here; a longer one is the message's.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from .deployments import Deployment
from .places import Appointment, Postponed, Priority
from .pool_ports import Pools
from .ports import Clock
from .tempo import Quota
from .turns import Answer, Ask, Held, Permit


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task wants of the pools."""

    #: In order of preference; at least one.
    deployments: Sequence[Deployment]
    #: The longest its call may take.
    limit: timedelta
    priority: Priority
    #: The place its message came back with.
    appointment: Appointment | None
    #: A turn at or after this is of no use.
    give_up_at: datetime


async def seek(wish: Wish, pools: Pools, clock: Clock) -> Answer:
    """Return a permit to be used at once, or how long to go away; raises `StoreUnavailable`."""
    while True:
        answer = await _asked(wish, pools)
        if not isinstance(answer, Permit):
            return answer
        turn = answer.turn
        if clock.now() + turn.wait >= wish.give_up_at:
            return Postponed(appointment=turn.appointment, delay=turn.wait)
        if not turn.wait:
            return answer
        if await pools.wait_for(answer):
            return answer
        wish = replace(wish, appointment=turn.appointment)


async def _asked(wish: Wish, pools: Pools) -> Answer:
    """Ask one pool after the other: for a turn now, and then for a number where it is called first.

    A place that the message holds already is asked for first. Numbers are not taken on trial: one
    whose holder goes elsewhere is called in vain.
    """
    place = wish.appointment
    order = sorted(wish.deployments, key=lambda each: not (place and place.pool == each.pool))
    several = len({each.pool for each in order}) > 1
    waits: dict[str, tuple[Deployment, Postponed]] = {}
    held: list[Held] = []
    for deployment in order:
        if deployment.pool in waits:
            continue
        has_place = bool(place and place.pool == deployment.pool)
        question = _question(wish, deployment)
        answer = await pools.ask(replace(question, only_now=several and not has_place))
        if isinstance(answer, Permit):
            return answer
        if isinstance(answer, Held):
            held.append(answer)
        else:
            waits[deployment.pool] = deployment, answer
    if not waits:
        return min(held, key=lambda each: each.delay)
    deployment, soonest = min(waits.values(), key=lambda each: each[1].delay)
    if not several or (place and place.pool == deployment.pool):
        return soonest
    return await pools.ask(_question(wish, deployment))


def _question(wish: Wish, deployment: Deployment) -> Ask:
    return Ask(
        pool=deployment.pool,
        deployment=deployment.name,
        quota=Quota(rpm=deployment.rpm or 0.0),
        limit=wish.limit,
        priority=wish.priority,
        appointment=wish.appointment,
    )
