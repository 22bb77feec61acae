"""What storage holds or refuses: noticed before a call, so that nothing is paid for in vain."""

import json
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import StoreUnavailable
from shared.records.record import JobState
from shared.workflows.generation.task import STORAGE_AGAIN
from tests.simulation.scene import Scene, configured, data, ended, png, reply_to

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}
BLOB = "fox-1/default/0.png"
GONE = StoreUnavailable("looking for images/fox-1/default/0.png: 404 ContainerNotFound")


def blocked(scene: Scene) -> list[dict[str, Any]]:
    """The data of each event that says that storage takes no pictures."""
    events = scene.world.events
    return [
        dict(event.get_data())  # type: ignore[arg-type]  # ours is a mapping
        for event in events
        if event.get_type() == "image.storage.blocked"
    ]


async def submitted(jobs: int = 1, **job: Any) -> Scene:  # noqa: ANN401 (fields of a job)
    scene = Scene(configured(GPT_IMAGE_2_RPM="600"))
    for number in range(1, jobs + 1):
        named = JOB | {"job_id": f"fox-{number}"} | job
        scene.submit(named, message_id=f"message-{number}")
    return scene


def forget(scene: Scene, job_id: str = "fox-1") -> None:
    """Delete the record of a job and its entries in the index, as retention does."""
    stored = scene.world.container("jobs").stored
    for name in [each for each in stored if job_id in each]:
        del stored[name]


async def test_while_storage_refuses_no_call_is_made_and_after_it_every_job_is() -> None:
    scene = await submitted(jobs=5)
    scene.world.steps.failing["pictures.find"] = [GONE] * 12
    await scene.run()
    waits = [report for report in scene.reports if report.facts.get("reason") == "storage"]
    assert len(waits) == 12
    assert {record.state for record in scene.records()} == {JobState.SUCCEEDED}
    assert len(scene.world.endpoint.requests) == 5
    (told,) = blocked(scene)
    assert told["container"] == "images"
    assert "ContainerNotFound" in told["message"]
    alarms = [str(alarm) for report in scene.reports for alarm in report.alarms]
    assert len(alarms) == 1
    assert alarms[0].startswith("storage blocked container=images since=")


async def test_it_is_told_again_when_storage_refuses_again() -> None:
    scene = await submitted()
    scene.world.steps.failing["pictures.find"] = [GONE]
    await scene.run()
    scene.world.clock.time += timedelta(hours=1)
    scene.world.steps.failing["pictures.find"] = [GONE, GONE]
    scene.submit(JOB | {"job_id": "fox-2"}, message_id="message-2")
    await scene.run()
    assert len(blocked(scene)) == 2


async def test_the_alarm_is_logged_where_no_event_can_be_sent() -> None:
    scene = await submitted()
    scene.world.steps.failing["pictures.find"] = [GONE]
    scene.world.steps.failing["events.send"] = [StoreUnavailable("403")]
    await scene.run()
    assert blocked(scene) == []
    assert [report.alarms for report in scene.reports if report.alarms]
    assert scene.record("fox-1").state is JobState.SUCCEEDED


async def test_a_job_that_waits_for_storage_ends_at_its_deadline_unpaid_and_says_why() -> None:
    now = Scene().world.clock.now()
    scene = await submitted(deadline=(now + 5 * STORAGE_AGAIN).isoformat())
    scene.world.steps.failing["pictures.find"] = [GONE] * 99
    await scene.run()
    assert ended(scene) == ("image.job.failed", "deadline_exceeded", 0)
    assert "storage takes no pictures" in data(scene)["message"]


async def test_a_picture_that_storage_refuses_when_it_was_made_is_an_alarm_too() -> None:
    scene = await submitted()
    scene.world.steps.failing["pictures.create"] = [GONE]
    await scene.run()
    assert ended(scene) == ("image.job.failed", "store_failed", 1)
    assert len(blocked(scene)) == 1
    assert [report.alarms for report in scene.reports if report.alarms]


async def test_a_picture_that_was_stored_though_it_seemed_refused_is_found() -> None:
    scene = await submitted()
    scene.world.steps.lost["pictures.create"] = [StoreUnavailable("connection lost")]
    await scene.run()
    assert ended(scene) == ("image.job.succeeded", None, 1)


@pytest.mark.parametrize(
    ("metadata", "whose"),
    [
        ({}, "no job of this app"),
        ({"job_id": "fox-2"}, "job 'fox-2' with other content"),
        ({"job_id": "fox-1", "fingerprint": "other"}, "job 'fox-1' with other content"),
    ],
)
async def test_a_blob_of_others_is_noticed_before_paying_and_left_alone(
    metadata: dict[str, str], whose: str
) -> None:
    scene = await submitted()
    scene.world.container("images").seed(BLOB, b"theirs", metadata)
    await scene.run()
    assert ended(scene) == ("image.job.failed", "name_taken", 0)
    assert whose in data(scene)["message"]
    assert "use a new job_id" in data(scene)["message"]
    assert scene.world.container("images").stored[BLOB].body == b"theirs"


async def test_the_id_of_a_forgotten_job_with_other_content_takes_over_nothing() -> None:
    scene = await submitted()
    await scene.run()
    first = scene.world.committed[BLOB]
    forget(scene)
    scene.submit(JOB | {"prompt": "a wolf"}, message_id="message-2")
    await scene.run()
    assert data(scene)["code"] == "name_taken"
    assert scene.world.committed[BLOB] == first
    assert len(scene.world.endpoint.requests) == 1


async def test_a_forgotten_job_sent_again_takes_its_pictures_and_pays_for_the_missing_ones() -> (
    None
):
    scene = await submitted(n=3)
    await scene.run()
    forget(scene)
    del scene.world.container("images").stored["fox-1/default/1.png"]
    scene.submit(JOB | {"n": 3}, message_id="message-2")
    await scene.run()
    first, second = scene.world.endpoint.requests
    assert (first.body["n"], second.body["n"]) == (3, 1)
    assert [image["index"] for image in data(scene)["images"]] == [0, 1, 2]
    forget(scene)
    scene.submit(JOB | {"n": 3}, message_id="message-3")
    await scene.run()
    assert len(scene.world.endpoint.requests) == 2
    assert data(scene)["attempts"] == 0
    assert len(data(scene)["images"]) == 3


async def test_a_picture_of_an_earlier_version_is_taken_only_by_a_record_that_made_a_call() -> None:
    scene = await submitted()
    await scene.run()
    forget(scene)
    blob = scene.world.container("images").stored[BLOB]
    old = {name: value for name, value in blob.metadata.items() if name != "fingerprint"}
    scene.world.container("images").seed(BLOB, blob.body, old)
    scene.submit(JOB, message_id="message-2")
    await scene.run()
    assert data(scene)["code"] == "name_taken"
    assert "earlier version" in data(scene)["message"]


async def test_a_picture_of_another_type_or_size_is_told_as_an_adjustment() -> None:
    scene = await submitted(format="jpeg", size="1024x1024")
    scene.world.endpoint.otherwise = lambda request: reply_to(
        request.__class__(request.url, request.body | {"size": "512x768"}, "s", stream=False)
    )
    await scene.run()
    (image,) = data(scene)["images"]
    assert image["blob"] == BLOB
    assert (image["content_type"], image["width"], image["height"]) == ("image/png", 512, 768)
    adjustments = data(scene)["routing"]["adjustments"]
    told = [each for each in adjustments if "endpoint" in each["reason"]]
    assert [(each["field"], each["asked"], each["decided"]) for each in told] == [
        ("format", "jpeg", "png"),
        ("size", "1024x1024", "512x768"),
    ]
    assert png(512, 768) == scene.world.container("images").stored[BLOB].body
    assert json.dumps(data(scene))
