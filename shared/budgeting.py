"""Budgeting: money is set aside before a call, settled after it, and found again when forgotten."""

from collections.abc import Iterator
from datetime import UTC, date, timedelta
from typing import Final, Literal

from .budgets import Hold, Refusal, billed, millionths, over_budget
from .changing import change
from .configuration import Configuration
from .ports import Versioned, World
from .records import Attempt, Failure, JobRecord, JobState

#: A call asks again so much later for money that is set aside for others.
ASK_AGAIN: Final = timedelta(seconds=15)
#: What its message says meanwhile.
NO_MONEY: Final = "the rest of the day's budget is set aside for calls under way"


async def set_aside(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Attempt | Failure | Literal[Refusal.HELD]:
    """Return the attempt with its ticket, or why there is no money for it today, or not yet."""
    limit_usd = configuration.settings.daily_budget_usd
    if limit_usd is None:
        return attempt
    day = attempt.started_at.astimezone(UTC).date()
    if attempt.estimate_usd is None:
        return over_budget(day, limit_usd)  # a price that was known when the job was accepted
    ticket = await world.budget.reserve(
        Hold(
            amount=millionths(attempt.estimate_usd),
            job_id=record.job_id,
            until=attempt.deadline_at,
        ),
        day=day,
        # Who releases a job by hand has decided to spend.
        limit=None if record.budget_waived else millionths(limit_usd),
    )
    if ticket is Refusal.SPENT:
        return over_budget(day, limit_usd)
    if ticket is Refusal.HELD:
        return ticket
    return attempt.model_copy(update={"ticket": ticket})


async def settle_up(attempt: Attempt, world: World) -> None:
    """Settle a call whose result is written."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, billed(attempt))


async def give_back(attempt: Attempt, world: World) -> None:
    """Let go what was set aside for a call that was not made."""
    if attempt.ticket is not None:
        await world.budget.settle(attempt.ticket, 0)


async def no_money_yet(
    attempt: Attempt, record: JobRecord, world: World, configuration: Configuration
) -> Failure | Literal[Refusal.HELD] | None:
    """Tell why there would be no money for a call, None when there is; nothing stays set aside."""
    held = await set_aside(attempt, record, world, configuration)
    if not isinstance(held, Attempt):
        return held
    await give_back(held, world)
    return None


async def reconcile(world: World, configuration: Configuration) -> int:
    """Settle what was set aside, yesterday or today, for calls that must be over; return how many.

    What became of each stands in its job's record. Where the record knows nothing of the call, the
    record is written once more before the money is let go: a process that was about to write the
    call down can't do so any more.
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


async def _amount(ticket: str, hold: Hold, world: World) -> int | None:
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

    return await change(world.records, stored, step)


def _attempt(record: JobRecord, ticket: str) -> Attempt | None:
    return next((attempt for attempt in record.attempts if attempt.ticket == ticket), None)


def _days(today: date) -> Iterator[date]:
    yield today - timedelta(days=1)
    yield today
