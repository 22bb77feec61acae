"""Daily budgets: the same on a fake and on real blobs."""

import asyncio
from datetime import date, timedelta

import pytest

from shared.errors import UnreadableRecord
from shared.limits.budget import CostReservation, NoBudget, SettledCost
from shared.ports import Blobs
from shared.stores.ledgers import BudgetLedgers
from tests.contract.conftest import NOW, Account
from tests.fakes.world import FakeClock

DAY = date(2026, 11, 22)
TOMORROW = date(2026, 11, 23)


@pytest.fixture
async def budget(blobs: Blobs) -> BudgetLedgers:
    return BudgetLedgers(blobs, FakeClock())


def a_hold(amount: int = 10, *, minutes: int = 5) -> CostReservation:
    return CostReservation(amount=amount, job_id="job-1", until=NOW + timedelta(minutes=minutes))


async def reserved(budget: BudgetLedgers, hold: CostReservation, *, limit: int | None = 100) -> str:
    ticket = await budget.reserve(hold, day=DAY, limit=limit)
    assert isinstance(ticket, str)
    return ticket


async def test_the_limit_is_never_passed(budget: BudgetLedgers) -> None:
    tickets = [await budget.reserve(a_hold(40), day=DAY, limit=100) for _ in range(3)]
    assert [isinstance(ticket, str) for ticket in tickets] == [True, True, False]
    assert tickets[-1] == NoBudget(left=20, try_later=True)


async def test_without_a_limit_everything_is_counted(budget: BudgetLedgers) -> None:
    await reserved(budget, a_hold(1_000), limit=None)
    assert await budget.reserve(a_hold(1), day=DAY, limit=1_000) == NoBudget(left=0, try_later=True)


async def test_each_day_has_money_of_its_own(budget: BudgetLedgers) -> None:
    await reserved(budget, a_hold(100))
    assert isinstance(await budget.reserve(a_hold(1), day=DAY, limit=100), NoBudget)
    assert isinstance(await budget.reserve(a_hold(100), day=TOMORROW, limit=100), str)


async def test_what_was_not_spent_can_be_spent(budget: BudgetLedgers) -> None:
    ticket = await reserved(budget, a_hold(100))
    await budget.settle(ticket, SettledCost(at_most=30))
    await budget.settle(ticket, SettledCost(at_most=30))
    await reserved(budget, a_hold(70))
    assert await budget.reserve(a_hold(1), day=DAY, limit=100) == NoBudget(left=0, try_later=True)


async def test_a_call_may_cost_more_than_was_set_aside(budget: BudgetLedgers) -> None:
    await budget.settle(await reserved(budget, a_hold(60)), SettledCost(at_most=90))
    assert await budget.reserve(a_hold(11), day=DAY, limit=100) == NoBudget(
        left=10, try_later=False
    )


async def test_a_hold_whose_call_must_be_over_is_found(budget: BudgetLedgers) -> None:
    early, late = a_hold(minutes=1), a_hold(minutes=9)
    ticket = await reserved(budget, early)
    await reserved(budget, late)
    assert await budget.overdue(DAY, now=NOW + timedelta(minutes=5)) == {ticket: early}
    await budget.settle(ticket, SettledCost())
    assert await budget.overdue(DAY, now=NOW + timedelta(minutes=5)) == {}
    assert await budget.overdue(TOMORROW, now=NOW) == {}


async def test_a_look_tells_what_is_spent_and_what_is_set_aside(budget: BudgetLedgers) -> None:
    assert await budget.look(DAY) is None
    ticket, hold = await reserved(budget, a_hold(60)), a_hold(20)
    await reserved(budget, hold)
    await budget.settle(ticket, SettledCost(certain=40, at_most=45))
    ledger = await budget.look(DAY)
    assert ledger is not None
    assert (ledger.certain, ledger.spent) == (40, 45)
    assert tuple(ledger.held.values()) == (hold,)
    assert await budget.look(TOMORROW) is None


async def test_many_at_once_get_no_more_than_there_is(blobs: Blobs) -> None:
    budgets = [BudgetLedgers(blobs, FakeClock()) for _ in range(4)]
    tickets = await asyncio.gather(
        *(budgets[n % len(budgets)].reserve(a_hold(10), day=DAY, limit=100) for n in range(24))
    )
    given = [ticket for ticket in tickets if isinstance(ticket, str)]
    assert len(given) == len(set(given)) == 10


async def test_a_ledger_of_another_shape_is_not_begun_anew(account: Account) -> None:
    container = await account.container()
    await container.upload_blob("budget/2026-11-22.json", b'{"spent": "much"}')
    with pytest.raises(UnreadableRecord, match="mend or delete"):
        await BudgetLedgers(account.blobs, FakeClock()).reserve(a_hold(), day=DAY, limit=100)
    with pytest.raises(UnreadableRecord, match="mend or delete"):
        await BudgetLedgers(account.blobs, FakeClock()).look(DAY)
