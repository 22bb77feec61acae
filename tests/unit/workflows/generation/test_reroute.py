"""Another model for a job that left the choice to the app, when its own cannot be called."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.images_api.outcomes import OutcomeKind
from shared.limits.pool_ledger import CircuitOpen
from shared.records.record import JobRecord, JobState, TaskState
from shared.workflows.generation.reroute import reroute
from tests.builders.ended_jobs import AT, attempt, picture
from tests.builders.pictures import drawn
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


HELD = CircuitOpen("flash", "flash", "blocked", "temporarily blocked", timedelta(minutes=5))


async def waiting(**job: Any) -> JobRecord:  # noqa: ANN401 - any field of a job
    """A job on the cheaper of two models, whose call has not begun."""
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=TWO_MODELS))
    scene.submit(JOB | {"model": "auto", "size": "1024x1024"} | job)
    await scene.deliver(scene.waiting.pop())
    return scene.record("fox-1")


def moved(record: JobRecord, **settings: str) -> JobRecord | None:
    configuration = configured(**({"FOUNDRY_DEPLOYMENTS": TWO_MODELS} | settings))
    return reroute(record, 0, HELD, configuration, prompt_characters=9, now=AT)


async def test_the_pictures_keep_their_names_and_the_tasks_their_numbers() -> None:
    before = await waiting(n=2)
    after = moved(before)
    assert after is not None
    assert after.plans[0].model != before.plans[0].model
    assert after.tasks == before.tasks
    assert after.updated_at == AT
    assert after.plans[0].adjustments[0].reason.endswith("blocked, temporarily blocked")


async def test_without_another_model_the_job_waits() -> None:
    only = '[{"name": "flash", "model": "gpt-image-1-mini", "rpm": 600}]'
    assert moved(await waiting(), FOUNDRY_DEPLOYMENTS=only) is None


async def test_a_model_that_is_above_the_limit_of_the_job_is_not_taken() -> None:
    record = await waiting()
    assert record.estimate_usd is not None
    after = moved(record)
    assert after is not None
    assert after.estimate_usd is not None
    assert after.estimate_usd > record.estimate_usd
    assert moved(await waiting(max_cost_usd=record.estimate_usd * 1.01)) is None
    assert moved(await waiting(max_cost_usd=after.estimate_usd * 1.01)) is not None


async def test_a_model_that_needs_other_calls_is_not_taken() -> None:
    one_each = json.dumps(
        [
            {"name": "flash", "model": "gpt-image-1-mini", "rpm": 600},
            {"name": "MAI-Image-2.5", "rpm": 600},
        ]
    )
    assert moved(await waiting(n=2), FOUNDRY_DEPLOYMENTS=one_each) is None
    assert moved(await waiting(n=1), FOUNDRY_DEPLOYMENTS=one_each) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"state": TaskState.PARKED},
        {"attempts": (attempt(),)},
        {"pictures": (picture("fox-1/default/0.png"),)},
    ],
)
async def test_a_task_of_which_something_may_have_been_made_stays(changes: dict[str, Any]) -> None:
    record = await waiting()
    touched = record.tasks[0].model_copy(update=changes)
    assert moved(record.model_copy(update={"tasks": (touched,)})) is None


async def test_the_other_parts_of_the_job_keep_their_plans() -> None:
    before = await waiting(size=["1024x1024", "1536x1024", "1024x1536"])
    after = moved(before)
    assert after is not None
    assert after.plans[0] != before.plans[0]
    assert after.plans[1:] == before.plans[1:]


@pytest.mark.parametrize(("kind", "goes"), [("PNG", True), ("WEBP", False)])
async def test_a_job_goes_to_another_model_only_with_pictures_that_it_takes(
    kind: str,
    goes: bool,  # noqa: FBT001 (by parametrize)
) -> None:
    models = [{"name": each, "model": each, "rpm": 600} for each in ("FLUX.2-pro", "gpt-image-2")]
    configuration = configured(FOUNDRY_DEPLOYMENTS=json.dumps(models))
    scene = Scene(configuration)
    scene.world.container("inputs").seed("a", drawn(kind, size=(1024, 1024)))
    scene.submit(JOB | {"model": "auto", "size": "1024x1024", "inputs": ["a"]})
    await scene.deliver(scene.waiting.pop())
    record = scene.record("fox-1")
    assert record.plans[0].model == "FLUX.2-pro"
    circuit = replace(HELD, pool="FLUX.2-pro", deployment="FLUX.2-pro")
    changed = reroute(record, 0, circuit, configuration, prompt_characters=5, now=AT)
    assert (changed is not None) is goes
