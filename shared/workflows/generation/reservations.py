"""Reserve a time to call from the quota pools, and the cost of the call from the day's budget.

A deployment whose pool is throttled, blocked or busy gives way to the next one of the plan, since
nothing was sent. Waits of seconds are waited here; for a longer one, the message is put back.
The cost is reserved before a call, settled after it, and reconciled when a process died.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from ...catalogue.deployments import Deployment
from ...config.settings import Configuration
from ...errors import ImageJobsError, NewerRecord, RecordGone, Unavailable, UnreadableRecord
from ...limits.adaptive_rate import Quota
from ...limits.budget import MILLION, CostReservation, NoBudget, SettledCost, to_millionths
from ...limits.pacing import SHORT_WAIT, Postponed, Share, Ticket
from ...limits.pool_ledger import (
    AcquireRequest,
    AcquireResult,
    CircuitOpen,
    Reservation,
    expect_call,
)
from ...ports import Versioned
from ...records.costs import over_budget, settled_cost
from ...records.record import Attempt, Failure, JobRecord, JobState, TaskState
from ...stores.ledgers import PoolLedgers
from ...stores.world import World


@dataclass(frozen=True, slots=True)
class ReservationRequest:
    """The call that a task asks the pools for."""

    #: In order of preference; at least one.
    deployments: Sequence[Deployment]
    #: The longest its call may take.
    limit: timedelta
    share: Share
    #: The ticket that its message came back with.
    ticket: Ticket | None
    #: A call time at or after this is too late.
    give_up_at: datetime
    #: The task may not call again if the outcome is unknown.
    is_last_call: bool = False


async def acquire_reservation(request: ReservationRequest, world: World) -> AcquireResult:
    """Return a reservation to use at once, or how long to wait; raises `StoreUnavailable`.

    A wait in place holds the message and no reservation, so that others can come before it.
    """
    while True:
        answer = await _acquire(request, world.pools)
        if isinstance(answer, CircuitOpen):
            return answer
        if isinstance(answer, Reservation):
            ticket, wait = answer.call_time.ticket, answer.call_time.wait
        else:
            ticket, wait = answer.ticket, answer.delay
        if world.clock.now() + wait >= request.give_up_at:
            return Postponed(ticket=ticket, delay=wait)
        if isinstance(answer, Reservation):
            if not wait or await world.pools.wait_for(answer):
                return answer
        elif world.tasks.keeps(answer):
            await world.clock.sleep(answer.next_look.total_seconds())
        else:
            return answer
        request = replace(request, ticket=ticket)


async def _acquire(request: ReservationRequest, pools: PoolLedgers) -> AcquireResult:
    """Ask one pool after the other for a call now, then that with the shortest wait for a ticket.

    The pool of the message's own ticket is asked first. No other ticket is taken before a pool is
    chosen: the slot of a ticket that is not used is lost.
    """
    ticket = request.ticket
    order = sorted(request.deployments, key=lambda each: not (ticket and ticket.pool == each.pool))
    several = len({each.pool for each in order}) > 1
    waits: dict[str, tuple[Deployment, Postponed]] = {}
    circuits: list[CircuitOpen] = []
    for deployment in order:
        if deployment.pool in waits:
            continue
        has_ticket = bool(ticket and ticket.pool == deployment.pool)
        ask = _ask(request, deployment)
        answer = await pools.acquire(replace(ask, only_now=several and not has_ticket))
        if isinstance(answer, Reservation):
            return answer
        if isinstance(answer, CircuitOpen):
            circuits.append(answer)
        else:
            waits[deployment.pool] = deployment, answer
    if not waits:
        return min(circuits, key=lambda each: each.delay)
    deployment, soonest = min(waits.values(), key=lambda each: each[1].delay)
    if not several or (ticket and ticket.pool == deployment.pool):
        return soonest
    return await pools.acquire(_ask(request, deployment))


def find_share(record: JobRecord, configuration: Configuration) -> Share:
    """Return whose calls those of a job are, and that tenant's share of the quota."""
    tenant = configuration.settings.find_tenant(record.job.tenant)
    return Share(tenant.name, tenant.weight, record.job.priority)


async def take_tickets(record: JobRecord, world: World, configuration: Configuration) -> JobRecord:
    """Return a record that is about to be written, with a place in line for each pending task.

    Each place is in the pool that would call soonest; one write for each pool.
    Where a ledger can't be written now, its tasks ask when they are delivered. Where others wait, a
    job that was accepted before gets none: a number that nobody uses holds them up. Nor does a job
    that is too early: it asks when its time has come.
    """
    now, given = world.clock.now(), dict[int, Ticket]()
    if record.job.not_before and now < record.job.not_before:
        return record
    by_pool: dict[str, tuple[Quota, list[int]]] = {}
    with suppress(Unavailable):
        for part, plan in enumerate(record.plans):
            soonest = await _find_soonest(plan.deployments, world, configuration)
            if soonest is None:
                continue
            deployment, at = soonest
            if (
                at > now + SHORT_WAIT
                and record.run == 1
                and await world.records.read(record.job_id)
            ):
                return record
            quota = Quota(rpm=deployment.rpm or 0.0)
            _, indices = by_pool.setdefault(deployment.pool, (quota, []))
            indices += [
                task.index
                for task in record.tasks
                if task.part == part and task.state is TaskState.PENDING
            ]
        share = find_share(record, configuration)
        for pool, (quota, indices) in by_pool.items():
            tickets = await world.pools.take_tickets(pool, len(indices), quota=quota, share=share)
            given |= zip(indices, tickets, strict=True)
    tasks = (
        task.model_copy(update={"ticket": given[task.index]}) if task.index in given else task
        for task in record.tasks
    )
    return record.model_copy(update={"tasks": tuple(tasks)})


async def _find_soonest(
    names: Sequence[str], world: World, configuration: Configuration
) -> tuple[Deployment, datetime] | None:
    """Return the deployment that would call soonest, and when; None where none is configured."""
    known = [each for name in names if (each := configuration.deployment(name))]
    several, pools, now = len({each.pool for each in known}) > 1, world.pools, world.clock.now()
    expected: list[tuple[datetime, int]] = []
    for order, each in enumerate(known):
        ledger = await pools.look(each.pool) if several else pools.last_seen(each.pool)
        at = expect_call(ledger, each.name, quota=Quota(rpm=each.rpm or 0.0), now=now)
        expected.append((at or datetime.max.replace(tzinfo=UTC), order))
    if not expected:
        return None
    at, order = min(expected)
    return known[order], at


def _ask(request: ReservationRequest, deployment: Deployment) -> AcquireRequest:
    return AcquireRequest(
        pool=deployment.pool,
        deployment=deployment.name,
        quota=Quota(rpm=deployment.rpm or 0.0),
        limit=request.limit,
        share=request.share,
        ticket=request.ticket,
        is_last_call=request.is_last_call,
    )


#: The wait before a call asks again for budget that is reserved for others.
ASK_AGAIN: Final = timedelta(seconds=15)
#: The reason that its message gives meanwhile.
NO_MONEY: Final = "the rest of the day's budget is reserved for calls under way"


async def reserve_budget(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Attempt | Failure | NoBudget:
    """Return the attempt with its ticket, or why there is no money for it today, or not yet."""
    settings = configuration.settings
    if not settings.keeps_budget:
        return attempt
    tenant = settings.find_tenant(record.job.tenant)
    day = attempt.started_at.astimezone(UTC).date()

    def lack(*, of_tenant: bool, left: int | None = None) -> Failure:
        limit = (tenant.daily_budget_usd if of_tenant else settings.daily_budget_usd) or 0.0
        return over_budget(
            day,
            limit,
            estimate_usd=attempt.estimate_usd,
            left_usd=limit if left is None else left / MILLION,
            tenant=tenant.name if of_tenant else None,
        )

    if attempt.estimate_usd is None:  # a price that was known when the job was accepted
        if settings.daily_budget_usd is None and tenant.daily_budget_usd is None:
            return attempt
        return lack(of_tenant=settings.daily_budget_usd is None)
    # Releasing a job by hand is a decision to pay.
    limits = (
        (None, None)
        if record.budget_waived
        else (settings.daily_budget_usd, tenant.daily_budget_usd)
    )
    limit, tenant_limit = (None if usd is None else to_millionths(usd) for usd in limits)
    ticket = await world.budget.reserve(
        CostReservation(
            amount=to_millionths(attempt.estimate_usd),
            job_id=record.job_id,
            tenant=tenant.name,
            until=attempt.deadline_at,
        ),
        day=day,
        limit=limit,
        tenant_limit=tenant_limit,
    )
    if isinstance(ticket, NoBudget):
        return ticket if ticket.try_later else lack(of_tenant=ticket.of_tenant, left=ticket.left)
    return attempt.model_copy(update={"ticket": ticket})


async def settle_budget(attempt: Attempt, world: World) -> None:
    """Settle a call whose result is written."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, settled_cost(attempt))


async def release_budget(attempt: Attempt, world: World) -> None:
    """Release the reservation of a call that was not made."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, SettledCost())


async def find_budget_obstacle(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Failure | NoBudget | None:
    """Return why the budget does not allow a call now, or None; nothing stays reserved."""
    reserved = await reserve_budget(attempt, record, world, configuration)
    if not isinstance(reserved, Attempt):
        return reserved
    await release_budget(reserved, world)
    return None


async def reconcile(
    world: World, configuration: Configuration
) -> AsyncIterator[tuple[str, ImageJobsError | None]]:
    """Settle reservations of yesterday and today for calls that must be over.

    Yields each job that was settled, and each job or day that could not be, with its error. The
    record of the job has the result of each call; without one, the whole reservation is possible
    cost. If it does not know the call, the record is
    written once more before the money is released: a process that was about to record the call can
    no longer do so.
    """
    if not configuration.settings.keeps_budget:
        return
    now = world.clock.now()
    today = now.astimezone(UTC).date()
    for day in (today - timedelta(days=1), today):
        try:
            overdue = await world.budget.overdue(day, now=now)
        except (Unavailable, UnreadableRecord) as error:
            yield f"budget of {day}", error
            continue
        for ticket, hold in overdue.items():
            try:
                cost = await _cost_of_reservation(ticket, hold, world)
                if cost is not None:
                    await world.budget.settle(ticket, cost)
                    yield hold.job_id, None
            except (RecordGone, UnreadableRecord) as error:
                yield hold.job_id, error
            except Unavailable as error:
                yield f"budget of {day}", error
                break


async def _cost_of_reservation(
    ticket: str, hold: CostReservation, world: World
) -> SettledCost | None:
    """Return the cost of a call; None while its attempt is under way."""
    try:
        stored = await world.records.read(hold.job_id)
    except NewerRecord:
        raise
    except UnreadableRecord:
        stored = None
    if stored is None:
        return SettledCost(at_most=hold.amount)
    if _attempt(stored.value, ticket) is None and stored.value.state is JobState.RUNNING:
        stored = await _fence(stored, ticket, world)
    attempt = _attempt(stored.value, ticket)
    if attempt is None:
        return SettledCost()
    running = any(task.current == attempt for task in stored.value.tasks)
    return None if running else settled_cost(attempt)


async def _fence(stored: Versioned[JobRecord], ticket: str, world: World) -> Versioned[JobRecord]:
    """Write the record unless it knows the ticket by now, so that no older version is written."""

    def step(record: JobRecord) -> JobRecord:
        if _attempt(record, ticket):
            return record
        return record.model_copy(update={"updated_at": world.clock.now()})

    return await world.records.update(stored, step)


def _attempt(record: JobRecord, ticket: str) -> Attempt | None:
    return next((attempt for attempt in record.attempts if attempt.ticket == ticket), None)
