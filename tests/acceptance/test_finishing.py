"""Exact pixels, renditions, thumbnails and contact sheets, as a caller sees them from outside."""

import hashlib
import io
import json
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import Json, RunningStack, running_stack
from tests.builders.metadata import read_xmp
from tests.builders.signed_pictures import validation_of

JOB = {"prompt": "a fox in the snow", "model": "gpt-image-2", "quality": "low"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "READ_LINK_SECONDS=600") as stack:
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


def test_all_that_was_made_is_to_be_had_over_http_by_its_path_and_by_its_link(
    stack: RunningStack,
) -> None:
    caller = caller_of(stack)
    finish = {
        "size": "1000x600",
        "renditions": [{"format": "webp"}],
        "thumbnail": 64,
        "contact_sheet": True,
    }
    caller.call("POST", "/api/jobs", {**JOB, "job_id": "finish-3", "size": "3:2", "finish": finish})
    caller.ended("/api/jobs/finish-3")
    told = caller.call("GET", "/api/jobs/finish-3?links=true").json
    (image,) = told["images"]
    made = [image, *image["renditions"], told["contact_sheet"]]
    assert [each.get("kind") for each in made] == [
        *(None, "exact", "rendition", "thumbnail", "contact_sheet")
    ]
    for each in made:
        here = caller.call("GET", each["path"])
        base, _, path = each["read_url"].partition("/devstoreaccount1/")
        linked = Caller(base, None).call("GET", f"/devstoreaccount1/{path}")
        assert here.headers["content-type"] == each["content_type"]
        assert hashlib.sha256(here.body).hexdigest() == each["sha256"]
        assert linked.body == here.body
    (line,) = caller.call("GET", "/api/jobs?links=true&limit=1").json["jobs"]
    assert "/0.1000x600.t64.webp?" in line["cover_url"]
    assert caller.call("GET", f"{image['path']}?as=big").json["code"] == "invalid_query"
    assert caller.call("GET", f"{image['path']}?as=q7.webp").json["code"] == "no_such_picture"


def test_everything_tells_that_an_original_holds_a_manifest_and_what_was_made_from_it(
    stack: RunningStack,
) -> None:
    finish = {
        "size": "1000x600",
        "renditions": [{"format": "jpeg"}, {"format": "avif"}],
        "thumbnail": 64,
        "contact_sheet": True,
    }
    prompt = f"{JOB['prompt']} [[fault:c2pa]]"
    stack.submit({**JOB, "job_id": "finish-4", "prompt": prompt, "finish": finish})
    told = stack.event("finish-4")["data"]
    (image,) = told["images"]
    assert image["c2pa"] == "present"
    sidecar = stack.blob("images", told["sidecar"])
    assert sidecar is not None
    assert json.loads(sidecar)["images"][0]["c2pa"] == "present"
    status = caller_of(stack).call("GET", "/api/jobs/finish-4").json
    assert status["images"][0]["c2pa"] == "present"
    original = stack.blob("images", image["blob"])
    assert original is not None
    assert validation_of(original, "image/png") == "Invalid"  # made for another one by the emulator
    for made in (*image["renditions"], told["contact_sheet"]):
        data = stack.blob("images", made["blob"])
        assert data is not None
        assert "c2pa" not in made
        assert validation_of(data, made["content_type"]) is None
        xmp = read_xmp(data)
        assert str(xmp["Xmp.iptcExt.DigitalSourceType"]).endswith("/trainedAlgorithmicMedia")
        assert xmp["Xmp.xmpMM.DerivedFrom/stRef:instanceID"] == f"sha256:{image['sha256']}"
        assert xmp["Xmp.photoshop.TransmissionReference"] == "finish-4"
        assert b"a fox in the snow" not in data
