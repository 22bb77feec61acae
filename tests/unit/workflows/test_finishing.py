"""What is made of stored originals, when, and how it is reported; a stopped finish continues."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import StoreUnavailable
from shared.pictures.provenance import Provenance
from shared.ports import What
from shared.records.record import JobState
from shared.records.task_messages import FinishMessage
from shared.workflows.finishing import BLOB_AGAIN, finish
from tests.simulation.scene import Scene, data, error_reply, run

FINISH = {
    "size": "1920x1080",
    "renditions": [{"format": "webp", "quality": 80}, {"format": "avif"}],
    "thumbnail": 256,
    "contact_sheet": True,
}
JOB = {
    "job_id": "fox-1",
    "prompt": "a fox",
    "model": "gpt-image-2",
    "size": "1920x1088",
    "n": 2,
    "finish": FINISH,
}


async def to_the_finish(scene: Scene) -> None:
    """Let everything happen that comes before the finish, whose message waits then."""
    while not scene.world.queues.bodies("image-finish"):
        await scene.deliver(scene.waiting.pop())
        scene.take_sent()


async def test_the_end_of_a_job_waits_for_its_finish_and_tells_of_it() -> None:
    scene = await run(JOB)
    assert scene.world.event_types() == ["image.job.succeeded"]
    told = data(scene)
    first = told["images"][0]
    assert [(each["kind"], each["blob"], each["width"]) for each in first["renditions"]] == [
        ("exact", "fox-1/default/0.1920x1080.png", 1920),
        ("rendition", "fox-1/default/0.1920x1080.q80.webp", 1920),
        ("rendition", "fox-1/default/0.1920x1080.q80.avif", 1920),
        ("thumbnail", "fox-1/default/0.1920x1080.t256.webp", 256),
    ]
    assert (first["width"], first["height"]) == (1920, 1088)
    assert first["renditions"][0]["url"].endswith("/images/fox-1/default/0.1920x1080.png")
    assert told["contact_sheet"]["blob"] == "fox-1/contact-sheet.jpg"
    (cells,) = scene.world.renderer.sheets
    assert [cell.label for cell in cells] == [
        "gpt-image-2 · medium · 1920x1088 · #0",
        "gpt-image-2 · medium · 1920x1088 · #1",
    ]
    assert json.loads(scene.world.sidecars["fox-1/job.json"]) == told
    assert len(scene.world.endpoint.requests) == 1


async def test_what_is_made_says_from_which_originals_and_never_the_prompt() -> None:
    scene = await run(JOB)
    said, digests = (
        scene.world.renderer.provenances,
        [image["sha256"] for image in data(scene)["images"]],
    )
    sheet = said["fox-1/contact-sheet.jpg"]
    assert sheet == Provenance("fox-1", ("gpt-image-2",), tuple(digests), edited=False)
    thumbnail = said["fox-1/default/1.1920x1080.t256.webp"]
    assert thumbnail == replace(sheet, originals=(digests[1],))
    assert all(b"a fox" not in each.to_xmp() for each in said.values())


async def test_the_originals_are_as_they_came() -> None:
    plain = await run({**JOB, "finish": None})
    finished = await run(JOB)
    for name, original in plain.world.committed.items():
        assert finished.world.committed[name].data == original.data


async def test_a_job_without_a_finish_tells_of_none() -> None:
    scene = await run({**JOB, "finish": None})
    told = data(scene)
    assert told["contact_sheet"] is None
    assert [image["renditions"] for image in told["images"]] == [[], []]
    assert not scene.world.queues.bodies("image-finish")


async def test_a_finish_message_that_comes_twice_makes_everything_once() -> None:
    scene = Scene()
    scene.submit(JOB)
    await to_the_finish(scene)
    scene.repeat()
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert sorted(scene.world.renderer.opened) == ["fox-1/default/0.png", "fox-1/default/1.png"]
    assert len(scene.world.renderer.sheets) == 1


async def test_a_process_that_dies_at_any_step_is_followed_to_the_same_end() -> None:
    whole = await run(JOB)
    wanted, steps = data(whole), whole.world.steps.taken
    first = steps.index("renderer.render") - 4
    for crash_at in range(first, len(steps)):
        scene = Scene()
        scene.world.steps.crash_at = crash_at
        scene.submit(JOB)
        await scene.run()
        event = data(scene)
        assert event["images"] == wanted["images"], f"stopped at step {crash_at}"
        assert event["contact_sheet"] == wanted["contact_sheet"]
        assert len(scene.world.endpoint.requests) == 1


async def test_storage_that_does_not_answer_is_left_to_the_queue() -> None:
    scene = Scene()
    scene.world.steps.failing["renderer.render"] = [StoreUnavailable("busy")]
    scene.submit(JOB)
    with pytest.raises(StoreUnavailable):
        await scene.run()
    assert scene.record("fox-1").state is JobState.RUNNING


async def test_a_lease_on_the_record_makes_the_finish_wait() -> None:
    scene = Scene()
    scene.submit(JOB)
    await to_the_finish(scene)
    message, jobs = FinishMessage(job_id="fox-1"), scene.world.container("jobs")
    jobs.leased.add("fox-1.json")
    waiting = await finish(message, scene.world, scene.configuration)
    assert (waiting.what, waiting.facts["reason"]) == (What.WAITING, "leased")
    assert scene.world.queues.sent[-1].delay == BLOB_AGAIN
    jobs.leased.clear()
    await finish(message, scene.world, scene.configuration)
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_an_original_that_cannot_be_opened_fails_the_job_and_keeps_its_pictures() -> None:
    scene = Scene()
    scene.world.renderer.broken = {"fox-1/default/1.png"}
    scene.submit(JOB)
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], told["retryable"], told["failures"]) == ("finish_failed", True, [])
    assert "'fox-1/default/1.png'" in told["message"]
    assert [len(image["renditions"]) for image in told["images"]] == [4, 0]


async def test_what_worked_of_a_failed_job_is_finished() -> None:
    scene = Scene()
    scene.world.endpoint.script.append(error_reply(400, "moderation_blocked", "no"))
    scene.submit({**JOB, "n": 1, "locales": ["de", "ja"]})
    await scene.run()
    told = data(scene)
    assert (told["code"], [image["locale"] for image in told["images"]]) == (
        "content_refused",
        ["ja"],
    )
    assert len(told["images"][0]["renditions"]) == 4


async def test_a_job_without_a_picture_ends_at_once() -> None:
    scene = Scene()
    scene.world.endpoint.script.append(error_reply(400, "moderation_blocked", "no"))
    scene.submit({**JOB, "n": 1})
    await scene.run()
    assert data(scene)["code"] == "content_refused"
    assert not scene.world.queues.bodies("image-finish")


async def test_a_poisoned_finish_ends_the_job_with_its_originals() -> None:
    scene = Scene()
    scene.submit(JOB)
    await to_the_finish(scene)
    (delivery,) = scene.waiting
    delivery.queue += "-poison"
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], len(told["images"])) == ("poisoned", 2)
    assert scene.world.letters


async def test_a_sweep_finds_a_finish_that_nobody_came_back_for() -> None:
    scene = Scene()
    scene.submit(JOB)
    await to_the_finish(scene)
    scene.waiting.clear()
    for _ in range(17):
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]


async def test_a_finish_whose_message_waits_in_a_long_queue_is_woken_ever_more_rarely() -> None:
    scene = Scene()
    scene.submit(JOB)
    await to_the_finish(scene)
    woken = []
    for minute in range(4 * 60):
        before = len(scene.world.queues.sent)
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
        woken += [minute] * (len(scene.world.queues.sent) - before)
    assert woken == [15, 30, 60, 120]
