"""Where tasks wait: what is far off starts no instance, and what is due is delivered in time."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import StoreUnavailable
from shared.limits.adaptive_rate import Quota
from shared.limits.pacing import DEFAULT_SHARE, LONGEST_DELAY, Postponed, Ticket
from shared.records.task_messages import TaskMessage, read_task
from shared.stores.waiting_tasks import (
    AHEAD,
    EVERY,
    HANDOVER,
    NEXT_LOOK,
    WaitingState,
)
from tests.fakes.world import SETTINGS, FakeWorld, fake_world
from tests.simulation.steps import Crash

TASK = TaskMessage(job_id="fox-1", task=0, run=1, held="blocked", traceparent="00-a-b-01")
TASKS, WAITING = "image-tasks", "image-waiting"
LANES = ("image-jobs-small", "image-jobs-standard", "image-jobs-large")
SOON = datetime(2026, 11, 22, 12, 5, tzinfo=UTC)
#: At a call a minute.
LEAD = timedelta(seconds=80)
TICKET = Ticket(pool="one", epoch=SOON, number=7, at=SOON)


def on(world: FakeWorld, queue: str) -> list[TaskMessage]:
    """The messages of a queue, hidden or not."""
    return [read_task(each.body) for each in world.queues.queues.get(queue, [])]


async def move_on(world: FakeWorld, by: timedelta) -> int:
    world.clock.advance(by)
    return await world.tasks.move_due()


async def in_line(world: FakeWorld, count: int, *, rpm: float = 1) -> tuple[Ticket, ...]:
    """Places in a line of so many calls a minute."""
    return await world.pools.take_tickets("one", count, quota=Quota(rpm), share=DEFAULT_SHARE)


@pytest.mark.parametrize("seconds", [0, 1, 55])
async def test_a_task_that_is_due_soon_is_on_the_tasks_queue(seconds: int) -> None:
    world = fake_world()
    due = world.clock.now() + timedelta(seconds=seconds)
    await world.tasks.send(TASK, due=due)
    (sent,) = world.queues.sent
    assert (sent.queue, read_task(sent.body)) == (TASKS, TASK)
    assert sent.delay == timedelta(seconds=seconds)


async def test_a_task_that_is_far_off_waits_where_no_function_reads() -> None:
    world = fake_world()
    due = world.clock.now() + timedelta(minutes=10)
    await world.tasks.send(TASK, due=due)
    (sent,) = world.queues.sent
    assert (sent.queue, sent.delay) == (WAITING, timedelta(minutes=10) - AHEAD)
    assert await move_on(world, sent.delay - timedelta(seconds=1)) == 0
    assert await move_on(world, EVERY) == 1
    assert on(world, WAITING) == []
    assert on(world, TASKS) == [TASK]
    assert world.queues.sent[-1].visible_at == due


async def test_what_is_due_tomorrow_is_looked_at_every_hour() -> None:
    world = fake_world()
    await world.tasks.send(TASK, due=world.clock.now() + timedelta(days=1))
    looks = 0
    while on(world, WAITING):
        assert world.queues.sent[-1].delay <= LONGEST_DELAY
        await move_on(world, LONGEST_DELAY + timedelta(seconds=1))
        looks += 1
    assert looks <= 25
    assert on(world, TASKS) == [TASK]


@pytest.mark.parametrize(
    ("rpm", "configured", "lead"),
    [(1, 40, 80), (10, 40, 72), (60, 40, 40), (60, 8, 12), (1, 8, 16), (600, 8, 8)],
)
async def test_a_ticket_comes_before_its_call_as_the_line_is_then(
    rpm: float, configured: float, lead: float
) -> None:
    """By the lead of the settings, and where calls are rare by more."""
    world = fake_world(SETTINGS.model_copy(update={"lead_seconds": configured}))
    early = timedelta(seconds=lead)
    tickets = await in_line(world, 200, rpm=rpm)
    last = TASK.model_copy(update={"ticket": tickets[-1]})
    await world.tasks.send(last)
    # Nobody calls for a while, and then the line is stopped by no one: its time stays.
    await move_on(world, tickets[-1].at - world.clock.now() - early - HANDOVER)
    (moved,) = on(world, TASKS)
    assert moved.ticket
    assert moved.ticket.number == tickets[-1].number
    assert world.queues.sent[-1].visible_at == moved.ticket.at - early


@pytest.mark.parametrize(("configured", "longest"), [(40, 60), (8, 12)])
async def test_a_task_waits_in_its_place_where_it_came_by_its_lead(
    configured: float, longest: float
) -> None:
    world = fake_world(SETTINGS.model_copy(update={"lead_seconds": configured}))
    (ticket,) = await in_line(world, 1, rpm=600)
    waits = Postponed(ticket=ticket, delay=timedelta(seconds=longest))
    assert world.tasks.keeps(waits)
    assert not world.tasks.keeps(waits.model_copy(update={"delay": waits.delay + EVERY}))


async def slow_down(world: FakeWorld, by: timedelta) -> None:
    """Let the line go on so much later."""
    line = world.pool_ledgers["one"]
    later = line.pace.model_copy(update={"free_at": line.pace.free_at + by})
    world.seed(
        "pace", "one.json", line.model_copy(update={"pace": later}).model_dump_json().encode()
    )


async def test_a_task_whose_line_is_a_minute_or_more_late_is_left_until_it_is_seen_again() -> None:
    world = fake_world()
    tickets = await in_line(world, 5)
    await world.tasks.send(TASK.model_copy(update={"ticket": tickets[-1]}))
    await slow_down(world, timedelta(minutes=1))
    assert await move_on(world, tickets[-1].at - world.clock.now() - LEAD - HANDOVER) == 0
    assert len(world.queues.bodies(WAITING)) == 1
    assert await move_on(world, timedelta(minutes=1)) == 1
    assert on(world, WAITING) == []


async def test_a_task_whose_line_was_stopped_waits_on() -> None:
    world = fake_world()
    tickets = await in_line(world, 3)
    await world.tasks.send(TASK.model_copy(update={"ticket": tickets[-1]}))
    stopped = world.pool_ledgers["one"]
    later = stopped.pace.model_copy(update={"free_at": world.clock.now() + timedelta(hours=2)})
    body = stopped.model_copy(update={"pace": later}).model_dump_json().encode()
    world.seed("pace", "one.json", body)
    assert await move_on(world, timedelta(minutes=2)) == 0
    (kept,) = on(world, WAITING)
    assert kept.ticket
    assert kept.ticket.at > world.clock.now() + AHEAD + NEXT_LOOK
    assert on(world, TASKS) == []


@pytest.mark.parametrize("step", range(3))
async def test_a_mover_that_dies_at_any_step_loses_no_task(step: int) -> None:
    world = fake_world()
    for _ in range(3):
        await world.tasks.send(TASK, due=world.clock.now() + timedelta(minutes=2))
    world.steps.crash_at = len(world.steps.taken) + step
    with pytest.raises(Crash):
        await move_on(world, timedelta(minutes=2))
    world.steps.crash_at = None
    await move_on(world, timedelta(minutes=2))
    assert on(world, WAITING) == []
    assert 3 <= len(on(world, TASKS)) <= 4


async def test_storage_that_fails_leaves_every_task_where_it_is_found_again() -> None:
    world = fake_world()
    await world.tasks.send(TASK, due=world.clock.now() + timedelta(minutes=2))
    world.steps.failing["queues.send"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await move_on(world, timedelta(minutes=2))
    assert await move_on(world, timedelta(minutes=2)) == 1


async def test_a_process_looks_at_most_every_few_seconds() -> None:
    world = fake_world()
    for _ in range(4):
        await move_on(world, EVERY / 2)
    assert world.steps.taken == ["queues.receive"] * 2


async def test_what_is_no_task_goes_to_the_tasks_queue_and_becomes_poison_there() -> None:
    world = fake_world()
    await world.queues.send(WAITING, b"junk")
    assert await world.tasks.move_due() == 1
    assert world.queues.bodies(TASKS) == [b"junk"]
    assert world.queues.queues[WAITING] == []


async def test_a_look_counts_what_waits_and_says_how_late_the_latest_is_and_takes_none() -> None:
    world = fake_world()
    now = world.clock.now()
    assert await world.tasks.look() == WaitingState(0, timedelta())
    await world.queues.send(WAITING, b"junk")
    for minutes in (2, 3, 60):
        await world.tasks.send(TASK, due=now + timedelta(minutes=minutes))
    world.clock.advance(timedelta(minutes=2) - AHEAD)
    assert await world.tasks.look() == WaitingState(4, timedelta())
    world.clock.advance(timedelta(minutes=2, seconds=10))
    assert await world.tasks.look() == WaitingState(4, timedelta(seconds=130))
    assert await world.tasks.move_due() == 3
    assert await world.tasks.look() == WaitingState(1, timedelta())


async def test_a_ticket_that_should_have_been_moved_is_late_by_its_own_time() -> None:
    world = fake_world()
    tickets = await in_line(world, 4)
    await world.tasks.send(TASK.model_copy(update={"ticket": tickets[-1]}))
    world.clock.time = tickets[-1].at - LEAD - HANDOVER + timedelta(seconds=7)
    assert (await world.tasks.look()).late == timedelta(seconds=7)


async def with_lanes() -> FakeWorld:
    """A world where the version before has left a task on each lane, and one as poison."""
    world = fake_world()
    world.queues.missing.clear()
    for number, lane in enumerate(LANES):
        body = TASK.model_copy(update={"task": number, "ticket": TICKET}).to_bytes()
        await world.queues.send(lane, body, delay=timedelta(minutes=number))
    await world.queues.send("image-jobs-large-poison", b"junk")
    return world


async def test_what_the_version_before_left_on_its_lanes_is_moved_when_it_is_visible() -> None:
    world = await with_lanes()
    assert await world.tasks.empty_lanes() == 2
    world.clock.advance(timedelta(minutes=2))
    assert await world.tasks.empty_lanes() == 2
    assert [(each.task, each.ticket) for each in on(world, TASKS)] == [
        (number, TICKET) for number in range(3)
    ]
    assert world.queues.bodies("image-tasks-poison") == [b"junk"]
    assert not any(world.queues.queues[lane] for lane in LANES)


async def test_a_long_lane_is_emptied_page_by_page_and_a_longer_one_by_the_next_sweep() -> None:
    world = await with_lanes()
    for _ in range(1000):
        await world.queues.send(LANES[1], TASK.to_bytes())
    assert await world.tasks.empty_lanes() == 30 * 32 + 2
    assert await world.tasks.empty_lanes() == 40


@pytest.mark.parametrize("step", range(14))
async def test_a_process_that_dies_while_it_empties_lanes_loses_no_task(step: int) -> None:
    world = await with_lanes()
    world.clock.advance(timedelta(minutes=2))
    world.steps.crash_at = len(world.steps.taken) + step
    with pytest.raises(Crash):
        await world.tasks.empty_lanes()
    world.steps.crash_at = None
    world.clock.advance(timedelta(minutes=2))
    await world.tasks.empty_lanes()
    assert {each.task for each in on(world, TASKS)} == {0, 1, 2}
    assert len(on(world, TASKS)) + len(world.queues.bodies("image-tasks-poison")) <= 5
    assert not any(world.queues.queues[lane] for lane in (*LANES, "image-jobs-large-poison"))


async def test_a_lane_that_is_gone_hides_no_other_and_is_not_read_again() -> None:
    world = await with_lanes()
    world.queues.missing.add(LANES[0])
    assert await world.tasks.empty_lanes() == 1
    world.queues.missing.clear()
    assert await world.tasks.empty_lanes() == 0


async def test_a_lane_that_does_not_answer_is_read_by_the_next_sweep() -> None:
    world = await with_lanes()
    world.steps.failing["queues.receive"] = [StoreUnavailable("busy")]
    assert await world.tasks.empty_lanes() == 1
    assert await world.tasks.empty_lanes() == 1


async def test_a_tasks_queue_that_takes_no_message_leaves_it_on_its_lane() -> None:
    world = await with_lanes()
    world.steps.failing["queues.send"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await world.tasks.empty_lanes()
    world.clock.advance(timedelta(minutes=2))
    await world.tasks.empty_lanes()
    assert {each.task for each in on(world, TASKS)} == {0, 1, 2}


async def test_a_waiting_task_of_the_version_before_is_moved_to_the_tasks_queue() -> None:
    world = fake_world()
    kept = json.loads(TASK.to_bytes()) | {"lane": "large"}
    await world.queues.send(WAITING, json.dumps(kept).encode())
    assert await world.tasks.move_due() == 1
    assert on(world, TASKS) == [TASK]
