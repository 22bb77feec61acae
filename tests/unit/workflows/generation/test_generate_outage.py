"""Jobs while the service is down: few of them pay for it, and all end after."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.errors import NoConnection, NoReply
from shared.images_api.requests import ImageRequest
from shared.limits.circuit_breaker import CALLS_AHEAD, FIRST_INTERVAL
from shared.records.record import JobState
from tests.fakes.endpoint import FakeReply
from tests.simulation.scene import Scene, configured, error_reply, reply_to

JOB = {"prompt": "a fox in the snow", "model": "gpt-image-2", "quality": "low"}
DOWN = timedelta(minutes=2)
POOL = '[{"name": "gpt-image-2", "rpm": 600}]'

type Outage = Callable[[Scene], FakeReply]


def answering(_: Scene) -> FakeReply:
    return error_reply(503, "503")


def resetting(_: Scene) -> FakeReply:
    raise NoReply("reset")


def silent(scene: Scene) -> FakeReply:
    scene.world.clock.advance(scene.world.endpoint.limits[-1])
    raise NoReply("it did not answer")


def refusing(_: Scene) -> FakeReply:
    raise NoConnection("refused")


def scene_of(outage: Outage, jobs: int, **settings: str) -> Scene:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=POOL, **settings))
    ends_at = scene.world.clock.now() + DOWN

    def answer(request: ImageRequest) -> FakeReply:
        return outage(scene) if scene.world.clock.now() < ends_at else reply_to(request)

    scene.world.endpoint.otherwise = answer
    for number in range(jobs):
        scene.submit(JOB | {"job_id": f"fox-{number}"}, message_id=f"message-{number}")
    return scene


def states(scene: Scene) -> dict[JobState, int]:
    found = [record.state for record in scene.records()]
    return {state: found.count(state) for state in set(found)}


def unknown(scene: Scene) -> int:
    """How many calls have an unknown outcome."""
    calls = [attempt for record in scene.records() for attempt in record.attempts]
    return sum(attempt.kind == "unknown" for attempt in calls)


@pytest.mark.parametrize("outage", [answering, resetting, silent, refusing])
@pytest.mark.parametrize("jobs", [1, 2, 60])
async def test_no_job_fails_that_may_call_again(outage: Outage, jobs: int) -> None:
    scene = scene_of(outage, jobs)
    await scene.run(most=3000)
    assert states(scene) == {JobState.SUCCEEDED: jobs}
    assert unknown(scene) <= 3
    told = [each for each in scene.world.event_types() if each.startswith("image.circuit.")]
    assert told in ([], ["image.circuit.opened", "image.circuit.closed"])


@pytest.mark.parametrize(("policy", "end"), [("fail", JobState.FAILED), ("park", JobState.PARKED)])
async def test_a_job_that_may_not_call_again_ends_and_spares_the_others(
    policy: str, end: JobState
) -> None:
    scene = scene_of(answering, 20, ON_UNKNOWN_OUTCOME=policy)
    await scene.run(most=3000)
    assert states(scene) == {end: 1, JobState.SUCCEEDED: 19}


async def test_calls_at_once_are_few_until_one_is_accepted() -> None:
    scene = scene_of(answering, 30)
    while not any(each.queue == "image-tasks" for each in scene.waiting):
        await scene.deliver_abreast()
    await scene.deliver_abreast()
    assert len(scene.world.endpoint.requests) == CALLS_AHEAD
    await scene.run(most=3000)
    assert states(scene) == {JobState.SUCCEEDED: 30}
    assert unknown(scene) <= 3


async def test_jobs_wait_for_the_service_on_their_own_model() -> None:
    scene = Scene()
    scene.world.endpoint.script.extend([error_reply(503, "503")] * 2)
    for number in range(4):
        scene.submit(
            {"job_id": f"fox-{number}", "prompt": "a fox", "model": "auto"},
            message_id=f"message-{number}",
        )
    began = scene.world.clock.now()
    await scene.run(most=600)
    models = {plan.model for record in scene.records() for plan in record.plans}
    assert states(scene) == {JobState.SUCCEEDED: 4}
    assert len(models) == 1
    assert scene.world.clock.now() - began >= FIRST_INTERVAL
