"""Cancelling: at once what is not called for, later what is, and never what is paid for."""

from typing import Any

import pytest

from shared.records.record import JobState, TaskState
from tests.simulation.controlled_job import JOB, accepted, command, cut
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, data, error_reply, reply_to


async def test_a_job_that_is_not_paid_for_is_cancelled_at_once() -> None:
    scene = await accepted()
    command(scene, "cancel", reason="changed my mind")
    await scene.deliver(scene.waiting.pop())
    assert scene.world.event_types() == ["image.job.cancelled"]
    assert data(scene)["message"] == "cancelled on request: changed my mind"
    assert data(scene)["code"] == "cancelled"
    await scene.run()
    assert scene.world.endpoint.requests == []
    reckoned(scene)


async def cancelled_in_flight(result: str, answer: Any = reply_to, **job: Any) -> Scene:  # noqa: ANN401 (a reply or a function)
    scene = await accepted(JOB | job)

    async def meanwhile() -> None:
        command(scene, "cancel", result=result)
        await scene.deliver(scene.waiting.pop())

    scene.world.endpoint.meanwhile.append(meanwhile)
    scene.world.endpoint.script.append(answer)
    await scene.run()
    return scene


async def test_a_picture_that_is_being_paid_for_is_kept_as_asked() -> None:
    scene = await cancelled_in_flight("keep")
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert len(scene.world.committed) == 1
    reckoned(scene)


async def test_a_picture_that_is_being_paid_for_is_dropped_as_asked() -> None:
    scene = await cancelled_in_flight("drop")
    assert scene.world.event_types() == ["image.job.cancelled"]
    assert data(scene)["images"] == []
    assert data(scene)["cost_usd"] > 0
    assert not scene.world.committed
    reckoned(scene)


@pytest.mark.parametrize("answer", [error_reply(429, "429"), error_reply(500, "500"), cut])
async def test_a_cancelled_job_is_not_called_for_again(answer: Any) -> None:  # noqa: ANN401 (a reply or a function)
    scene = await cancelled_in_flight("keep", answer)
    assert scene.world.event_types() == ["image.job.cancelled"]
    assert len(scene.world.endpoint.requests) == 1
    reckoned(scene)


FINISHED = JOB | {"n": 2, "finish": {"thumbnail": 64, "contact_sheet": True}}


async def before_its_finish() -> Scene:
    """A job whose calls are over, and whose finish waits on its queue."""
    scene = await accepted(FINISHED)
    await scene.deliver(scene.waiting.pop())
    scene.take_sent()
    return scene


@pytest.mark.parametrize("result", ["keep", "drop"])
async def test_a_job_whose_finish_is_left_is_cancelled_and_keeps_what_is_paid_for(
    result: str,
) -> None:
    scene = await before_its_finish()
    command(scene, "cancel", result=result, reason="too late")
    await scene.deliver(scene.waiting.pop())
    assert scene.world.event_types() == ["image.job.cancelled"]
    told = data(scene)
    assert (told["code"], told["message"]) == ("cancelled", "cancelled on request: too late")
    assert [len(image["renditions"]) for image in told["images"]] == [0, 0]
    assert told["cost_usd"] > 0
    await scene.run()
    assert scene.world.renderer.opened == []
    reckoned(scene)


async def test_a_finish_under_way_stops_when_the_job_is_cancelled() -> None:
    scene = await before_its_finish()

    async def meanwhile() -> None:
        command(scene, "cancel")
        await scene.deliver(scene.waiting.pop())

    scene.world.renderer.meanwhile.append(meanwhile)
    await scene.run()
    assert scene.world.event_types() == ["image.job.cancelled"]
    assert scene.world.renderer.opened == ["fox-1/default/0.png"]
    assert not scene.world.renderer.sheets


async def test_a_cancelled_finish_is_made_by_a_replay_that_costs_nothing() -> None:
    scene = await before_its_finish()
    command(scene, "cancel")
    await scene.deliver(scene.waiting.pop())
    command(scene, "replay")
    await scene.run()
    assert scene.world.event_types() == ["image.job.cancelled", "image.job.succeeded"]
    assert [len(image["renditions"]) for image in data(scene)["images"]] == [1, 1]
    assert data(scene)["contact_sheet"]
    assert len(scene.world.endpoint.requests) == 1
    reckoned(scene)


async def test_a_finish_under_way_leaves_a_replay_to_its_own() -> None:
    scene = await before_its_finish()

    async def meanwhile() -> None:
        for control in ("cancel", "replay"):
            command(scene, control)
            await scene.deliver(scene.waiting.pop())

    scene.world.renderer.meanwhile.append(meanwhile)
    await scene.deliver(scene.waiting.pop())
    assert scene.world.event_types() == ["image.job.cancelled"]
    await scene.run()
    assert scene.world.event_types() == ["image.job.cancelled", "image.job.succeeded"]
    assert len(scene.world.renderer.sheets) == 1
    reckoned(scene)


async def test_pictures_that_come_for_a_cancelled_job_are_not_finished() -> None:
    scene = await cancelled_in_flight("keep", finish={"thumbnail": 64})
    assert scene.world.event_types() == ["image.job.cancelled"]
    (image,) = data(scene)["images"]
    assert image["renditions"] == []
    assert scene.world.renderer.opened == []
    reckoned(scene)


@pytest.mark.parametrize("beside", [0, 8])
@pytest.mark.parametrize("crash_at", range(24))
async def test_a_cancellation_beside_a_finish_that_dies_ends_the_job(
    crash_at: int, beside: int
) -> None:
    scene = await before_its_finish()
    if beside:
        await scene.run_until_death(len(scene.world.steps.taken) + beside)
    command(scene, "cancel")
    scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
    await scene.deliver_abreast()
    await scene.run()
    await scene.sweep_on()
    record = reckoned(scene)
    assert record.state in {JobState.SUCCEEDED, JobState.CANCELLED}
    assert len(record.pictures) == 2


@pytest.mark.parametrize("result", ["keep", "drop"])
@pytest.mark.parametrize("crash_at", range(24))
async def test_a_cancellation_beside_a_death_ends_the_job(crash_at: int, result: str) -> None:
    scene = await accepted(JOB | {"n": 2})
    command(scene, "cancel", result=result)
    scene.waiting.reverse()  # the order comes after the task's message
    scene.waiting.sort(key=lambda each: each.queue == "image-jobs")
    scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
    await scene.run()
    await scene.sweep_on()
    record = reckoned(scene)
    assert record.state in {JobState.SUCCEEDED, JobState.CANCELLED}
    if result == "drop" and record.state is JobState.CANCELLED:
        assert not record.pictures
    assert all(task.state is not TaskState.CALLING for task in record.tasks)
