"""Pictures to edit, as a caller sees it from outside."""

import hashlib
import io
from base64 import b64encode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from shared.workflows.uploads import PART_BYTES
from tests.acceptance.callers import caller_of
from tests.acceptance.running_stack import RunningStack, running_stack

SCARF = {"prompt": "a red scarf", "quality": "low", "size": "1024x1024"}


class Files(ThreadingHTTPServer):
    """Gives its picture once at each path."""

    def __init__(self, picture: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.picture = picture
        self.asked: list[str] = []
        Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        again = self.path in self.server.asked
        self.server.asked.append(self.path)
        body = b"gone" if again else self.server.picture
        self.send_response(404 if again else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's own signature
        """Say nothing."""


@pytest.fixture(scope="module")
def files() -> Iterator[Files]:
    buffer = io.BytesIO()
    Image.effect_noise((1600, 1200), 90).convert("RGB").save(buffer, "PNG")
    with Files(buffer.getvalue()) as made:
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "INPUT_LOCAL_HOSTS=127.0.0.1") as stack:
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


def test_a_linked_picture_is_copied_once_and_the_job_is_about_the_copy(
    stack: RunningStack, files: Files
) -> None:
    link = f"http://127.0.0.1:{files.server_port}/fox.png?sig=s3cret"
    job = {**SCARF, "job_id": "linked-1", "model": "gpt-image-2", "inputs": [link]}
    stack.submit(job)
    assert stack.event("linked-1")["type"] == "image.job.succeeded"
    record = stack.blob("jobs", "linked-1.json")
    assert record is not None
    assert b"s3cret" not in record
    (copy,) = stack.blobs.get_container_client("inputs").list_blob_names(
        name_starts_with="linked/linked-1/"
    )
    assert stack.blob("inputs", copy) == files.picture
    (line,) = stack.billed("linked-1")
    assert line["operation"] == "edits"
    stack.submit(job)  # its link is dead now
    stack.submit({**job, "job_id": "linked-2"})
    (fault,) = stack.event("linked-2")["data"]["faults"]
    assert fault["message"] == "could not be fetched from '127.0.0.1': the answer was 404"
    stack.submit({**job, "job_id": "linked-3", "inputs": ["https://127.1/a.png"]})
    (fault,) = stack.event("linked-3")["data"]["faults"]
    assert "has an IP address" in fault["message"]
    erased = caller_of(stack).call("POST", "/api/jobs/linked-1/erase")
    assert f"inputs/{copy}" in erased.json["erased"]["deleted"]
    assert stack.blob("inputs", copy) is None
    assert not [line for line in stack.log if "s3cret" in line]


def test_a_picture_of_more_than_one_part_is_uploaded_over_http_and_edited(
    stack: RunningStack, files: Files
) -> None:
    caller, picture = caller_of(stack), files.picture
    assert len(picture) > PART_BYTES
    digest = b64encode(hashlib.sha256(picture).digest()).decode()
    statuses = []
    for start in range(0, len(picture), PART_BYTES):
        part = picture[start : start + PART_BYTES]
        answer = caller.call(
            "PUT",
            "/api/inputs/shop/big%20fox.png",
            part,
            content_type="image/png",
            content_range=f"bytes {start}-{start + len(part) - 1}/{len(picture)}",
            repr_digest=f"sha-256=:{digest}:",
        )
        statuses.append(answer.status)
    assert statuses == [202, 201]
    name = answer.json["name"]
    assert (name, answer.json["width"], answer.json["height"]) == ("shop/big fox.png", 1600, 1200)
    assert stack.blob("inputs", name) == picture
    job = {**SCARF, "job_id": "uploaded-1", "model": "gpt-image-2", "inputs": [name]}
    assert caller.call("POST", "/api/jobs", job).status == 202
    assert stack.event("uploaded-1")["type"] == "image.job.succeeded"
    wrong = caller.call("PUT", "/api/inputs/shop/words.png", b"words", content_type="image/png")
    assert (wrong.status, wrong.json["code"]) == (400, "invalid_upload")
    assert stack.blob("inputs", "shop/words.png") is None
    lone = caller.call(
        "PUT",
        "/api/inputs/shop/lone.png",
        part,
        content_type="image/png",
        content_range=f"bytes {start}-{len(picture) - 1}/{len(picture)}",
        repr_digest=f"sha-256=:{digest}:",
    )
    assert (lone.status, lone.json["code"]) == (409, "upload_conflict")
