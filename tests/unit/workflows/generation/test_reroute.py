import json
from typing import Any

from shared.images_api.outcomes import OutcomeKind
from shared.records.record import JobState
from tests.fakes.endpoint import Answer
from tests.simulation.controlled_job import JOB
from tests.simulation.scene import Scene, configured, data, error_reply

BLOCKED = error_reply(403, "Forbidden", "Your resource has been temporarily blocked")


async def submitted(*answers: Answer, jobs: int = 1, **settings: str) -> Scene:
    scene = Scene(configured(**settings))
    scene.world.endpoint.script.extend(answers)
    for number in range(jobs):
        job = JOB | {"job_id": f"fox-{number + 1}"}
        scene.submit(job, message_id=f"message-{number}")
    return scene


def called(scene: Scene) -> list[str]:
    """The deployment of each call, in order."""
    return [request.url.split("/deployments/")[1].split("/")[0] for request in _requests(scene)]


def _requests(scene: Scene) -> list[Any]:
    return list(scene.world.endpoint.requests)


TWO_MODELS = json.dumps(
    [
        {"name": "flash", "model": "gpt-image-1-mini", "rpm": 600},
        {"name": "main", "model": "gpt-image-2", "rpm": 600},
    ]
)


async def test_a_job_that_left_the_model_to_us_goes_to_another_one_and_says_so() -> None:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=TWO_MODELS))
    scene.submit(JOB | {"model": "auto", "size": "1024x1024"})
    await scene.deliver(scene.waiting.pop())
    chosen = scene.record("fox-1").plans[0].model
    scene.world.endpoint.script.append(BLOCKED)
    await scene.run()
    plan = scene.record("fox-1").plans[0]
    assert plan.model != chosen
    (note,) = [each for each in plan.adjustments if each.field == "model"]
    assert (note.asked, note.decided) == (chosen, plan.model)
    assert "temporarily blocked" in note.reason
    assert data(scene)["model"] == plan.model
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_job_that_named_its_model_waits_for_it() -> None:
    scene = await submitted(BLOCKED, FOUNDRY_DEPLOYMENTS=TWO_MODELS)
    await scene.run()
    assert set(called(scene)) == {"main"}
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_job_that_may_have_been_paid_for_stays_with_its_model() -> None:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=TWO_MODELS))
    scene.submit(JOB | {"model": "auto", "size": "1024x1024"})
    scene.world.endpoint.script.extend([error_reply(504, "504"), BLOCKED])
    await scene.run()
    record = scene.record("fox-1")
    assert record.tasks[0].attempts[0].kind is OutcomeKind.UNKNOWN
    assert not [each for each in record.plans[0].adjustments if each.field == "model"]


async def test_two_models_that_are_both_blocked_send_a_job_to_and_fro_only_once() -> None:
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=TWO_MODELS))
    scene.submit(JOB | {"model": "auto", "size": "1024x1024"})
    scene.world.endpoint.script.extend([BLOCKED, BLOCKED])
    await scene.run()
    plan = scene.record("fox-1").plans[0]
    assert len([each for each in plan.adjustments if each.field == "model"]) == 1
    assert scene.record("fox-1").state is JobState.SUCCEEDED
