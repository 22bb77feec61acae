from shared.errors import BrokenReply, StoreUnavailable
from shared.images_api.requests import ImageRequest
from tests.fakes.endpoint import FakeReply
from tests.simulation.controlled_job import JOB, after
from tests.simulation.scene import Scene, data, ended, reply_to


async def test_pictures_whole_before_the_cut_are_kept_and_only_the_others_made_again() -> None:
    def cut(request: ImageRequest) -> FakeReply:
        whole = reply_to(request)
        third = whole.body.rindex(b"b64_json")
        return FakeReply(body=whole.body[: third + 40], error=BrokenReply("cut"))

    scene = await after(cut, job={**JOB, "n": 3})
    first, second = scene.world.endpoint.requests
    assert (first.body["n"], second.body["n"]) == (3, 1)
    assert [image["index"] for image in data(scene)["images"]] == [0, 1, 2]


async def test_a_reply_broken_after_its_last_picture_is_a_success() -> None:
    def cut(request: ImageRequest) -> FakeReply:
        whole = reply_to(request)
        return FakeReply(body=whole.body[: whole.body.index(b'"usage"')], error=BrokenReply("cut"))

    scene = await after(cut)
    assert ended(scene) == ("image.job.succeeded", None, 1)
    assert data(scene)["cost_known_by"] == "estimate"


async def test_a_picture_that_could_not_be_stored_was_paid_for() -> None:
    scene = Scene()
    scene.world.steps.failing["pictures.create"] = [StoreUnavailable("busy")]
    scene.submit({**JOB, "on_unknown": "park"})
    await scene.run()
    assert ended(scene) == ("image.job.parked", "outcome_unknown", 1)
    assert scene.record("fox-1").attempts[0].charged == "yes"
    assert not scene.world.pictures.pool.out
