from typing import Any

from tests.simulation.scene import Scene, configured, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow"}


def data_of(scene: Scene, number: int = -1) -> dict[str, Any]:
    return dict(scene.world.events[number].get_data())  # type: ignore[arg-type]  # ours is a mapping


async def test_an_accepted_event_is_published_when_asked_for() -> None:
    scene = await run(JOB, PUBLISH_ACCEPTED="true")
    assert scene.world.event_types() == ["image.job.accepted", "image.job.succeeded"]


async def test_a_finished_job_asked_for_again_is_announced_again_and_not_made_again() -> None:
    scene = await run(JOB)
    scene.submit(JOB, message_id="another")
    await scene.run()
    first, second = scene.world.events
    assert first.get_id() == second.get_id()
    assert first.get_data() == second.get_data()
    assert len(scene.world.endpoint.requests) == 1


async def test_an_id_with_other_content_is_a_conflict_and_leaves_the_first_job_alone() -> None:
    scene = await run(JOB)
    before = scene.record("fox-1")
    scene.submit({**JOB, "prompt": "a badger"}, message_id="another")
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded", "image.job.rejected"]
    assert data_of(scene)["code"] == "conflict"
    assert "fox-1" in data_of(scene)["faults"][0]["message"]
    assert scene.record("fox-1") == before


async def test_faults_of_the_job_and_of_this_app_are_told_together() -> None:
    scene = await run({**JOB, "locales": ["jp"], "reply_to": "secrets"})
    assert {fault["field"] for fault in data_of(scene)["faults"]} == {"locales[0]", "reply_to"}


async def test_a_job_asked_for_again_is_the_first_one_though_its_prompt_is_gone() -> None:
    scene = Scene()
    scene.world.seed("inputs", "one.txt", b"a fox")
    for message_id in ("first", "second"):
        scene.submit({"job_id": "fox-1", "prompt_blob": "one.txt"}, message_id=message_id)
        await scene.run()
        scene.world.container("inputs").stored.clear()
    assert scene.world.event_types() == ["image.job.succeeded", "image.job.succeeded"]
    assert len(scene.world.endpoint.requests) == 1


async def test_each_size_of_job_goes_to_the_lane_of_its_time() -> None:
    scene = Scene(configured())
    for number, quality in enumerate(["low", "medium", "high"]):
        job = {**JOB, "job_id": f"fox-{number}", "model": "gpt-image-2", "quality": quality}
        scene.submit(job, message_id=str(number))
        await scene.deliver(scene.waiting.pop())
    assert [message.queue for message in scene.world.queues.sent] == [
        "image-jobs-small",
        "image-jobs-standard",
        "image-jobs-large",
    ]
