"""A job that is ordered about."""

from collections.abc import Mapping
from typing import Any

from shared.errors import BrokenReply
from shared.images_api.requests import ImageRequest
from tests.fakes.endpoint import FakeReply
from tests.simulation.scene import Scene, configured, reply_to

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}


def cut(request: ImageRequest) -> FakeReply:
    """A picture that was paid for, and whose reply was cut before its end."""
    whole = reply_to(request)
    return FakeReply(body=whole.body[:-90], chunk_bytes=700, error=BrokenReply("cut"))


def command(scene: Scene, control: str, **more: Any) -> None:  # noqa: ANN401 (any field of an order)
    """Put an order on the jobs queue."""
    body = {"command": control, "job_id": "fox-1", **more}
    scene.submit(body, message_id=f"order-{control}")


async def accepted(job: Mapping[str, Any] = JOB) -> Scene:
    """A job whose task waits on the tasks queue."""
    scene = Scene()
    scene.submit(job)
    await scene.deliver(scene.waiting.pop())
    scene.take_sent()
    return scene


async def after(*answers: Any, job: Mapping[str, Any] = JOB, **settings: str) -> Scene:  # noqa: ANN401 (replies, errors, functions)
    """A job whose calls were answered so, at its end."""
    scene = Scene(configured(**settings))
    scene.world.endpoint.script.extend(answers)
    scene.submit(job)
    await scene.run()
    return scene
