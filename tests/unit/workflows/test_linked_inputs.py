"""Pictures to edit that a job links: fetched once, within limits, before the job is recorded."""

from collections import deque
from typing import Any

import pytest

from shared.errors import BrokenReply, InvalidJob, StoreUnavailable
from shared.jobs.job import Job
from shared.workflows.acceptance import accept, validate_job
from shared.workflows.linked_inputs import MOST_TIME, TRIES
from tests.builders.messages import read
from tests.builders.pictures import drawn
from tests.fakes.endpoint import FakeReply
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import Scene, configured, data, png

HOSTS = {"INPUT_HOSTS": "*.shop.example", "INPUT_LOCAL_HOSTS": "127.0.0.1"}
FOX = "https://files.shop.example/fox.png?sig=s3cret"
JOB = {
    "job_id": "fox-1",
    "prompt": "a red scarf",
    "model": "gpt-image-2",
    "size": "1024x1024",
    "inputs": [FOX],
}
PICTURE = FakeReply(body=png(1200, 800), chunk_bytes=40)


def linking(*answers: FakeReply | Exception, link: str = FOX, **settings: str) -> Scene:
    scene = Scene(configured(**HOSTS | settings))
    scene.world.endpoint.linked[link] = deque(answers or [PICTURE])
    return scene


def copies(world: FakeWorld) -> list[str]:
    return [name for name in world.containers["inputs"].stored if "linked" in name]


async def test_a_linked_picture_is_copied_and_edited_and_its_link_is_kept_nowhere() -> None:
    scene = linking()
    scene.submit(JOB)
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]
    record = scene.record("fox-1")
    (copy,) = copies(scene.world)
    assert copy.startswith("linked/fox-1/")
    assert record.job.inputs == (copy,)
    (picture,) = record.inputs
    assert (picture.blob, picture.width, picture.height) == (copy, 1200, 800)
    (request,) = scene.world.endpoint.requests
    assert [upload.picture.blob for upload in request.uploads] == [copy]
    assert b"s3cret" not in record.model_dump_json().encode()
    assert scene.world.endpoint.followed == [(FOX, False)]


async def test_the_job_is_about_these_bytes_and_a_repeat_fetches_nothing() -> None:
    scene = linking()
    scene.submit(JOB)
    await scene.run()
    scene.world.endpoint.linked[FOX] = deque([FakeReply(404)])
    scene.submit(JOB, message_id="another")
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"] * 2
    assert len(scene.world.endpoint.followed) == len(scene.world.endpoint.requests) == 1


async def test_another_link_under_the_same_id_is_a_conflict() -> None:
    scene = linking()
    other = "https://files.shop.example/badger.png"
    scene.world.endpoint.linked[other] = deque([PICTURE])
    scene.submit(JOB)
    await scene.run()
    scene.submit({**JOB, "inputs": [other]}, message_id="another")
    await scene.run()
    assert data(scene)["code"] == "conflict"


async def test_a_process_that_dies_at_any_step_makes_the_job_once_of_one_copy() -> None:
    whole = linking()
    whole.submit(JOB)
    await whole.run()
    steps = whole.world.steps.taken
    for crash_at in range(len(steps)):
        scene = linking()
        scene.world.steps.crash_at = crash_at
        scene.submit(JOB)
        await scene.run()
        assert scene.world.event_types()[-1] == "image.job.succeeded", f"stopped at {crash_at}"
        record = scene.record("fox-1")
        assert record.inputs[0].blob in copies(scene.world)
        assert len(scene.world.endpoint.requests) <= 2


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("https://evil.example/fox.png?sig=s3cret", "'evil.example', which INPUT_HOSTS does not"),
        ("https://files.shop.example.evil.test/a", "which INPUT_HOSTS does not allow"),
        ("http://files.shop.example/a", "must use https on port 443"),
        ("https://files.shop.example:8443/a", "must use https on port 443"),
        ("https://10.0.0.1/a", "has an IP address"),
        ("https://169.254.169.254/metadata", "has an IP address"),
        ("https://user@files.shop.example/a", "must not contain a user name"),
        ("https://files.shop.example/a#b", "must not have a fragment"),
    ],
)
@pytest.mark.parametrize("field", ["inputs[0]", "mask"])
async def test_a_link_that_is_not_allowed_is_not_followed(field: str, link: str, why: str) -> None:
    scene = linking()
    scene.world.seed("inputs", "fox.png", png(1200, 800))
    linked = {"inputs": ["fox.png"], "mask": link} if field == "mask" else {"inputs": [link]}
    scene.submit({**JOB, **linked})
    await scene.run()
    (fault,) = data(scene)["faults"]
    assert fault["field"] == field
    assert why in fault["message"]
    assert "s3cret" not in str(data(scene)) + str(scene.reports)
    assert not scene.world.endpoint.followed


async def test_no_host_is_allowed_unless_a_setting_names_it() -> None:
    with pytest.raises(InvalidJob, match="INPUT_HOSTS does not allow"):
        await validate_job(read(JOB), fake_world(), configured())


async def test_a_host_of_this_network_is_told_to_the_endpoint_as_such() -> None:
    link = "http://127.0.0.1:8080/fox.png"
    scene = linking(link=link)
    scene.submit({**JOB, "inputs": [link]})
    await scene.run()
    assert scene.world.endpoint.followed == [(link, True)]


@pytest.mark.parametrize(
    ("answer", "why", "tries"),
    [
        (FakeReply(404), "the answer was 404", 1),
        (FakeReply(302), "the answer was 302; redirects are not followed", 1),
        (FakeReply(503), "the answer was 503", TRIES),
        (BrokenReply("it broke off"), "it broke off", TRIES),
        (FakeReply(body=png(8, 8), error=BrokenReply("it broke off")), "it broke off", TRIES),
        (FakeReply(body=b"<html>sign in</html>"), "not a PNG, JPEG or WebP", 1),
        (FakeReply(body=png(1200, 800)[:-8]), "not a whole image/png", 1),
        (FakeReply(body=b""), "is empty", 1),
        (FakeReply(body=bytes(50 << 20)), "must have less than 52,428,800 bytes", 1),
    ],
)
async def test_what_gives_no_picture_rejects_the_job_and_leaves_nothing(
    answer: FakeReply | Exception, why: str, tries: int
) -> None:
    scene = linking(answer)
    scene.submit(JOB)
    await scene.run()
    (fault,) = data(scene)["faults"]
    assert fault["field"] == "inputs[0]"
    assert fault["message"].startswith("could not be fetched from 'files.shop.example': ")
    assert why in fault["message"]
    assert len(scene.world.endpoint.followed) == tries
    assert not copies(scene.world)
    assert not scene.world.endpoint.requests
    assert scene.world.input_pictures.pool.out == 0


async def test_a_reply_that_breaks_is_asked_for_once_more() -> None:
    scene = linking(FakeReply(503), PICTURE)
    scene.submit(JOB)
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]


async def test_all_links_of_a_job_share_one_time_limit() -> None:
    scene = linking()

    class Slow(FakeReply):
        async def chunks(self) -> Any:  # noqa: ANN401 (an async iterator)
            await scene.world.clock.sleep(MOST_TIME.total_seconds())
            raise BrokenReply("too late")
            yield b""

    scene.world.endpoint.linked[FOX] = deque([Slow()])
    scene.submit(JOB)
    await scene.run()
    assert "the links took more than 60 s" in data(scene)["faults"][0]["message"]
    assert scene.world.endpoint.limits == [MOST_TIME]


async def test_storage_that_does_not_answer_is_left_to_the_queue() -> None:
    scene = linking()
    scene.world.steps.failing["inputs.create"] = [StoreUnavailable("busy")] * 9
    with pytest.raises(StoreUnavailable):
        await accept(read(JOB), scene.world, scene.configuration)


async def test_a_mask_may_be_linked_and_must_fit_the_first_input() -> None:
    mask = "https://files.shop.example/mask.png"
    scene = linking()
    scene.world.endpoint.linked[mask] = deque(
        [FakeReply(body=drawn(mode="RGBA", size=(1200, 800)))]
    )
    scene.submit({**JOB, "mask": mask})
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert [each.role for each in scene.record("fox-1").inputs] == ["input", "mask"]


async def test_an_estimate_follows_no_link_and_assumes_a_size() -> None:
    scene = linking()
    valid = await validate_job(read(JOB), scene.world, scene.configuration)
    assert valid.inputs == ()
    assert valid.plans[0].estimate_usd
    assert not scene.world.endpoint.followed


async def test_copies_for_a_bound_caller_are_in_its_tenants_folder() -> None:
    scene = linking()
    job: Job = read({**JOB, "tenant": "shop-a"})
    accepted = await accept(job, scene.world, scene.configuration, sender="shop-a")
    assert accepted.stored.value.job.inputs[0].startswith("shop-a/linked/fox-1/")
