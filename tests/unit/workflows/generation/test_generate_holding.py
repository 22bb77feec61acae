"""Jobs whose deployments are busy, blocked or wrong: nothing is lost or hidden."""

import json
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.records.record import JobState
from shared.records.task_messages import read_task
from tests.fakes.endpoint import Answer, FakeReply
from tests.simulation.scene import Scene, configured, data, ended, error_reply

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}
BLOCKED = error_reply(403, "Forbidden", "Your resource has been temporarily blocked")
WRONG = error_reply(404, "DeploymentNotFound", "no such deployment")
THROTTLED = error_reply(429, "429", retry_after_ms="20000")


def deployments(*names: str, model: str = "gpt-image-2", rpm: float = 6) -> str:
    """Deployments of one model, each with a quota of its own."""
    return json.dumps([{"name": n, "model": model, "pool": n, "rpm": rpm} for n in names])


async def submitted(*answers: Answer, jobs: int = 1, **settings: str) -> Scene:
    scene = Scene(configured(**settings))
    scene.world.endpoint.script.extend(answers)
    for number in range(jobs):
        job = JOB | {"job_id": f"fox-{number + 1}"}
        scene.submit(job, message_id=f"message-{number}")
    return scene


def alarms(scene: Scene) -> list[dict[str, Any]]:
    """The events about circuits, their type among their data."""
    events = scene.world.events
    return [
        {"type": event.get_type(), **dict(event.get_data())}  # type: ignore[arg-type]  # a mapping
        for event in events
        if event.get_type().startswith("image.circuit.")
    ]


def called(scene: Scene) -> list[str]:
    """The deployment of each call, in order."""
    return [request.url.split("/deployments/")[1].split("/")[0] for request in _requests(scene)]


def _requests(scene: Scene) -> list[Any]:
    return list(scene.world.endpoint.requests)


async def test_a_block_is_told_once_and_so_is_its_end_and_every_job_is_made() -> None:
    scene = await submitted(BLOCKED, BLOCKED, jobs=5)
    await scene.run(most=600)
    told = alarms(scene)
    assert [alarm["type"] for alarm in told] == ["image.circuit.opened", "image.circuit.closed"]
    assert told[0]["pool"] == "gpt-image-2"
    assert told[0]["deployment"] is None
    assert "temporarily blocked" in told[0]["message"]
    states = {scene.record(f"fox-{n}").state for n in range(1, 6)}
    assert states == {JobState.SUCCEEDED}
    assert len(scene.world.endpoint.requests) == 5 + 2, "nobody but the probe called"


@pytest.mark.parametrize(
    "refusal",
    [
        FakeReply(
            403, body=b'{"statusCode": 403, "message": "Request failed content safety check."}'
        ),
        FakeReply(403, {"content-type": "text/html"}, b"<h1>Content policy violation</h1>"),
        FakeReply(451),
    ],
)
async def test_a_gateway_that_refuses_one_prompt_holds_nobody_else(refusal: FakeReply) -> None:
    scene = await submitted(refusal, jobs=5)
    await scene.run()
    assert alarms(scene) == []
    ends = [scene.record(f"fox-{n}") for n in range(1, 6)]
    (refused,) = [each for each in ends if each.state is JobState.FAILED]
    assert [task.failure.code for task in refused.tasks if task.failure] == ["content_refused"]
    assert len(scene.world.endpoint.requests) == 5


@pytest.mark.parametrize(
    "unpaid",
    [
        error_reply(400, "billing_hard_limit_reached"),
        error_reply(429, "insufficient_quota"),
        FakeReply(402),
    ],
)
async def test_jobs_wait_for_an_account_that_has_not_paid_and_operators_hear_it_once(
    unpaid: FakeReply,
) -> None:
    scene = await submitted(unpaid, unpaid, jobs=5)
    await scene.run(most=600)
    told = alarms(scene)
    assert [alarm["type"] for alarm in told] == ["image.circuit.opened", "image.circuit.closed"]
    assert (told[0]["deployment"], told[0]["reason"]) == (None, "blocked")
    assert {scene.record(f"fox-{n}").state for n in range(1, 6)} == {JobState.SUCCEEDED}
    assert len(scene.world.endpoint.requests) == 5 + 2


async def test_an_alarm_stands_in_the_log_as_well() -> None:
    scene = await submitted(BLOCKED)
    await scene.run()
    lines = [str(alarm) for report in scene.reports for alarm in report.alarms]
    assert lines[0].startswith("circuit opened pool=gpt-image-2 deployment=all reason=blocked")
    assert lines[1].startswith("circuit closed pool=gpt-image-2")


async def test_a_wrong_deployment_makes_way_for_the_next_one() -> None:
    scene = await submitted(WRONG, jobs=3, FOUNDRY_DEPLOYMENTS=deployments("one", "two", rpm=600))
    await scene.run()
    assert called(scene) == ["one", "two", "two", "two"]
    assert [alarm["deployment"] for alarm in alarms(scene)] == ["one"]


async def test_a_busy_quota_makes_way_for_another_one_of_the_same_model() -> None:
    scene = await submitted(jobs=2, FOUNDRY_DEPLOYMENTS=deployments("one", "two", rpm=2))
    await scene.run()
    assert called(scene) == ["one", "two"]
    assert max(each.delay for each in scene.world.queues.sent) < timedelta(seconds=3)


async def test_when_every_quota_is_busy_a_job_waits_for_the_one_that_is_free_first() -> None:
    slow, fast = json.loads(deployments("slow", rpm=1)), json.loads(deployments("fast", rpm=4))
    scene = await submitted(jobs=4, FOUNDRY_DEPLOYMENTS=json.dumps(slow + fast))
    await scene.run()
    assert called(scene) == ["slow", "fast", "fast", "fast"]


async def test_a_new_tenant_is_called_before_those_who_wait_and_by_the_weight_of_its_setting() -> (
    None
):
    scene = Scene(configured(TENANTS='[{"name": "shop", "weight": 2}]'))
    for number in range(40):
        scene.submit(JOB | {"job_id": f"flood-{number}"}, message_id=f"flood-{number}")
    scene.submit(JOB | {"job_id": "shop-1", "tenant": "shop"}, message_id="shop-1")
    await scene.run()
    started = {each.job_id: each.attempts[0].started_at for each in scene.records()}
    later = [job for job, when in started.items() if when > started["shop-1"]]
    assert len(later) > 20


async def test_a_throttled_job_comes_back_with_its_place_and_burns_nothing() -> None:
    scene = await submitted(THROTTLED)
    await scene.run()
    (again,) = [each for each in scene.world.queues.sent if each.delay]
    assert again.delay == timedelta(seconds=20)
    assert read_task(again.body).ticket is not None
    assert data(scene)["attempts"] == 1
    task = scene.record("fox-1").tasks[0]
    assert (task.unpaid_retries, len(task.attempts)) == (1, 1)


async def test_a_429_stops_every_job_of_the_pool() -> None:
    scene = await submitted(THROTTLED, jobs=3, FOUNDRY_DEPLOYMENTS=deployments("one", rpm=60))
    began = scene.world.clock.now()
    await scene.run()
    assert len(scene.world.endpoint.requests) == 4
    starts = sorted(scene.record(f"fox-{n}").attempts[0].started_at for n in range(1, 4))
    assert starts[0] >= began + timedelta(seconds=20)


async def test_a_turn_that_is_seconds_away_is_waited_for_and_the_intent_is_written_then() -> None:
    scene = await submitted(jobs=2, FOUNDRY_DEPLOYMENTS=deployments("one", rpm=20))
    await scene.run()
    first, second = (scene.record(f"fox-{n}").attempts[0].started_at for n in (1, 2))
    assert second - first == timedelta(seconds=3)
    assert max(each.delay for each in scene.world.queues.sent) < timedelta(seconds=3)


@pytest.mark.parametrize("rpm", [1, 6, 600])
async def test_no_paid_call_begins_in_the_first_seconds_of_an_invocation(rpm: float) -> None:
    one = deployments("one", rpm=rpm)
    scene = await submitted(jobs=3, FOUNDRY_DEPLOYMENTS=one, CALL_GUARD_SECONDS="4")
    paid = scene.world.endpoint.requests
    ages = []
    while scene.waiting:
        scene.waiting.sort(key=lambda each: each.due)
        calls, clock = len(paid), scene.world.clock
        began = max(clock.now(), scene.waiting[0].due)
        await scene.deliver(scene.waiting.pop(0))
        if len(paid) > calls:
            ages.append(clock.now() - began)
        scene.take_sent()
        await scene.move_first()
    assert len(ages) == 3
    assert min(ages) >= timedelta(seconds=4)


async def test_calls_keep_their_distance_after_the_first_seconds() -> None:
    one = deployments("one", rpm=20)
    scene = await submitted(jobs=3, FOUNDRY_DEPLOYMENTS=one, CALL_GUARD_SECONDS="4")
    await scene.run()
    starts = sorted(scene.record(f"fox-{n}").attempts[0].started_at for n in (1, 2, 3))
    assert min(b - a for a, b in pairwise(starts)) >= timedelta(seconds=3)


async def test_waiting_for_a_turn_ends_with_the_deadline() -> None:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=deployments("one", rpm=1)))
    deadline = scene.world.clock.now() + timedelta(seconds=90)
    for number in range(5):
        job = JOB | {"job_id": f"fox-{number + 1}", "deadline": deadline.isoformat()}
        scene.submit(job, message_id=f"message-{number}")
    await scene.run()
    assert len(scene.world.endpoint.requests) == 2
    states = [scene.record(f"fox-{n}").state for n in range(1, 6)]
    assert states.count(JobState.FAILED) == 3
    assert all(each.attempts[0].started_at < deadline for each in _called(scene))
    assert scene.world.clock.now() < deadline + timedelta(seconds=5)


def _called(scene: Scene) -> list[Any]:
    records = (scene.record(f"fox-{n}") for n in range(1, 6))
    return [record for record in records if record.attempts]


async def test_a_job_that_was_held_until_its_deadline_says_why() -> None:
    scene = Scene(configured())
    scene.world.endpoint.otherwise = WRONG
    deadline = scene.world.clock.now() + timedelta(hours=2)
    scene.submit(JOB | {"deadline": deadline.isoformat()})
    await scene.run()
    assert ended(scene)[:2] == ("image.job.failed", "deadline_exceeded")
    assert "no such deployment" in data(scene)["message"]
    assert data(scene)["cost_usd"] == 0
    assert [alarm["type"] for alarm in alarms(scene)] == ["image.circuit.opened"]


async def test_low_priority_goes_last() -> None:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=deployments("one", rpm=2)))
    for number, priority in enumerate(["normal", "low", *["normal"] * 6]):
        job = JOB | {"job_id": f"fox-{number + 1}", "priority": priority}
        scene.submit(job, message_id=f"message-{number}")
    await scene.run()
    starts = {n: scene.record(f"fox-{n}").attempts[0].started_at for n in range(1, 9)}
    assert max(starts, key=lambda number: starts[number]) == 2
