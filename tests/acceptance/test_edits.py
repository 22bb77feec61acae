"""Pictures to edit, as a caller sees it from outside."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.running_stack import RunningStack, running_stack

SCARF = {"prompt": "a red scarf", "quality": "low", "size": "1024x1024"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        for name, mode in {"fox.png": "RGB", "den.png": "RGB", "mask.png": "RGBA"}.items():
            buffer = io.BytesIO()
            Image.new(mode, (1200, 800)).save(buffer, "PNG")
            stack.blobs.get_blob_client("inputs", name).upload_blob(buffer.getvalue())
        stack.blobs.get_blob_client("inputs", "words.png").upload_blob(b"no picture")
        yield stack


@pytest.mark.parametrize(
    ("model", "inputs", "mask"),
    [
        ("gpt-image-2", ["fox.png", "den.png"], None),
        ("gpt-image-2", ["fox.png"], "mask.png"),
        ("MAI-Image-2.5", ["fox.png"], None),
        ("FLUX.2-pro", ["fox.png", "den.png"], None),
    ],
)
def test_an_edit_becomes_a_picture_and_an_event(
    stack: RunningStack, model: str, inputs: list[str], mask: str | None
) -> None:
    job_id = f"edit-{model.replace('.', '-')}-{len(inputs)}"
    stack.submit({**SCARF, "job_id": job_id, "model": model, "inputs": inputs, "mask": mask})
    event = stack.event(job_id)
    assert event["type"] == "image.job.succeeded"
    (line,) = stack.billed(job_id)
    assert line["operation"] == "edits"
    (image,) = event["data"]["images"]
    stored = stack.blob("images", image["blob"])
    assert stored is not None
    with Image.open(io.BytesIO(stored)) as drawn:
        assert drawn.size == (image["width"], image["height"])


def test_a_picture_that_was_made_here_is_edited_without_being_uploaded(
    stack: RunningStack,
) -> None:
    stack.submit({"job_id": "made-1", "prompt": "a fox", "quality": "low", "model": "gpt-image-2"})
    (image,) = stack.event("made-1")["data"]["images"]
    name = f"/{image['container']}/{image['blob']}"
    stack.submit({**SCARF, "job_id": "made-2", "model": "gpt-image-2", "inputs": [name]})
    assert stack.event("made-2")["type"] == "image.job.succeeded"
    (line,) = stack.billed("made-2")
    assert line["operation"] == "edits"
    stack.submit({**SCARF, "job_id": "made-3", "inputs": ["/jobs/made-1.json"]})
    assert stack.event("made-3")["data"]["faults"][0]["field"] == "inputs[0]"


def test_bad_inputs_are_refused_and_cost_nothing(stack: RunningStack) -> None:
    asked = {**SCARF, "job_id": "edit-bad", "model": "gpt-image-2"}
    stack.submit({**asked, "inputs": ["words.png", "none.png"], "mask": "fox.png"})
    event = stack.event("edit-bad")
    faults = event["data"]["faults"]
    assert event["type"] == "image.job.rejected"
    assert [fault["field"] for fault in faults] == ["inputs[0]", "inputs[1]", "mask"]
    assert not stack.billed("edit-bad")
