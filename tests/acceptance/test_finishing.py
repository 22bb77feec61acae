"""Exact pixels, renditions, thumbnails and contact sheets, as a caller sees them from outside."""

import hashlib
import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.running_stack import Json, RunningStack, running_stack

JOB = {"prompt": "a fox in the snow", "model": "gpt-image-2", "quality": "low"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


def opened(stack: RunningStack, told: Json) -> Image.Image:
    data = stack.blob("images", told["blob"])
    assert data is not None
    assert hashlib.sha256(data).hexdigest() == told["sha256"]
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.size == (told["width"], told["height"])
    return picture


def test_a_picture_of_exact_pixels_and_its_renditions_come_with_the_event(
    stack: RunningStack,
) -> None:
    finish = {
        "size": "1920x1080",
        "renditions": [{"format": "webp"}, {"format": "jpeg"}, {"format": "avif"}],
        "thumbnail": 256,
    }
    stack.submit({**JOB, "job_id": "finish-1", "size": "1920x1088", "finish": finish})
    event = stack.event("finish-1")
    assert event["type"] == "image.job.succeeded"
    (image,) = event["data"]["images"]
    original = opened(stack, image)
    assert original.size == (1920, 1088)
    made = [opened(stack, each) for each in image["renditions"]]
    assert [picture.format for picture in made] == ["PNG", "WEBP", "JPEG", "AVIF", "WEBP"]
    assert {picture.size for picture in made[:4]} == {(1920, 1080)}
    assert made[4].size == (256, 144)
    assert made[0].tobytes() == original.crop((0, 4, 1920, 1084)).tobytes()
    (paid,) = stack.billed("finish-1")
    assert paid["pictures"][0]["sha256"] == image["sha256"]
    assert stack.blob("images", event["data"]["sidecar"])


def test_a_matrix_gets_one_sheet_of_all_its_pictures(stack: RunningStack) -> None:
    stack.submit(
        {
            "job_id": "finish-2",
            "prompt": 'A poster that says "Hello World".',
            "models": ["gpt-image-2", "MAI-Image-2.5"],
            "size": ["1:1", "16:9"],
            "locales": ["ja", "ar"],
            "quality": "low",
            "finish": {"contact_sheet": True},
        }
    )
    event = stack.event("finish-2")
    assert event["type"] == "image.job.succeeded"
    assert len(event["data"]["images"]) == 8
    sheet = opened(stack, event["data"]["contact_sheet"])
    assert sheet.format == "JPEG"
    assert min(sheet.size) > 1_000
