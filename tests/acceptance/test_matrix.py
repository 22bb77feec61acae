"""One message for several models and sizes, as a caller sees it from outside."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.running_stack import RunningStack, running_stack

MATRIX = {
    "prompt": "a fox in the snow",
    "models": ["gpt-image-2", "MAI-Image-2.5"],
    "size": ["1024x1024", "16:9"],
    "quality": "low",
}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


def test_a_matrix_ends_in_one_event_with_every_picture_in_place(stack: RunningStack) -> None:
    stack.submit({**MATRIX, "job_id": "matrix-1"})
    event = stack.event("matrix-1")
    assert event["type"] == "image.job.succeeded"
    told = event["data"]
    assert [(image["model"], image["size"]) for image in told["images"]] == [
        (model, size) for model in MATRIX["models"] for size in MATRIX["size"]
    ]
    for image in told["images"]:
        stored = stack.blob(image["container"], image["blob"])
        assert stored is not None
        with Image.open(io.BytesIO(stored)) as drawn:
            assert drawn.size == (image["width"], image["height"])
    billed = stack.billed("matrix-1")
    assert len(billed) == 4
    assert told["cost_usd"] == pytest.approx(sum(line["usd"] for line in billed), abs=1e-5)
    assert stack.blob("images", told["sidecar"])


def test_a_part_that_is_refused_leaves_the_others_their_pictures(stack: RunningStack) -> None:
    prompt = "a fox [[fault-once:moderation_blocked]]"
    stack.submit({**MATRIX, "job_id": "matrix-2", "prompt": prompt})
    event = stack.event("matrix-2")
    told = event["data"]
    assert (event["type"], told["code"]) == ("image.job.failed", "content_refused")
    (failure,) = told["failures"]
    assert len(told["images"]) == 3
    assert failure["part"] not in {image["part"] for image in told["images"]}
    assert len(stack.billed("matrix-2")) == 3
    assert stack.blob("images", "matrix-2/job.json") is None
