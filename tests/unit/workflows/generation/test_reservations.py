from dataclasses import replace
from datetime import timedelta

from shared.catalogue.deployments import Deployment
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pacing import Postponed, Share
from shared.limits.pool_ledger import AcquireRequest, CircuitOpen, Reservation
from shared.stores.ledgers import PoolLedgers
from shared.workflows.generation.reservations import ReservationRequest, acquire_reservation
from tests.fakes.world import FakeWorld, fake_world

LIMIT = timedelta(minutes=5)


def deployment(name: str, *, pool: str = "", rpm: float = 60) -> Deployment:
    return Deployment(name=name, model="gpt-image-2", pool=pool or name, rpm=rpm)


def wish(world: FakeWorld, *deployments: Deployment) -> ReservationRequest:
    return ReservationRequest(
        deployments=deployments,
        limit=LIMIT,
        share=Share(),
        ticket=None,
        give_up_at=world.clock.now() + timedelta(days=1),
    )


async def take(world: FakeWorld, pool: str, *, times: int, rpm: float = 60) -> list[Reservation]:
    """Take turns of a pool, without waiting for them."""
    question = AcquireRequest(pool, pool, Quota(rpm), LIMIT)
    answers = [await world.pools.acquire(question) for _ in range(times)]
    return [answer for answer in answers if isinstance(answer, Reservation)]


def numbers(world: FakeWorld, pool: str) -> float:
    """Numbers that are out."""
    pace = world.pool_ledgers[pool].pace
    return round(pace.promised - pace.calling, 3)


async def test_a_turn_that_is_seconds_away_is_waited_for() -> None:
    world = fake_world()
    await take(world, "one", times=3)
    began = world.clock.now()
    answer = await acquire_reservation(wish(world, deployment("one")), world)
    assert isinstance(answer, Reservation)
    assert world.clock.now() - began == timedelta(seconds=3)


async def test_a_turn_that_became_void_while_it_was_waited_for_is_not_used() -> None:
    world = fake_world()
    first, *_ = await take(world, "one", times=3)
    elsewhere = PoolLedgers(world.container("pace"), world.clock)
    sleep, waits = world.clock.sleep, list[float]()

    async def refused_meanwhile(seconds: float) -> None:
        waits.append(seconds)
        await sleep(seconds)
        if len(waits) == 1:
            await elsewhere.report(first, CallFeedback("throttled", retry_after=1))

    world.clock.sleep = refused_meanwhile  # type: ignore[method-assign]  # once, for this test
    answer = await acquire_reservation(wish(world, deployment("one")), world)
    assert isinstance(answer, Reservation)
    assert answer.call_time.stops == first.call_time.stops + 1
    assert len(waits) == 2


async def test_no_number_is_taken_where_another_quota_is_free() -> None:
    world = fake_world()
    await take(world, "one", times=6)
    answer = await acquire_reservation(wish(world, deployment("one"), deployment("two")), world)
    assert isinstance(answer, Reservation)
    assert answer.deployment == "two"
    assert numbers(world, "one") == 0


async def test_one_number_is_taken_where_every_quota_is_busy_and_at_the_quickest() -> None:
    world = fake_world()
    await take(world, "slow", times=9, rpm=2)
    await take(world, "fast", times=120)
    wanted = wish(world, deployment("slow", rpm=2), deployment("fast"))
    answer = await acquire_reservation(wanted, world)
    assert isinstance(answer, Postponed)
    assert answer.ticket.pool == "fast"
    assert (numbers(world, "slow"), numbers(world, "fast")) == (8, 115)


async def test_a_wait_of_less_than_a_minute_is_waited_in_place_without_a_reservation() -> None:
    world = fake_world()
    await take(world, "one", times=30)
    began, newcomer = world.clock.now(), AcquireRequest("one", "one", Quota(60), LIMIT, Share("b"))
    sleep, granted = world.clock.sleep, list[Reservation]()

    async def come_meanwhile(seconds: float) -> None:
        await sleep(seconds)
        if not granted and isinstance(answer := await world.pools.acquire(newcomer), Reservation):
            granted.append(answer)

    world.clock.sleep = come_meanwhile  # type: ignore[method-assign]  # for this test
    answer = await acquire_reservation(wish(world, deployment("one")), world)
    assert isinstance(answer, Reservation)
    assert granted
    assert granted[0].call_time.at < answer.call_time.at
    assert world.clock.now() == answer.call_time.at > began


async def test_a_place_that_is_held_is_asked_for_first() -> None:
    world = fake_world()
    await take(world, "two", times=6)
    place = await world.pools.acquire(AcquireRequest("two", "two", Quota(60), LIMIT))
    assert isinstance(place, Postponed)
    world.clock.advance(place.delay)
    wanted = wish(world, deployment("one"), deployment("two"))
    answer = await acquire_reservation(replace(wanted, ticket=place.ticket), world)
    assert isinstance(answer, Reservation)
    assert answer.deployment == "two"


async def test_the_next_deployment_of_a_pool_stands_in_for_a_wrong_one() -> None:
    world = fake_world()
    (reservation,) = await take(world, "one", times=1)
    await world.pools.report(reservation, CallFeedback("misconfigured", "no such deployment"))
    answer = await acquire_reservation(
        wish(world, deployment("one"), deployment("two", pool="one")), world
    )
    assert isinstance(answer, Reservation)
    assert answer.deployment == "two"


async def test_when_nothing_can_be_called_it_is_told_when_to_look_again() -> None:
    world = fake_world()
    for name in ("one", "two"):
        (reservation,) = await take(world, name, times=1)
        await world.pools.report(reservation, CallFeedback("blocked", "temporarily blocked"))
        world.clock.advance(timedelta(seconds=10))
    answer = await acquire_reservation(wish(world, deployment("one"), deployment("two")), world)
    assert isinstance(answer, CircuitOpen)
    assert (answer.pool, answer.delay) == ("one", timedelta(seconds=10))


async def test_a_turn_after_the_end_is_of_no_use() -> None:
    world = fake_world()
    await take(world, "one", times=4)
    wanted = replace(
        wish(world, deployment("one")), give_up_at=world.clock.now() + timedelta(seconds=2)
    )
    assert isinstance(await acquire_reservation(wanted, world), Postponed)
