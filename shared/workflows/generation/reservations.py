"""Seeking a turn: which of a plan's deployments may be called, and when.

A deployment whose pool is throttled, blocked or busy gives way to the next one of the plan, since
nothing was sent. A wait of seconds is waited here; a longer one is the message's.

Budgeting: money is set aside before a call, settled after it, and found again when forgotten.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

from ...catalogue.deployments import Deployment
from ...config.settings import Configuration
from ...limits.adaptive_rate import Quota
from ...limits.budget import CostReservation, NoBudget, to_millionths
from ...limits.pacing import Postponed, Priority, Ticket
from ...limits.pool_ledger import AcquireRequest, AcquireResult, CircuitOpen, Reservation
from ...ports import Clock, Versioned
from ...records.costs import billed, over_budget
from ...records.record import Attempt, Failure, JobRecord, JobState
from ...stores.ledgers import PoolLedgers
from ...stores.world import World


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """What a task wants of the pools."""

    #: In order of preference; at least one.
    deployments: Sequence[Deployment]
    #: The longest its call may take.
    limit: timedelta
    priority: Priority
    #: The place its message came back with.
    ticket: Ticket | None
    #: A turn at or after this is of no use.
    give_up_at: datetime


async def acquire_reservation(
    wish: ReservationRequest, pools: PoolLedgers, clock: Clock
) -> AcquireResult:
    """Return a permit to be used at once, or how long to go away; raises `StoreUnavailable`."""
    while True:
        answer = await _acquired(wish, pools)
        if not isinstance(answer, Reservation):
            return answer
        turn = answer.call_time
        if clock.now() + turn.wait >= wish.give_up_at:
            return Postponed(ticket=turn.ticket, delay=turn.wait)
        if not turn.wait:
            return answer
        if await pools.wait_for(answer):
            return answer
        wish = replace(wish, ticket=turn.ticket)


async def _acquired(wish: ReservationRequest, pools: PoolLedgers) -> AcquireResult:
    """Ask one pool after the other: for a turn now, and then for a number where it is called first.

    A place that the message holds already is asked for first. Numbers are not taken on trial: one
    whose holder goes elsewhere is called in vain.
    """
    place = wish.ticket
    order = sorted(wish.deployments, key=lambda each: not (place and place.pool == each.pool))
    several = len({each.pool for each in order}) > 1
    waits: dict[str, tuple[Deployment, Postponed]] = {}
    held: list[CircuitOpen] = []
    for deployment in order:
        if deployment.pool in waits:
            continue
        has_place = bool(place and place.pool == deployment.pool)
        question = _question(wish, deployment)
        answer = await pools.acquire(replace(question, only_now=several and not has_place))
        if isinstance(answer, Reservation):
            return answer
        if isinstance(answer, CircuitOpen):
            held.append(answer)
        else:
            waits[deployment.pool] = deployment, answer
    if not waits:
        return min(held, key=lambda each: each.delay)
    deployment, soonest = min(waits.values(), key=lambda each: each[1].delay)
    if not several or (place and place.pool == deployment.pool):
        return soonest
    return await pools.acquire(_question(wish, deployment))


def _question(wish: ReservationRequest, deployment: Deployment) -> AcquireRequest:
    return AcquireRequest(
        pool=deployment.pool,
        deployment=deployment.name,
        quota=Quota(rpm=deployment.rpm or 0.0),
        limit=wish.limit,
        priority=wish.priority,
        ticket=wish.ticket,
    )


#: A call asks again so much later for money that is set aside for others.
ASK_AGAIN: Final = timedelta(seconds=15)
#: What its message says meanwhile.
NO_MONEY: Final = "the rest of the day's budget is set aside for calls under way"


async def reserve_budget(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Attempt | Failure | Literal[NoBudget.RESERVED]:
    """Return the attempt with its ticket, or why there is no money for it today, or not yet."""
    limit_usd = configuration.settings.daily_budget_usd
    if limit_usd is None:
        return attempt
    day = attempt.started_at.astimezone(UTC).date()
    if attempt.estimate_usd is None:
        return over_budget(day, limit_usd)  # a price that was known when the job was accepted
    ticket = await world.budget.reserve(
        CostReservation(
            amount=to_millionths(attempt.estimate_usd),
            job_id=record.job_id,
            until=attempt.deadline_at,
        ),
        day=day,
        # Who releases a job by hand has decided to spend.
        limit=None if record.budget_waived else to_millionths(limit_usd),
    )
    if ticket is NoBudget.SPENT:
        return over_budget(day, limit_usd)
    if ticket is NoBudget.RESERVED:
        return ticket
    return attempt.model_copy(update={"ticket": ticket})


async def settle_budget(attempt: Attempt, world: World) -> None:
    """Settle a call whose result is written."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, billed(attempt))


async def release_budget(attempt: Attempt, world: World) -> None:
    """Let go what was set aside for a call that was not made."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, 0)


async def no_money_yet(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Failure | Literal[NoBudget.RESERVED] | None:
    """Tell why there would be no money for a call, None when there is; nothing stays set aside."""
    held = await reserve_budget(attempt, record, world, configuration)
    if not isinstance(held, Attempt):
        return held
    await release_budget(held, world)
    return None


async def reconcile(world: World, configuration: Configuration) -> int:
    """Settle what was set aside, yesterday or today, for calls that must be over; return how many.

    The record of the job has the result of each call. If it does not know the call, the record is
    written once more before the money is released: a process that was about to record the call can
    no longer do so.
    """
    if configuration.settings.daily_budget_usd is None:
        return 0
    now, settled = world.clock.now(), 0
    for day in _days(now.astimezone(UTC).date()):
        for ticket, hold in (await world.budget.overdue(day, now=now)).items():
            amount = await _amount(ticket, hold, world)
            if amount is not None:
                await world.budget.settle(ticket, amount)
                settled += 1
    return settled


async def _amount(ticket: str, hold: CostReservation, world: World) -> int | None:
    """Return what a call came to; None while its job has not found out."""
    stored = await world.records.read(hold.job_id)
    if stored is None:
        return hold.amount
    if _attempt(stored.value, ticket) is None and stored.value.state is JobState.RUNNING:
        stored = await _fenced(stored, ticket, world)
    attempt = _attempt(stored.value, ticket)
    if attempt is None:
        return 0
    running = any(task.current == attempt for task in stored.value.tasks)
    return None if running else billed(attempt)


async def _fenced(stored: Versioned[JobRecord], ticket: str, world: World) -> Versioned[JobRecord]:
    """Write the record unless it knows the ticket by now, so that no older version is written."""

    def step(record: JobRecord) -> JobRecord:
        if _attempt(record, ticket):
            return record
        return record.model_copy(update={"updated_at": world.clock.now()})

    return await world.records.update(stored, step)


def _attempt(record: JobRecord, ticket: str) -> Attempt | None:
    return next((attempt for attempt in record.attempts if attempt.ticket == ticket), None)


def _days(today: date) -> Iterator[date]:
    yield today - timedelta(days=1)
    yield today
