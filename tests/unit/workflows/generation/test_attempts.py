from shared.images_api.requests import ImageRequest
from shared.records.record import TaskState
from tests.fakes.endpoint import FakeReply
from tests.simulation.controlled_job import JOB
from tests.simulation.scene import Scene, reply_to


async def test_the_intent_is_written_before_the_call() -> None:
    scene = Scene()
    seen: list[TaskState] = []

    def look(request: ImageRequest) -> FakeReply:
        seen.append(scene.record("fox-1").tasks[0].state)
        return reply_to(request)

    scene.world.endpoint.script.append(look)
    scene.submit(JOB)
    await scene.run()
    assert seen == [TaskState.CALLING]
