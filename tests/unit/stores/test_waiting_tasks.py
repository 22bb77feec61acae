"""Where tasks wait: what is far off starts no instance, and what is due is on its lane in time."""

from datetime import timedelta

import pytest

from shared.errors import StoreUnavailable
from shared.limits.adaptive_rate import Quota
from shared.limits.pacing import DEFAULT_SHARE, LEAD, LONGEST_DELAY, Ticket
from shared.records.task_messages import TaskMessage, read_task
from shared.stores.waiting_tasks import AHEAD, EVERY, NEXT_LOOK, WaitingState
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.steps import Crash

TASK = TaskMessage(job_id="fox-1", task=0, run=1, held="blocked", traceparent="00-a-b-01")
LANE, WAITING = "image-jobs-small", "image-waiting"


def on(world: FakeWorld, queue: str) -> list[TaskMessage]:
    """The messages of a queue, hidden or not."""
    return [read_task(each.body) for each in world.queues.queues.get(queue, [])]


async def move_on(world: FakeWorld, by: timedelta) -> int:
    world.clock.advance(by)
    return await world.tasks.move_due()


async def in_line(world: FakeWorld, count: int) -> tuple[Ticket, ...]:
    """Places in a line of one call a minute."""
    later = world.clock.now() + timedelta(minutes=1)
    return await world.pools.take_tickets(
        "one", count, at=later, quota=Quota(1), share=DEFAULT_SHARE
    )


@pytest.mark.parametrize("seconds", [0, 1, 55])
async def test_a_task_that_is_due_soon_is_on_its_lane(seconds: int) -> None:
    world = fake_world()
    due = world.clock.now() + timedelta(seconds=seconds)
    await world.tasks.send(TASK, "small", due=due)
    (sent,) = world.queues.sent
    assert (sent.queue, read_task(sent.body)) == (LANE, TASK)
    assert sent.delay == timedelta(seconds=seconds)


async def test_a_task_that_is_far_off_waits_where_no_function_reads() -> None:
    world = fake_world()
    due = world.clock.now() + timedelta(minutes=10)
    await world.tasks.send(TASK, "small", due=due)
    (sent,) = world.queues.sent
    assert (sent.queue, sent.delay) == (WAITING, timedelta(minutes=10) - AHEAD)
    assert await move_on(world, sent.delay - timedelta(seconds=1)) == 0
    assert await move_on(world, EVERY) == 1
    assert on(world, WAITING) == []
    assert on(world, LANE) == [TASK]
    assert world.queues.sent[-1].visible_at == due


async def test_what_is_due_tomorrow_is_looked_at_every_hour() -> None:
    world = fake_world()
    await world.tasks.send(TASK, "large", due=world.clock.now() + timedelta(days=1))
    looks = 0
    while on(world, WAITING):
        assert world.queues.sent[-1].delay <= LONGEST_DELAY
        await move_on(world, LONGEST_DELAY + timedelta(seconds=1))
        looks += 1
    assert looks <= 25
    assert on(world, "image-jobs-large") == [TASK]


async def test_a_ticket_comes_a_little_before_its_call_and_as_the_line_is_then() -> None:
    world = fake_world()
    tickets = await in_line(world, 10)
    last = TASK.model_copy(update={"ticket": tickets[-1]})
    await world.tasks.send(last, "small")
    # Nobody calls for a while, and then the line is stopped by no one: its time stays.
    await move_on(world, tickets[-1].at - world.clock.now() - AHEAD)
    (moved,) = on(world, LANE)
    assert moved.ticket
    assert moved.ticket.number == tickets[-1].number
    assert world.queues.sent[-1].visible_at == moved.ticket.at - LEAD


async def test_a_task_whose_line_was_stopped_waits_on() -> None:
    world = fake_world()
    tickets = await in_line(world, 3)
    await world.tasks.send(TASK.model_copy(update={"ticket": tickets[-1]}), "small")
    stopped = world.pool_ledgers["one"]
    later = stopped.pace.model_copy(update={"free_at": world.clock.now() + timedelta(hours=2)})
    body = stopped.model_copy(update={"pace": later}).model_dump_json().encode()
    world.seed("pace", "one.json", body)
    assert await move_on(world, timedelta(minutes=2)) == 0
    (kept,) = on(world, WAITING)
    assert kept.ticket
    assert kept.ticket.at > world.clock.now() + AHEAD + NEXT_LOOK
    assert on(world, LANE) == []


@pytest.mark.parametrize("step", range(3))
async def test_a_mover_that_dies_at_any_step_loses_no_task(step: int) -> None:
    world = fake_world()
    for _ in range(3):
        await world.tasks.send(TASK, "small", due=world.clock.now() + timedelta(minutes=2))
    world.steps.crash_at = len(world.steps.taken) + step
    with pytest.raises(Crash):
        await move_on(world, timedelta(minutes=2))
    world.steps.crash_at = None
    await move_on(world, timedelta(minutes=2))
    assert on(world, WAITING) == []
    assert 3 <= len(on(world, LANE)) <= 4


async def test_storage_that_fails_leaves_every_task_where_it_is_found_again() -> None:
    world = fake_world()
    await world.tasks.send(TASK, "small", due=world.clock.now() + timedelta(minutes=2))
    world.steps.failing["queues.send"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await move_on(world, timedelta(minutes=2))
    assert await move_on(world, timedelta(minutes=2)) == 1


async def test_a_process_looks_at_most_every_few_seconds() -> None:
    world = fake_world()
    for _ in range(4):
        await move_on(world, EVERY / 2)
    assert world.steps.taken == ["queues.receive"] * 2


async def test_what_is_no_task_goes_to_a_lane_and_becomes_poison_there() -> None:
    world = fake_world()
    await world.queues.send(WAITING, b"junk")
    assert await world.tasks.move_due() == 1
    assert world.queues.bodies(LANE) == [b"junk"]
    assert world.queues.queues[WAITING] == []


async def test_a_look_counts_what_waits_and_says_how_late_the_latest_is_and_takes_none() -> None:
    world = fake_world()
    now = world.clock.now()
    assert await world.tasks.look() == WaitingState(0, timedelta())
    await world.queues.send(WAITING, b"junk")
    for minutes in (2, 3, 60):
        await world.tasks.send(TASK, "small", due=now + timedelta(minutes=minutes))
    world.clock.advance(timedelta(minutes=2) - AHEAD)
    assert await world.tasks.look() == WaitingState(4, timedelta())
    world.clock.advance(timedelta(minutes=2, seconds=10))
    assert await world.tasks.look() == WaitingState(4, timedelta(seconds=130))
    assert await world.tasks.move_due() == 3
    assert await world.tasks.look() == WaitingState(1, timedelta())


async def test_a_ticket_that_should_have_been_moved_is_late_by_its_own_time() -> None:
    world = fake_world()
    tickets = await in_line(world, 4)
    await world.tasks.send(TASK.model_copy(update={"ticket": tickets[-1]}), "small")
    world.clock.time = tickets[-1].at - AHEAD + timedelta(seconds=7)
    assert (await world.tasks.look()).late == timedelta(seconds=7)
