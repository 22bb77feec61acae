"""Pictures to edit: told by their first bytes, refused before a cent is spent."""

from typing import Any

import pytest

from shared.errors import InvalidJob
from shared.events.projection import images_of
from shared.jobs.parsing import build_job
from shared.pictures.inputs import HEAD_BYTES, MAX_INPUT_BYTES, InputHead, locate_input, read_inputs
from tests.builders.pictures import drawn
from tests.builders.routed import plan, refusal
from tests.builders.strategies import deployment
from tests.simulation.scene import SETTINGS, Scene, configured, data

JOB = {"job_id": "fox-1", "prompt": "a scarf", "model": "gpt-image-2", "inputs": ["a.png"]}


def head(body: bytes, length: int | None = None) -> InputHead:
    return InputHead('"1"', len(body) if length is None else length, body[:HEAD_BYTES])


def test_a_png_and_a_jpeg_are_told_by_their_heads() -> None:
    heads = {
        "a": head(drawn()),
        "b": head(drawn("JPEG", size=(33, 44))),
        "c": head(drawn("WEBP", size=(55, 66))),
        "m": head(drawn(mode="RGBA")),
    }
    pictures, faults = read_inputs(["a", "b", "c"], "m", heads)
    assert faults == ()
    assert [(each.blob, each.content_type, each.width, each.height) for each in pictures] == [
        ("a", "image/png", 60, 40),
        ("b", "image/jpeg", 33, 44),
        ("c", "image/webp", 55, 66),
        ("m", "image/png", 60, 40),
    ]
    assert [each.role for each in pictures] == ["input"] * 3 + ["mask"]


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (None, "does not exist"),
        (head(b""), "is not a PNG, JPEG or WebP"),
        (head(drawn("GIF")), "is not a PNG, JPEG or WebP"),
        (head(drawn("WEBP")[:20]), "is cut off, or not a valid WebP"),
        (head(drawn(), MAX_INPUT_BYTES), "has 52,428,800 bytes; it must have less than 52,428,800"),
        (head(drawn()[:16] + b"\x00\x01\x00\x00" * 2 + b"\x08\x02"), "has 4,294,967,296 pixels"),
        (head(drawn("JPEG")[:20]), "is cut off, or not a valid JPEG: it has no size"),
        (head(drawn("JPEG")[:20], 300_000), "has no size within its first 20 bytes; strip its"),
        (head(drawn()[:20]), "is cut off: it has 20 bytes"),
        (head(drawn()[:5]), "is cut off: it has 5 bytes"),
        (head(drawn()[:16] + bytes(8) + drawn()[24:]), "its header says 0x0 pixels"),
    ],
)
def test_what_cannot_be_edited_is_told_with_its_field(found: InputHead | None, said: str) -> None:
    _, (fault,) = read_inputs(["a.png"], None, {"a.png": found})
    assert fault.field == "inputs[0]"
    assert fault.message.startswith("'a.png' ")
    assert said in fault.message


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (drawn("JPEG"), "is not a PNG"),
        (drawn(), "has no transparency"),
        (drawn(mode="P"), "has no transparency"),
        (drawn(mode="RGBA", size=(40, 60)), "is 40x60 and the first input is 60x40"),
        (drawn(mode="RGBA") + bytes(4 << 20), "it must have less than 4,194,304"),
    ],
)
def test_a_mask_must_fit_its_picture(mask: bytes, said: str) -> None:
    _, (fault,) = read_inputs(["a"], "m", {"a": head(drawn()), "m": head(mask)})
    assert fault.field == "mask"
    assert said in fault.message


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *(("RGBA", {}), ("LA", {}), ("P", {"transparency": 0}), ("L", {"transparency": 0})),
        ("RGB", {"transparency": (0, 0, 0)}),
    ],
)
def test_a_mask_may_say_in_any_way_of_png_what_is_transparent(
    mode: str, options: dict[str, Any]
) -> None:
    _, faults = read_inputs(
        ["a"], "m", {"a": head(drawn()), "m": head(drawn(mode=mode, **options))}
    )
    assert faults == ()


@pytest.mark.parametrize(
    ("model", "asked", "said"),
    [
        ("MAI-Image-2.5", {"inputs": ("a", "b")}, "has 2 pictures; at most 1 for MAI-Image-2.5"),
        ("MAI-Image-2.5", {"inputs": ("a",), "mask": "m"}, "MAI-Image-2.5 does not support a mask"),
        ("FLUX.2-pro", {"inputs": ("a",), "mask": "m"}, "FLUX.2-pro does not support a mask"),
        (
            "MAI-Image-2.5",
            {"inputs": ("a",), "size": "1:1", "fit": "reject"},
            "has the size of its input",
        ),
    ],
)
def test_what_a_family_cannot_edit_is_refused(model: str, asked: dict[str, Any], said: str) -> None:
    assert said in refusal(deployment(model), **asked)


def test_a_mai_edit_says_that_its_size_is_the_inputs() -> None:
    made = plan(deployment("MAI-Image-2.5"), inputs=("a",), size="16:9")
    assert {"width", "height"}.isdisjoint(made.parameters)
    assert made.adjustments[0].decided == "the size of the input"


def test_an_edit_is_estimated_with_its_inputs_and_takes_longer() -> None:
    plain, edit = plan(quality="low"), plan(quality="low", inputs=("a", "b"))
    assert edit.estimate_usd is not None
    assert plain.estimate_usd is not None
    assert edit.estimate_usd - plain.estimate_usd == pytest.approx(2 * 1_536 * 8 / 1e6)
    assert edit.expected_seconds > plain.expected_seconds
    flux = [plan(deployment("FLUX.2-pro"), inputs=inputs) for inputs in ((), ("a",))]
    assert flux[1].estimate_usd == pytest.approx((flux[0].estimate_usd or 0) + 4 * 0.015)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("images/a.png", ("in", "images/a.png")),
        ("/images/a.png", ("images", "a.png")),
        ("/images/fox-1/default/0.png", ("images", "fox-1/default/0.png")),
        ("/images", None),
        ("/in/a.png", None),
        ("/jobs/fox-1.json", None),
        ("/images-2/a.png", None),
    ],
)
def test_a_slash_stands_before_what_was_made_here(name: str, place: tuple[str, str] | None) -> None:
    assert locate_input(name, inputs="in", images="images") == place


@pytest.mark.parametrize("name", ["//images/a.png", "/images//a.png", "/images/../jobs/a", "../a"])
def test_a_name_that_leads_elsewhere_is_none(name: str) -> None:
    for fields in ({"inputs": [name]}, {"inputs": ["a.png"], "mask": name}):
        with pytest.raises(InvalidJob, match="is not a valid blob name"):
            build_job({"prompt": "a scarf", **fields}, made_id="fox-1")


async def test_a_picture_that_was_made_here_is_edited_by_the_name_it_is_told_with() -> None:
    scene = Scene()
    scene.submit({"job_id": "fox-1", "prompt": "a fox", "model": "gpt-image-2"})
    await scene.run()
    (image,) = images_of(scene.record("fox-1"))
    assert image.as_input == "/images/fox-1/default/0.png"
    scene.world.seed("inputs", image.as_input, drawn())
    scene.submit({**JOB, "job_id": "fox-2", "inputs": [image.as_input]}, message_id="2")
    await scene.run()
    assert scene.record("fox-2").state == "succeeded"
    assert [each.picture.blob for each in scene.world.endpoint.requests[-1].uploads] == [
        image.as_input
    ]


async def test_what_is_not_there_after_a_slash_is_told_with_what_may_stand_there() -> None:
    scene = edit_scene()
    scene.submit({**JOB, "inputs": ["/jobs/fox-1.json"]})
    await scene.run()
    (fault,) = data(scene)["faults"]
    assert fault["field"] == "inputs[0]"
    assert "a name with a leading slash must be a picture made by this app" in fault["message"]


def edit_scene(**blobs: bytes) -> Scene:
    scene = Scene()
    for name, body in {"a.png": drawn(), **blobs}.items():
        scene.world.seed("inputs", name, body)
    return scene


async def test_an_edit_sends_the_very_files_that_were_looked_at() -> None:
    scene = edit_scene(m=drawn(mode="RGBA"))
    scene.submit({**JOB, "mask": "m"})
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]
    (request,) = scene.world.endpoint.requests
    assert "/deployments/gpt-image-2/images/edits?" in request.url
    assert request.form
    assert [(each.field, each.picture.blob) for each in request.uploads] == [
        ("image[]", "a.png"),
        ("mask", "m"),
    ]


async def test_bad_inputs_are_refused_with_every_fault_before_anything_is_paid() -> None:
    scene = edit_scene(**{"b.gif": b"GIF89a"})
    scene.submit({**JOB, "inputs": ["a.png", "b.gif", "c.png"], "reply_to": "secrets"})
    await scene.run()
    told = data(scene)
    assert told["code"] == "invalid_job"
    assert [fault["field"] for fault in told["faults"]] == ["reply_to", "inputs[1]", "inputs[2]"]
    assert not scene.world.endpoint.requests


@pytest.mark.parametrize("after", [None, drawn(size=(60, 41))])
async def test_an_input_that_changes_before_its_call_ends_the_job_unpaid(
    after: bytes | None,
) -> None:
    scene = edit_scene()
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    if after is None:
        del scene.world.container("inputs").stored["a.png"]
    else:
        scene.world.seed("inputs", "a.png", after)
    await scene.run()
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], told["cost_usd"]) == ("input_changed", 0.0)
    assert "'a.png' was changed or removed" in told["message"]
    assert not scene.world.endpoint.requests


async def test_a_job_that_ended_is_told_again_though_its_inputs_are_gone() -> None:
    scene = edit_scene()
    scene.submit(JOB)
    await scene.run()
    scene.world.container("inputs").stored.clear()
    scene.submit(JOB, message_id="again")
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"] * 2
    assert len(scene.world.endpoint.requests) == 1


async def test_the_families_have_their_own_fields() -> None:
    names = ("gpt-image-2", "MAI-Image-2.5", "FLUX.2-pro")
    served = ", ".join(f'{{"name": "{name}"}}' for name in names)
    scene = Scene(configured(**{**SETTINGS, "FOUNDRY_DEPLOYMENTS": f"[{served}]"}))
    for name in ("a.png", "b.png"):
        scene.world.seed("inputs", name, drawn())
    scene.submit({**JOB, "model": "FLUX.2-pro", "inputs": ["a.png", "b.png"]})
    scene.submit({**JOB, "job_id": "fox-2", "model": "MAI-Image-2.5"}, message_id="2")
    while len(scene.world.endpoint.requests) < 2:
        scene.take_sent()
        await scene.deliver(scene.waiting.pop(0))
    flux, mai = sorted(scene.world.endpoint.requests, key=lambda request: request.form)
    assert [each.field for each in flux.uploads] == ["input_image", "input_image_2"]
    assert mai.url.endswith("/mai/v1/images/edits")
    assert [each.field for each in mai.uploads] == ["image"]
    assert "width" not in mai.body
