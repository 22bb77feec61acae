import json
from datetime import timedelta

import pytest

from shared.errors import (
    BrokenReply,
    CredentialUnavailable,
    NotSent,
    StaleVersion,
    StoreUnavailable,
)
from shared.images_api.requests import ImageRequest
from shared.ports import What
from shared.records.record import JobState, TaskState
from shared.records.task_messages import TaskMessage
from shared.stores.documents import MAX_TRIES
from shared.workflows.generation.generate import generate
from tests.fakes.endpoint import Answer, FakeReply
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import Scene, data, ended, error_reply, reply_to, run

TASK = TaskMessage(job_id="fox-1", task=0)
TWO_DEPLOYMENTS = json.dumps(
    [{"name": name, "model": "gpt-image-2", "pool": name} for name in ("one", "two")]
)


async def test_what_was_measured_used_and_paid_stands_in_the_event() -> None:
    scene = await run({**JOB, "tags": {"campaign": "snow"}})
    image = data(scene)["images"][0]
    assert (image["width"], image["height"]) == (1024, 1024)
    assert image["sha256"] == scene.record("fox-1").pictures[0].sha256
    assert data(scene)["usage"]["output_tokens"] == 1000
    assert data(scene)["cost_usd"] == pytest.approx((10 * 5 + 1000 * 30) / 1_000_000)
    assert data(scene)["cost_known_by"] == "usage"
    assert data(scene)["attempts"] == 1
    assert data(scene)["possible_duplicate_charge"] is False
    assert data(scene)["tags"] == {"campaign": "snow"}


async def test_several_pictures_of_one_call_are_all_stored() -> None:
    scene = await run({**JOB, "n": 3})
    assert sorted(scene.world.committed) == [f"fox-1/default/{n}.png" for n in range(3)]
    assert [image["index"] for image in data(scene)["images"]] == [0, 1, 2]
    assert len(scene.world.endpoint.requests) == 1


async def test_what_the_service_made_of_the_prompt_is_kept_for_each_picture() -> None:
    def revised(request: ImageRequest) -> FakeReply:
        body = json.loads(reply_to(request).body)
        texts = ["a red fox", None, "x" * 9_000]
        items = [
            item | {"revised_prompt": text} for item, text in zip(body["data"], texts, strict=True)
        ]
        return FakeReply(body=json.dumps(body | {"data": items}).encode())

    scene = Scene()
    scene.world.endpoint.otherwise = revised
    scene.submit({**JOB, "n": 3})
    await scene.run()
    kept = [picture.revised_prompt or "" for picture in scene.record("fox-1").pictures]
    assert (kept[0], kept[1], len(kept[2])) == ("a red fox", "", 4_091)
    told = [image["revised_prompt"] for image in data(scene)["images"]]
    assert told[:2] == ["a red fox", None]
    assert len(told[2]) < 2_000


async def test_a_model_of_one_picture_a_call_is_called_for_each() -> None:
    scene = Scene()
    scene.world.endpoint.otherwise = lambda request: reply_to(
        type(request)(
            request.url,
            {**request.body, "size": f"{request.body['width']}x{request.body['height']}"},
            request.scope,
            request.stream,
        )
    )
    scene.submit({**JOB, "model": "MAI-Image-2.5", "n": 2})
    await scene.run()
    assert len(scene.world.endpoint.requests) == 2
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert [image["index"] for image in data(scene)["images"]] == [0, 1]


@pytest.mark.parametrize(
    ("answer", "event", "code", "calls"),
    [
        (error_reply(400, "moderation_blocked"), "image.job.failed", "content_refused", 1),
        (error_reply(400, "invalid_value"), "image.job.failed", "provider_rejected", 1),
        (error_reply(429, "429", retry_after_ms="900"), "image.job.succeeded", None, 2),
        (error_reply(404, "DeploymentNotFound"), "image.job.succeeded", None, 2),
        (error_reply(401, "401"), "image.job.succeeded", None, 2),
        (
            error_reply(403, "Forbidden", "Your resource has been temporarily blocked"),
            "image.job.succeeded",
            None,
            2,
        ),
        (NotSent("no route"), "image.job.succeeded", None, 2),
        (FakeReply(body=b'{"created": 1, "data": []}'), "image.job.failed", "no_image", 1),
        (error_reply(500, "500"), "image.job.succeeded", None, 2),
        (BrokenReply("cut"), "image.job.succeeded", None, 2),
        (CredentialUnavailable("no token"), "image.job.succeeded", None, 2),
    ],
)
async def test_each_outcome_ends_as_the_table_says(
    answer: Answer, event: str, code: str | None, calls: int
) -> None:
    assert ended(await after(answer)) == (event, code, calls)


async def test_the_next_deployment_is_tried_at_once_where_nothing_can_have_been_made() -> None:
    scene = await after(error_reply(429, "429"), FOUNDRY_DEPLOYMENTS=TWO_DEPLOYMENTS)
    assert ["one" in r.url for r in scene.world.endpoint.requests] == [True, False]
    assert not any(each.delay for each in scene.world.queues.sent)
    assert data(scene)["deployment"] == "two"


async def test_a_wrong_route_waits_for_an_operator_when_each_deployment_was_tried() -> None:
    wrong = error_reply(404, "DeploymentNotFound")
    scene = await after(wrong, wrong, FOUNDRY_DEPLOYMENTS=TWO_DEPLOYMENTS)
    assert ended(scene) == ("image.job.succeeded", None, 3)
    assert max(each.delay for each in scene.world.queues.sent) > timedelta(seconds=20)


async def test_a_lost_reply_is_paid_again_once_and_says_so() -> None:
    scene = await after(BrokenReply("cut"))
    assert data(scene)["possible_duplicate_charge"] is True
    assert data(scene)["attempts"] == 2
    estimate = scene.record("fox-1").estimate_usd
    assert estimate is not None
    assert data(scene)["cost_usd"] == pytest.approx(0.03005)
    assert data(scene)["cost_usd_at_most"] == pytest.approx(estimate + 0.03005)
    assert data(scene)["cost_known_by"] == "estimate"


async def test_a_reply_lost_twice_fails_the_job() -> None:
    scene = await after(BrokenReply("cut"), error_reply(504, "504"))
    assert ended(scene) == ("image.job.failed", "outcome_unknown", 2)
    assert data(scene)["retryable"] is True


@pytest.mark.parametrize(
    ("policy", "event"), [("park", "image.job.parked"), ("fail", "image.job.failed")]
)
async def test_a_lost_reply_ends_by_the_policy_of_the_job(policy: str, event: str) -> None:
    scene = await after(BrokenReply("cut"), job={**JOB, "on_unknown": policy})
    assert ended(scene) == (event, "outcome_unknown", 1)


async def test_a_lost_reply_ends_by_the_setting_when_the_job_has_no_policy() -> None:
    scene = await after(BrokenReply("cut"), ON_UNKNOWN_OUTCOME="park")
    assert ended(scene) == ("image.job.parked", "outcome_unknown", 1)


async def test_pictures_of_a_failed_job_are_told_as_what_worked() -> None:
    def two(request: ImageRequest) -> FakeReply:
        return reply_to(request, pictures=2)

    scene = await after(two, job={**JOB, "n": 3})
    assert ended(scene) == ("image.job.failed", "fewer_images", 1)
    assert len(data(scene)["images"]) == 2
    assert not scene.world.sidecars


async def test_a_task_message_without_a_job_is_done_with() -> None:
    scene = Scene()
    report = await generate(TASK, scene.world, scene.configuration)
    assert report.what == "no_such_task"


def test_every_state_of_a_task_and_a_job_has_its_word_for_the_log() -> None:
    for state in (*TaskState, *JobState):
        assert What[state.name] == state
    assert What.DONE.level == "INFO"
    assert What.FAILED.level == "WARNING"


async def test_a_record_that_never_stops_changing_leaves_the_job_to_the_queue_unpaid() -> None:
    scene = Scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    stale: list[Exception] = [StaleVersion("changed") for _ in range(MAX_TRIES)]
    scene.world.steps.failing["records.replace"] = stale
    with pytest.raises(StoreUnavailable, match="changed 200 times"):
        await generate(TASK, scene.world, scene.configuration)
    assert not scene.world.endpoint.requests
