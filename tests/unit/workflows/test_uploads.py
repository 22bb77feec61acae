"""Pictures to edit that arrive in parts: committed once, whole, and only if they are pictures."""

import hashlib
from typing import Any

import pytest

from shared.http_api.problems import Refused
from shared.workflows.uploads import UploadedInput, UploadPart, store_part
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import png
from tests.simulation.steps import Crash

FOX = png(1200, 800)
NAME = "shop/fox.png"


async def upload(
    world: FakeWorld, data: bytes = FOX, *, parts: tuple[int, ...] = (0, 1, 2), **facts: str
) -> tuple[UploadedInput, bool] | None:
    """Send these of three parts; return the answer to the last one."""
    digest = facts.get("sha256", hashlib.sha256(data).hexdigest())
    kind, third = facts.get("content_type", "image/png"), len(data) // 3
    chunks = (data[:third], data[third : 2 * third], data[2 * third :])
    answer = None
    for number in parts:
        part = UploadPart(NAME, kind, number, 3, digest)
        answer = await store_part(part, chunks[number], world)
    return answer


def stored(world: FakeWorld) -> bytes | None:
    blob = world.containers["inputs"].stored.get(NAME)
    return blob.body if blob else None


async def test_parts_in_any_order_and_sent_twice_become_one_picture() -> None:
    world = fake_world()
    assert await upload(world, parts=(1, 0, 1)) is None
    assert stored(world) is None
    answer = await upload(world, parts=(2,))
    assert answer == (
        UploadedInput(
            name=NAME,
            content_type="image/png",
            width=1200,
            height=800,
            bytes=len(FOX),
            sha256=hashlib.sha256(FOX).hexdigest(),
        ),
        True,
    )
    assert stored(world) == FOX


async def test_the_same_picture_again_is_no_error_and_another_one_is_a_conflict() -> None:
    world = fake_world()
    first = await upload(world)
    again = await upload(world)
    assert first
    assert again == (first[0], False)
    with pytest.raises(Refused) as caught:
        await upload(world, png(8, 8))
    assert caught.value.problem.code == "upload_conflict"
    assert stored(world) == FOX


async def test_parts_of_two_pictures_never_mix() -> None:
    world, other = fake_world(), png(800, 1200)
    await upload(world, parts=(0,))
    await upload(world, other, parts=(1, 0))
    with pytest.raises(Refused) as caught:
        await upload(world, parts=(2,))
    assert caught.value.problem.code == "upload_conflict"
    assert "parts before the last one are missing" in caught.value.problem.detail
    assert stored(world) is None


@pytest.mark.parametrize(
    ("data", "facts", "why"),
    [
        (b"<html>no picture</html>", {}, "not a PNG, JPEG or WebP"),
        (FOX[:-8], {}, "not a whole image/png"),
        (FOX, {"content_type": "image/jpeg"}, "the picture is image/png"),
        (FOX, {"sha256": "0" * 64}, "the SHA-256 of the picture is"),
        (png(20_000, 20_000), {}, "400,000,000 pixels"),
    ],
)
async def test_what_is_not_the_picture_is_deleted_again(
    data: bytes, facts: dict[str, Any], why: str
) -> None:
    world = fake_world()
    with pytest.raises(Refused) as caught:
        await upload(world, data, **facts)
    assert caught.value.problem.code == "invalid_upload"
    assert why in caught.value.problem.detail
    assert stored(world) is None


async def test_a_process_that_dies_at_any_step_is_followed_by_the_same_parts() -> None:
    whole = fake_world()
    await upload(whole)
    for crash_at in range(len(whole.steps.taken)):
        world = fake_world()
        world.steps.crash_at = crash_at
        with pytest.raises(Crash):
            await upload(world)
        world.steps.crash_at = None
        answer = await upload(world)
        assert answer
        assert stored(world) == FOX
