"""A picture that a reply links is fetched from where it is safe to, and lost only with a word."""

import json
from collections import deque
from typing import Any

import pytest

from shared.errors import BrokenReply, Misconfigured, NotSent
from shared.images_api.requests import ImageRequest
from shared.workflows.generation.receive import MOST_BYTES, MOST_TIME, refusal_of
from tests.fakes.endpoint import FakeReply
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, configured, data, png

JOB = {"job_id": "fox-1", "prompt": "a fox", "model": "FLUX.2-pro"}
DEPLOYMENTS: list[dict[str, Any]] = [
    {
        "name": "FLUX.2-pro",
        "endpoint": "https://res.services.ai.azure.com",
        "picture_hosts": ["*.pictures.example"],
    },
    {
        "name": "gpt-image-2",
        "endpoint": "https://res.services.ai.azure.com",
        "stream": False,
        "picture_hosts": ["*.pictures.example"],
    },
]
LINK = "https://eu.pictures.example/a.png?sig=secret"
OWN = "https://res.services.ai.azure.com/out/a.png?sig=secret"
PICTURE = FakeReply(headers={"content-type": "image/png"}, body=png(1024, 1024), chunk_bytes=20)


def linking(*urls: Any) -> FakeReply:  # noqa: ANN401 (whatever a reply may hold)
    """A reply that links its pictures."""
    items = [{"url": url, "b64_json": None} for url in urls]
    return FakeReply(body=json.dumps({"created": 1, "data": items}).encode())


async def linked(*urls: Any, answers: Any = (PICTURE,), **job: Any) -> Scene:  # noqa: ANN401 (fields)
    """A job whose reply linked these, and what each of them led to."""
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=json.dumps(DEPLOYMENTS)))
    scene.world.endpoint.script.append(linking(*urls))
    scene.world.endpoint.linked = {str(url): deque(answers) for url in urls}
    scene.submit(JOB | job)
    await scene.run()
    return scene


def attempt_of(scene: Scene) -> Any:  # noqa: ANN401 (an attempt)
    (attempt,) = scene.record("fox-1").attempts
    return attempt


@pytest.mark.parametrize(("link", "own"), [(LINK, False), (OWN, True)])
async def test_a_linked_picture_is_stored_like_any_other(link: str, own: bool) -> None:  # noqa: FBT001 (by parametrize)
    scene = await linked(link)
    assert scene.world.event_types() == ["image.job.succeeded"]
    (image,) = data(scene)["images"]
    assert (image["width"], image["height"], image["bytes"]) == (1024, 1024, len(PICTURE.body))
    assert scene.world.committed[image["blob"]].data == PICTURE.body
    assert scene.world.endpoint.followed == [(link, own)]
    attempt = attempt_of(scene)
    assert attempt.kind == "done"
    assert data(scene)["cost_usd"] == data(scene)["cost_usd_at_most"] > 0
    reckoned(scene)


async def test_several_links_are_followed_in_order() -> None:
    links = [f"https://eu.pictures.example/{n}.png" for n in range(2)]
    scene = await linked(*links, n=2, model="gpt-image-2")
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert [link for link, _ in scene.world.endpoint.followed] == links
    assert len(scene.record("fox-1").pictures) == 2


async def test_a_picture_beyond_the_ones_asked_for_is_not_fetched() -> None:
    scene = await linked(LINK, OWN)
    assert [link for link, _ in scene.world.endpoint.followed] == [LINK]
    assert scene.world.event_types() == ["image.job.succeeded"]


@pytest.mark.parametrize(
    ("link", "said"),
    [
        ("https://evil.example/a.png?sig=secret", "'evil.example' instead of sending it"),
        ("https://pictures.example.evil.example/a?sig=secret", "picture_hosts of the deployment"),
        ("https://a.pictures.example@evil.example/a?sig=secret", "must not contain a user name"),
        ("http://eu.pictures.example/a.png?sig=secret", "not by https on port 443"),
        ("https://eu.pictures.example:8443/a?sig=secret", "not by https on port 443"),
        ("https://169.254.169.254/metadata?sig=secret", "'169.254.169.254'"),
        ("https://[::1]/a?sig=secret", "'::1'"),
        ("file:///etc/passwd?sig=secret", "must begin with https://"),
        ("https://eu.pictures.example/a b?sig=secret", "a space or a control character"),
    ],
)
async def test_a_link_that_is_not_safe_is_not_followed_and_told_as_paid(
    link: str, said: str
) -> None:
    scene = await linked(link)
    assert scene.world.endpoint.followed == []
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], told["retryable"]) == ("picture_linked", False)
    assert said in told["message"]
    assert "secret" not in json.dumps(told)
    assert told["cost_usd"] == told["cost_usd_at_most"] == attempt_of(scene).cost_usd > 0
    assert "secret" not in str(scene.reports)
    assert len(scene.world.endpoint.requests) == 1
    reckoned(scene)


@pytest.mark.parametrize(
    "trouble", [BrokenReply("cut"), NotSent("no way"), FakeReply(503), FakeReply(body=b"\x89PN")]
)
async def test_a_way_that_breaks_is_tried_again(trouble: Any) -> None:  # noqa: ANN401 (a reply or an error)
    cut = FakeReply(body=PICTURE.body[:30], chunk_bytes=10, error=BrokenReply("cut"))
    scene = await linked(LINK, answers=(trouble, cut, PICTURE))
    if isinstance(trouble, FakeReply) and trouble.body:  # whole, and no picture: it stays so
        assert data(scene)["code"] == "no_image"
    else:
        assert scene.world.event_types() == ["image.job.succeeded"]
        assert len(scene.world.endpoint.followed) == 3
    assert not scene.world.pictures.pool.out
    assert len(scene.world.endpoint.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (FakeReply(403), "eu.pictures.example said 403"),
        (FakeReply(302, {"location": "http://127.0.0.1/"}), "said 302"),
        (FakeReply(body=b"<html>"), "not a PNG, JPEG or WebP"),
        (FakeReply(body=bytes(MOST_BYTES + 1), chunk_bytes=1 << 22), "more than 33,177,600 bytes"),
        (BrokenReply("eu.pictures.example: nothing"), "could not be fetched"),
    ],
)
async def test_a_picture_that_is_not_had_is_told_as_paid(answer: Any, said: str) -> None:  # noqa: ANN401 (a reply or an error)
    scene = await linked(LINK, answers=(answer,))
    told = data(scene)
    code = "no_image" if "not a PNG" in said else "picture_linked"
    assert (told["code"], told["images"]) == (code, [])
    assert said in told["message"]
    assert told["cost_usd"] > 0
    assert not scene.world.committed
    assert not scene.world.pictures.pool.out


async def test_what_was_had_of_several_is_kept() -> None:
    scene = await linked("https://evil.example/1.png", OWN, n=2, model="gpt-image-2")
    told = data(scene)
    assert told["code"] == "picture_linked"
    assert [image["index"] for image in told["images"]] == [1]


async def test_following_is_bounded_in_time() -> None:
    scene = await linked(LINK)
    call, fetch = scene.world.endpoint.limits
    assert fetch <= MOST_TIME / 3 < call


async def test_a_process_that_dies_at_any_step_of_it_is_made_up_for() -> None:
    whole = await linked(LINK)
    for crash_at in range(len(whole.world.steps.taken)):
        scene = Scene(configured(FOUNDRY_DEPLOYMENTS=json.dumps(DEPLOYMENTS)))
        scene.world.endpoint.otherwise = linking(LINK)
        scene.world.endpoint.linked = {LINK: deque([PICTURE])}
        scene.world.steps.crash_at = crash_at
        scene.submit(JOB | {"on_unknown": "retry_once"})
        await scene.run()
        await scene.sweep_on()
        assert reckoned(scene).state == "succeeded"


@pytest.mark.parametrize("item", [{"url": None}, {"url": 7}, {"url": ""}, "a", None])
async def test_a_reply_that_links_nothing_is_one_without_a_picture(item: Any) -> None:  # noqa: ANN401 (JSON)
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=json.dumps(DEPLOYMENTS)))
    scene.world.endpoint.script.append(FakeReply(body=json.dumps({"data": [item]}).encode()))
    scene.submit(JOB)
    await scene.run()
    assert data(scene)["code"] == "no_image"


def test_only_the_very_origin_that_was_called_may_be_of_this_network() -> None:
    request = ImageRequest("http://127.0.0.1:7071/x?y", {}, scope="", stream=False)
    assert refusal_of("http://127.0.0.1:7071/linked/a?sig=b", request) is None
    for other in ("http://127.0.0.1:7072/a", "http://127.0.0.1/a", "https://127.0.0.1:7071/a"):
        assert refusal_of(other, request)


@pytest.mark.parametrize("host", ["*", "https://a.example", "a.example/", "127.0.0.1", "localhost"])
def test_a_host_that_is_none_is_refused_at_the_start(host: str) -> None:
    wrong = [{**DEPLOYMENTS[0], "picture_hosts": [host]}]
    with pytest.raises(Misconfigured, match="is not a host"):
        configured(FOUNDRY_DEPLOYMENTS=json.dumps(wrong))
