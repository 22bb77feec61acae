from shared.records.task_messages import TaskMessage
from shared.workflows.generation.generate import generate
from tests.simulation.controlled_job import JOB
from tests.simulation.scene import Scene, run

TASK = TaskMessage(job_id="fox-1", task=0)


async def test_a_late_delivery_of_a_finished_task_pays_nothing() -> None:
    scene = await run(JOB)
    report = await generate(TASK, scene.world, scene.configuration)
    assert report.what == "already_ended"
    assert len(scene.world.endpoint.requests) == 1
    assert len(scene.world.events) == 1


async def test_a_message_of_an_earlier_run_wakes_nothing() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    old = TASK.model_copy(update={"run": 7})
    report = await generate(old, scene.world, scene.configuration)
    assert report.what == "earlier_run"
    assert not scene.world.endpoint.requests
