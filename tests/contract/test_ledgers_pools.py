"""The ledgers of quota pools: the same on a fake and on real blobs."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import MOST_UNANSWERED, NOTHING, CallFeedback
from shared.limits.pacing import Postponed, count_waiting
from shared.limits.pool_ledger import AcquireRequest, CircuitOpen, Reservation, is_answering
from shared.ports import Blobs
from shared.stores.ledgers import FRESH, SEEN_LATELY, PoolLedgers
from tests.fakes.memory import MemoryBlobs
from tests.fakes.world import FakeClock

RPM = 60.0
LIMIT = timedelta(minutes=2)


def question(deployment: str = "one", *, rpm: float = RPM) -> AcquireRequest:
    return AcquireRequest("pool", deployment, Quota(rpm), LIMIT)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def pools(blobs: Blobs, clock: FakeClock) -> PoolLedgers:
    return PoolLedgers(blobs, clock)


async def permitted(pools: PoolLedgers, asked: AcquireRequest) -> Reservation:
    answer = await pools.acquire(asked)
    assert isinstance(answer, Reservation)
    return answer


async def test_turns_are_given_one_after_the_other(pools: PoolLedgers, clock: FakeClock) -> None:
    turns = [(await permitted(pools, question())).call_time for _ in range(5)]
    assert [turn.at - clock.now() for turn in turns] == [timedelta(seconds=n) for n in range(5)]


async def test_whoever_comes_when_it_is_full_gets_a_number(pools: PoolLedgers) -> None:
    answers = [await pools.acquire(question()) for _ in range(9)]
    numbers = [each.ticket.number for each in answers if isinstance(each, Postponed)]
    assert numbers == sorted(set(numbers))
    assert len(numbers) == 3


async def test_a_refusal_is_heard_by_everybody(pools: PoolLedgers, clock: FakeClock) -> None:
    first, second, third = [await permitted(pools, question()) for _ in range(3)]
    clock.advance(second.call_time.wait)
    assert await pools.wait_for(second)
    await pools.report(first, CallFeedback("throttled", retry_after=60))
    clock.advance(timedelta(seconds=2))
    assert not await pools.wait_for(third)
    assert isinstance(await pools.acquire(question()), Postponed)


async def test_a_block_is_owed_until_it_was_told(pools: PoolLedgers) -> None:
    reservation = await permitted(pools, question())
    (alarm,) = await pools.report(reservation, CallFeedback("blocked", "temporarily blocked"))
    assert (alarm.kind, alarm.pool, alarm.deployment) == ("opened", "pool", None)
    assert await pools.report(reservation, CallFeedback("blocked", "temporarily blocked")) == (
        alarm,
    )
    await pools.mark_sent("pool", [alarm])
    assert await pools.report(reservation, CallFeedback("blocked", "temporarily blocked")) == ()


async def test_a_blocked_pool_lets_one_call_through_and_its_success_heals_it(
    pools: PoolLedgers, clock: FakeClock
) -> None:
    reservation = await permitted(pools, question())
    await pools.mark_sent(
        "pool", await pools.report(reservation, CallFeedback("blocked", "temporarily blocked"))
    )
    held = await pools.acquire(question("two"))
    assert isinstance(held, CircuitOpen)
    clock.advance(held.delay)
    probe = await permitted(pools, question())
    assert isinstance(await pools.acquire(question()), CircuitOpen)
    (alarm,) = await pools.report(probe, CallFeedback("accepted"))
    assert alarm.kind == "closed"
    assert isinstance(await pools.acquire(question()), Reservation)


async def test_a_probe_that_is_given_up_makes_way_for_another(
    pools: PoolLedgers, clock: FakeClock
) -> None:
    reservation = await permitted(pools, question())
    await pools.report(reservation, CallFeedback("misconfigured", "no such deployment"))
    clock.advance(timedelta(seconds=30))
    probe = await permitted(pools, question())
    await pools.report(probe, NOTHING)
    clock.advance(timedelta(seconds=30))
    assert (await permitted(pools, question())).probe not in {None, probe.probe}


async def begun(pools: PoolLedgers, calls: AsyncExitStack) -> Reservation | None:
    """Begin a call that lasts as long as `calls`; None where it may not be made."""
    reservation = await permitted(pools, question(rpm=6000))
    entered = await calls.enter_async_context(pools.calling(reservation))
    return reservation if entered else None


async def test_calls_beyond_the_window_wait_for_replies(pools: PoolLedgers) -> None:
    async with AsyncExitStack() as calls:
        first, second, third = [await begun(pools, calls) for _ in range(3)]
        assert first
        assert second
        assert third is None
        await pools.report(first, CallFeedback("accepted"))
        assert await begun(pools, calls)
    assert pools.window("pool").under_way == 0


async def test_a_new_process_takes_part_in_a_pool_that_answers(
    pools: PoolLedgers, blobs: Blobs, clock: FakeClock
) -> None:
    new = PoolLedgers(blobs, clock)
    async with AsyncExitStack() as calls:
        _, full = [await begun(pools, calls) for _ in range(2)]
        assert full
        await pools.report(full, CallFeedback("accepted"))
        await pools.acquire(question(rpm=6000))
        made = [await begun(new, calls) for _ in range(MOST_UNANSWERED)]
        assert [each is not None for each in made] == [True] * (MOST_UNANSWERED - 1) + [False]


async def test_in_silence_it_begins_as_few_calls_as_any_new_process(
    pools: PoolLedgers, blobs: Blobs, clock: FakeClock
) -> None:
    new = PoolLedgers(blobs, clock)
    async with AsyncExitStack() as calls:
        for _ in range(2):
            await begun(pools, calls)
        made = [await begun(new, calls) for _ in range(4)]
        assert [each is not None for each in made] == [True, True, False, False]


async def test_a_process_that_drains_tells_at_once_that_its_call_was_accepted(
    pools: PoolLedgers, blobs: Blobs, clock: FakeClock
) -> None:
    _, full = [await permitted(pools, question(rpm=6000)) for _ in range(2)]
    clock.advance(SEEN_LATELY + timedelta(seconds=1))
    await pools.report(full, CallFeedback("accepted"))
    assert is_answering(await PoolLedgers(blobs, clock).look("pool"), now=clock.now())


async def test_a_call_that_waited_is_not_made_when_a_circuit_opened_meanwhile(
    pools: PoolLedgers, clock: FakeClock
) -> None:
    late = await permitted(pools, question(rpm=6000))
    async with AsyncExitStack() as calls:
        failing = [await begun(pools, calls) for _ in range(2)]
        waiting = asyncio.create_task(pools.calling(late).__aenter__())
        await asyncio.sleep(0)
        for each in failing:
            assert each
            await pools.report(each, CallFeedback("unavailable", "503"))
    assert not await waiting
    held = await pools.acquire(question(rpm=6000))
    assert isinstance(held, CircuitOpen)
    clock.advance(held.delay)
    probe = await permitted(pools, question(rpm=6000))
    async with AsyncExitStack() as calls, pools.calling(probe) as entered:
        assert entered
        await pools.report(probe, CallFeedback("accepted"))
    assert isinstance(await pools.acquire(question(rpm=6000)), Reservation)


async def test_an_accepted_call_ends_a_streak_that_the_process_knows_of(
    pools: PoolLedgers,
) -> None:
    first, second, third = [await permitted(pools, question(rpm=6000)) for _ in range(3)]
    await pools.report(first, CallFeedback("unavailable", "503"))
    await pools.report(second, CallFeedback("accepted"))
    assert await pools.report(third, CallFeedback("unavailable", "503")) == ()


async def test_pools_do_not_know_of_each_other(pools: PoolLedgers) -> None:
    await pools.acquire(question())
    other = await permitted(pools, AcquireRequest("another", "three", Quota(6), LIMIT))
    assert not other.call_time.wait


async def test_what_was_accepted_is_said_with_the_next_ask(
    pools: PoolLedgers, clock: FakeClock
) -> None:
    refused = await permitted(pools, question())
    await pools.report(refused, CallFeedback("throttled", retry_after=0.1))
    clock.advance(timedelta(seconds=1))
    again = replace(question(), ticket=refused.call_time.ticket)
    turns = [await permitted(pools, again), await permitted(pools, question())]
    assert turns[1].call_time.at_full_rate
    await pools.report(turns[1], CallFeedback("accepted"))
    turns += [await permitted(pools, question()) for _ in range(2)]
    waits = [later.call_time.at - earlier.call_time.at for earlier, later in pairwise(turns)]
    assert waits[2] < waits[0]


class StoppedClock(FakeClock):
    """Stands still even for those who wait."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@pytest.mark.parametrize("hosts", [2, 8])
async def test_hosts_that_ask_at_once_never_get_the_same_turn(blobs: Blobs, hosts: int) -> None:
    several = [PoolLedgers(blobs, StoppedClock()) for _ in range(hosts)]
    answers = await asyncio.gather(
        *(pools.acquire(question(rpm=6000)) for pools in several for _ in range(20))
    )
    turns = sorted(each.call_time.at for each in answers if isinstance(each, Reservation))
    assert len(turns) == hosts * 20
    assert len(set(turns)) == len(turns)
    assert turns[-1] - turns[0] == timedelta(milliseconds=10) * (len(turns) - 1)


class CountedBlobs(MemoryBlobs):
    """Blobs that note every operation."""

    def __init__(self) -> None:
        super().__init__(before=self.note)
        self.operations: list[str] = []

    async def note(self, operation: str, _name: str, _body: bytes) -> None:
        await asyncio.sleep(0)
        self.operations.append(operation)


async def test_changes_that_wait_are_written_together(clock: FakeClock) -> None:
    blobs = CountedBlobs()
    one = PoolLedgers(blobs, clock)
    await asyncio.gather(*(one.acquire(question()) for _ in range(50)))
    # The first one, and those that came while it was being written.
    assert blobs.operations == ["read", "create", "replace"]


async def test_who_looks_at_a_time_reads_once_and_waits_for_a_write(clock: FakeClock) -> None:
    blobs = CountedBlobs()
    one = PoolLedgers(blobs, clock)
    await asyncio.gather(*(one.look("pool") for _ in range(50)))
    assert blobs.operations == ["read"]
    clock.advance(2 * FRESH)
    await asyncio.gather(one.acquire(question()), *(one.look("pool") for _ in range(50)))
    assert blobs.operations == ["read", "read", "create"]


async def test_whoever_is_cancelled_takes_nobody_along(blobs: Blobs, clock: FakeClock) -> None:
    pools = PoolLedgers(blobs, clock)
    asks = [asyncio.create_task(pools.acquire(question(rpm=6000))) for _ in range(10)]
    await asyncio.sleep(0)
    asks[0].cancel()
    asks[5].cancel()
    answers = await asyncio.gather(*asks, return_exceptions=True)
    assert sum(isinstance(each, Reservation) for each in answers) == 8


async def test_a_ledger_that_makes_no_sense_is_begun_anew(blobs: Blobs, clock: FakeClock) -> None:
    await blobs.put("pool.json", b'{"version": 9}')
    assert isinstance(await PoolLedgers(blobs, clock).acquire(question()), Reservation)


async def test_a_look_tells_how_a_pool_stands(pools: PoolLedgers, clock: FakeClock) -> None:
    assert await pools.look("pool") is None
    for _ in range(9):
        await pools.acquire(question())
    ledger = await pools.look("pool")
    assert ledger is not None
    assert count_waiting(ledger.pace, now=clock.now(), quota=Quota(RPM)) == 8
    assert await pools.look("another") is None


async def test_a_look_sees_what_another_host_has_done_and_writes_nothing(
    blobs: Blobs, clock: FakeClock
) -> None:
    one, other = PoolLedgers(blobs, clock), PoolLedgers(blobs, clock)
    assert await one.look("pool") is None
    assert await blobs.read("pool.json") is None
    await other.acquire(question())
    clock.advance(timedelta(seconds=2))
    before = await blobs.read("pool.json")
    ledger = await one.look("pool")
    assert before
    assert ledger is not None
    assert ledger.model_dump_json().encode() == before.body
    assert await blobs.read("pool.json") == before


async def test_looks_within_a_second_are_one_read(clock: FakeClock) -> None:
    blobs = CountedBlobs()
    pools = PoolLedgers(blobs, clock)
    await pools.look("pool")
    await asyncio.gather(*(pools.look("pool") for _ in range(20)))
    assert blobs.operations == ["read"]
