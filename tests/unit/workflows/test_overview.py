"""The whole app at a glance: live, read-only, and honest about what can't be looked at."""

import json
from collections import Counter
from datetime import timedelta

from shared.errors import StoreUnavailable
from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import CallFeedback
from shared.limits.pool_ledger import AcquireRequest, Reservation
from shared.stores.waiting_tasks import AHEAD
from shared.workflows.overview import Overview, overview, probe_pool
from tests.simulation.scene import Scene, configured

FOX = {"job_id": "fox", "prompt": "a fox", "model": "gpt-image-2", "size": "1024x1024"}
TWO_POOLS = json.dumps(
    [
        {"name": "near", "model": "gpt-image-2", "rpm": 60},
        {"name": "far", "model": "gpt-image-2", "rpm": 60},
        {"name": "MAI-Image-2.5", "rpm": 6},
    ]
)


def a_scene(**settings: str) -> Scene:
    return Scene(configured(FOUNDRY_DEPLOYMENTS=TWO_POOLS, **settings))


async def told_of(scene: Scene) -> Overview:
    told, errors = await overview(scene.world, scene.configuration)
    assert errors == ()
    return told


async def permitted(scene: Scene, pool: str, deployment: str) -> Reservation:
    question = AcquireRequest(pool, deployment, Quota(60), timedelta(minutes=2))
    answer = await scene.world.pools.acquire(question)
    assert isinstance(answer, Reservation)
    return answer


async def test_an_app_that_was_never_called_tells_its_quotas() -> None:
    told = await told_of(a_scene())
    assert [(pool.pool, pool.deployments, pool.quota_rpm) for pool in told.pools] == [
        ("gpt-image-2", ("near", "far"), 60),
        ("MAI-Image-2.5", ("MAI-Image-2.5",), 6),
    ]
    assert [pool.pace and pool.pace.rate_rpm for pool in told.pools] == [60, 6]


async def test_a_pool_tells_its_pace_as_it_is_now() -> None:
    scene = a_scene()
    reservation = await permitted(scene, "gpt-image-2", "near")
    await scene.world.pools.report(reservation, CallFeedback("blocked", "temporarily blocked"))
    first, second = (await told_of(scene)).pools
    assert first.pace
    assert second.pace
    assert [circuit.message for circuit in first.pace.circuits] == ["temporarily blocked"]
    assert first.pace.next_call_at == scene.world.clock.now() + timedelta(seconds=30)
    assert second.pace.circuits == ()


async def test_a_store_that_does_not_answer_is_told_apart_from_those_that_do() -> None:
    scene = a_scene()
    scene.world.steps.failing["pictures.read"] = [StoreUnavailable("x")]
    told, errors = await overview(scene.world, scene.configuration)
    assert len(errors) == 1
    assert [(each.store, each.milliseconds) for each in told.stores if not each.problem] == [
        ("records", 0),
        ("queues", 0),
    ]


async def test_a_circuit_is_probed_by_the_next_call_when_somebody_asks_for_it() -> None:
    scene = a_scene()
    reservation = await permitted(scene, "gpt-image-2", "near")
    await scene.world.pools.report(reservation, CallFeedback("blocked", "temporarily blocked"))
    told = await probe_pool("gpt-image-2", scene.world, scene.configuration)
    assert told
    assert told.pace
    assert [circuit.until for circuit in told.pace.circuits] == [None]
    assert (await permitted(scene, "gpt-image-2", "far")).probe
    assert await probe_pool("another", scene.world, scene.configuration) is None


async def test_a_day_tells_what_is_spent_and_what_is_set_aside() -> None:
    scene = a_scene(DAILY_BUDGET_USD="5")
    scene.submit(FOX)
    await scene.run()
    budget = (await told_of(scene)).budget
    assert budget
    assert budget.limit_usd == 5
    assert budget.cost_usd == scene.record("fox").attempts[0].cost_usd
    assert (budget.reserved_usd, budget.calls) == (0, 0)


async def test_without_a_budget_none_limits_and_nothing_is_claimed_to_be_known() -> None:
    scene = a_scene()
    scene.submit(FOX)
    await scene.run()
    budget = (await told_of(scene)).budget
    assert budget
    assert (budget.limit_usd, budget.cost_usd, budget.reserved_usd) == (None, None, None)


async def test_a_ledger_that_does_not_answer_is_said_to_and_hides_no_other() -> None:
    scene = a_scene()
    lost = StoreUnavailable("reading the ledger of the pool 'gpt-image-2': a secret address")
    scene.world.steps.failing["pools.read"] = [lost]
    told, errors = await overview(scene.world, scene.configuration)
    assert errors == (lost,)
    first, second = told.pools
    assert first.pace is None
    assert first.problem == "A service that the app needs did not answer; try again."
    assert second.pace
    assert second.problem is None
    assert told.budget


async def test_the_wait_of_the_oldest_task_is_told() -> None:
    scene = a_scene()
    await scene.world.queues.send("image-tasks", b"{}")
    scene.world.clock.advance(timedelta(minutes=7))
    assert (await told_of(scene)).oldest_task_seconds == 420


async def test_a_tasks_queue_that_does_not_answer_is_said_to() -> None:
    scene = a_scene()
    scene.world.steps.failing["queues.oldest"] = [StoreUnavailable("x")]
    told, errors = await overview(scene.world, scene.configuration)
    assert len(errors) == 1
    assert told.oldest_task_seconds is None
    problem = "A service that the app needs did not answer; try again."
    assert [each.problem for each in told.stores] == [None, None, problem]
    assert all(pool.pace for pool in told.pools)


async def test_what_waits_is_counted_and_its_lateness_told_or_why_it_is_not_known() -> None:
    scene = a_scene()
    later = scene.world.clock.now() + timedelta(minutes=3)
    scene.submit(FOX | {"not_before": later.isoformat()})
    await scene.deliver(scene.waiting.pop())
    waiting = (await told_of(scene)).waiting
    assert (waiting.tasks, waiting.late_seconds, waiting.problem) == (1, 0, None)
    scene.world.clock.time = later + timedelta(minutes=1) - AHEAD
    assert (await told_of(scene)).waiting.late_seconds == 60
    scene.world.steps.failing["queues.peek"] = [StoreUnavailable("x")]
    told, errors = await overview(scene.world, scene.configuration)
    assert (told.waiting.tasks, told.waiting.late_seconds, len(errors)) == (None, None, 1)
    assert told.waiting.problem


async def test_a_budget_that_does_not_answer_is_said_to() -> None:
    scene = a_scene(DAILY_BUDGET_USD="5")
    scene.world.steps.failing["budget.read"] = [StoreUnavailable("x")]
    told, errors = await overview(scene.world, scene.configuration)
    assert (told.budget, len(errors)) == (None, 1)
    assert told.budget_problem
    assert all(pool.pace for pool in told.pools)


async def test_a_look_around_is_one_read_each_and_no_write() -> None:
    scene = a_scene(DAILY_BUDGET_USD="5")
    scene.submit(FOX)
    await scene.run()
    before = len(scene.world.steps.taken)
    await told_of(scene)
    assert Counter(scene.world.steps.taken[before:]) == {
        "queues.oldest": 1,
        "queues.peek": 1,
        "queues.count": 1,
        "records.read": 1,
        "pictures.read": 1,
        "pools.read": 1,  # the other was read a moment ago
        "budget.read": 1,
    }
