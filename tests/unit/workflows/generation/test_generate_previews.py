"""Previews: shown while the call runs, gone when it has ended, and never at the picture's cost."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shared.errors import BrokenReply, StoreUnavailable
from shared.http_api.job_documents import describe_job, find_preview
from tests.fakes.endpoint import FakeReply
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, configured, data, ended, png

JOB = {"job_id": "fox-1", "prompt": "a fox", "model": "gpt-image-2", "previews": 2}
PREVIEW = "fox-1/default/0.preview"


def _event(kind: str, picture: bytes, **members: Any) -> bytes:  # noqa: ANN401 (any JSON)
    name = f"image_generation.{kind}"
    document = {"type": name, "b64_json": b64encode(picture).decode(), **members}
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


def draft(edge: int) -> bytes:
    return _event("partial_image", png(edge, edge), partial_image_index=0)


FINAL = _event("completed", png(1024, 1024), usage={"input_tokens": 10, "output_tokens": 1200})


@dataclass(frozen=True, slots=True)
class StreamedReply(FakeReply):
    """Events that arrive one by one; `seen` is called after each, when it was taken."""

    parts: tuple[bytes, ...] = ()
    seen: Callable[[], object] = lambda: None

    async def chunks(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            yield part
            self.seen()
        if self.error:
            raise self.error


def streaming(
    *parts: bytes,
    error: Exception | None = None,
    **job: Any,  # noqa: ANN401 (fields of a job)
) -> tuple[Scene, list[Any]]:
    """A job whose calls stream these events, and what is stored after each of them."""
    scene, seen = Scene(configured(GPT_IMAGE_2_RPM="600")), []

    def look() -> None:
        blob = scene.world.container("images").stored.get(PREVIEW)
        seen.append(blob and (blob.body, blob.content_type, blob.metadata["attempt"]))

    scene.world.endpoint.otherwise = StreamedReply(
        headers={"content-type": "text/event-stream"}, parts=parts, seen=look, error=error
    )
    scene.submit(JOB | job)
    return scene, seen


async def test_each_preview_replaces_the_one_before_and_none_is_left() -> None:
    scene, seen = streaming(draft(64), draft(128), FINAL)
    await scene.run()
    assert scene.world.endpoint.requests[0].body["partial_images"] == 2
    assert seen == [
        (png(64, 64), "image/png", "1"),
        (png(128, 128), "image/png", "1"),
        (png(128, 128), "image/png", "1"),
    ]
    assert [*scene.world.committed] == ["fox-1/default/0.png"]
    assert [image["blob"] for image in data(scene)["images"]] == ["fox-1/default/0.png"]
    assert data(scene)["cost_usd"] == pytest.approx((10 * 5 + 1200 * 30) / 1e6)


async def test_while_the_call_runs_its_preview_has_a_path_and_is_found_by_its_number() -> None:
    scene, _ = streaming(draft(64), FINAL)
    told: list[str | None] = []

    def look() -> None:
        (record,) = scene.records()
        found = find_preview(record, "0")
        assert found is not None
        assert found.blob == PREVIEW
        assert found.labels["attempt"] == "1"
        assert find_preview(record, "1") is None
        told.append(describe_job(record).tasks[0].preview_path)
        assert not describe_job(record).images

    answer = scene.world.endpoint.otherwise
    assert isinstance(answer, StreamedReply)
    scene.world.endpoint.otherwise = StreamedReply(
        headers=answer.headers, parts=answer.parts, seen=look
    )
    await scene.run()
    assert told == ["/api/jobs/fox-1/images/0?as=preview"] * 2
    (record,) = scene.records()
    assert find_preview(record, "0") is None
    assert describe_job(record).tasks[0].preview_path is None


async def test_each_picture_of_a_job_has_its_own_call_and_previews() -> None:
    scene, _ = streaming(draft(64), FINAL, n=3)
    await scene.run()
    assert [request.body["n"] for request in scene.world.endpoint.requests] == [1, 1, 1]
    assert sorted(scene.world.committed) == [f"fox-1/default/{n}.png" for n in range(3)]


@pytest.mark.parametrize(
    "fault",
    [
        _event("partial_image", b"GIF89a" + bytes(50)),
        draft(64).replace(b'"b64_json": "', b'"b64_json": "?'),
        draft(64)[:-30] + b"\n\n",
        b'event: image_generation.partial_image\ndata: {"b64_json": null\n\n',
    ],
    ids=["no picture", "no base64", "cut", "no json"],
)
async def test_a_faulty_preview_costs_no_picture(fault: bytes) -> None:
    scene, seen = streaming(fault, draft(128), FINAL)
    await scene.run()
    assert seen[0] is None
    assert seen[1][0] == png(128, 128)
    assert ended(scene) == ("image.job.succeeded", None, 1)


async def test_a_preview_that_storage_refuses_costs_no_picture() -> None:
    scene, seen = streaming(draft(64), draft(128), FINAL)
    scene.world.steps.failing["pictures.write"] = [StoreUnavailable("busy")]
    scene.world.steps.failing["pictures.delete"] = [StoreUnavailable("busy")]
    await scene.run()
    assert [each and each[0] for each in seen] == [None, png(128, 128), png(128, 128)]
    assert ended(scene) == ("image.job.succeeded", None, 1)


async def test_a_call_without_a_picture_leaves_no_preview() -> None:
    scene, seen = streaming(draft(64), error=BrokenReply("cut off"), on_unknown="fail")
    await scene.run()
    assert seen[0] is not None
    assert scene.world.committed == {}


async def test_previews_that_nobody_asked_for_are_not_stored() -> None:
    scene, seen = streaming(draft(64), FINAL, previews=0)
    await scene.run()
    assert seen == [None, None]
    assert ended(scene) == ("image.job.succeeded", None, 1)


async def test_a_process_that_dies_at_any_step_leaves_no_preview() -> None:
    whole, _ = streaming(draft(64), draft(128), FINAL)
    await whole.run()
    for crash_at in range(len(whole.world.steps.taken)):
        scene, _ = streaming(draft(64), draft(128), FINAL, on_unknown="retry_once")
        scene.world.steps.crash_at = crash_at
        await scene.run()
        await scene.sweep_on()
        assert reckoned(scene).state == "succeeded"
        assert PREVIEW not in scene.world.container("images").stored
