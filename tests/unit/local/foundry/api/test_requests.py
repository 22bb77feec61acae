import io
from typing import Any

import pytest
from PIL import Image

from ..calls import DATED, KEY, PLAIN, V1, Calls, png, started

FOUR_RULES = {
    "1000x1024": "Width and height must both be divisible by 16.",
    "3856x2160": "The longest edge must be less than or equal to 3840.",
    "3200x1024": "The longest edge must not be more than 3 times the shortest edge.",
    "2896x2880": "Requested resolution exceeds the current pixel budget.",
    "800x800": "Requested resolution is below the current minimum pixel budget.",
    "wide": "Expected WIDTHxHEIGHT, for example '1824x1024'.",
}


@pytest.mark.parametrize(("size", "rule"), FOUR_RULES.items())
async def test_each_size_rule_has_its_own_message(calls: Calls, size: str, rule: str) -> None:
    error = await calls.error({"size": size})
    assert error == {
        "message": f"Invalid size '{size}'. {rule}",
        "type": "image_generation_user_error",
        "param": "size",
        "code": "invalid_value",
    }


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({"n": 0}, "integer_below_min_value", "Expected a value >= 1, but got 0"),
        ({"n": 11}, "integer_above_max_value", "Expected a value <= 10, but got 11"),
        ({"n": "2"}, "invalid_type", "expected an integer, but got a string"),
        ({"n": True}, "invalid_type", "expected an integer, but got a boolean"),
        ({"n": [2]}, "invalid_type", "but got an array"),
        ({"quality": "xhigh"}, "invalid_value", "does not support quality 'xhigh'"),
        ({"quality": "hd"}, "invalid_value", "Invalid value: 'hd'. Supported values are: 'low'"),
        ({"response_format": None}, "unknown_parameter", "Unknown parameter: 'response_format'."),
        ({"style": "vivid"}, "unknown_parameter", "Unknown parameter: 'style'."),
        ({"input_fidelity": "low"}, "unknown_parameter", "Unknown parameter: 'input_fidelity'."),
        ({"banana": 1}, "unknown_parameter", "Unknown parameter: 'banana'."),
        ({"prompt": None}, "missing_required_parameter", "Missing required parameter: 'prompt'."),
        ({"prompt": ""}, "empty_string", "got an empty string"),
        ({"prompt": 7}, "invalid_type", "expected a string, but got an integer"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "with length 32001"),
        ({"output_format": "webp"}, "invalid_value", "Supported values are: 'png' and 'jpeg'."),
        ({"output_compression": 50}, "invalid_value", "not supported for PNG"),
        ({"output_compression": 101}, "integer_above_max_value", "<= 100"),
        (
            {"background": "transparent", "output_format": "jpeg"},
            "invalid_value",
            "Transparent background is not supported",
        ),
        ({"stream": True, "n": 2}, "invalid_value", "Streaming is only supported with n=1."),
        ({"stream": "yes"}, "invalid_type", "expected a boolean"),
        ({"stream": True, "partial_images": 4}, "integer_above_max_value", "<= 3"),
        ({"moderation": "off"}, "invalid_value", "'auto' and 'low'"),
    ],
)
async def test_a_wrong_member_is_refused_in_the_words_of_the_service(
    calls: Calls, body: dict[str, object], code: str, message: str
) -> None:
    error = await calls.error(body)
    assert error["code"] == code
    assert message in error["message"]


async def test_the_first_series_makes_three_sizes(calls: Calls) -> None:
    error = await calls.error({"size": "1254x836"}, deployment="gpt-image-1.5")
    assert error["message"].startswith("Invalid value: '1254x836'. Supported values are:")
    assert (await calls.generate({"size": "1024x1024"}, deployment="gpt-image-1")).status == 200


async def test_a_newer_model_has_more_qualities(calls: Calls) -> None:
    reply = await calls.generate({"quality": "max"}, deployment="gpt-image-2.5-flare")
    assert (await reply.json())["quality"] == "max"


async def test_an_oversize_is_shrunk_with_that_setting() -> None:
    async with started(oversize="resize") as calls:
        reply = await calls.generate({"size": "4096x2304"})
        assert (await reply.json())["size"] == "3840x2160"


async def test_a_body_that_is_no_json_object_is_refused(calls: Calls) -> None:
    url = DATED.format("gpt-image-2", "generations")
    headers = {**KEY, "content-type": "application/json"}
    for data in (b"{", b"[]"):
        assert (await calls.client.post(url, data=data, headers=headers)).status == 400
    plain = await calls.client.post(url, data=b"{}", headers={**KEY, "content-type": "text/plain"})
    assert plain.status == 415


@pytest.mark.parametrize(
    "path",
    [
        "/openai/images/generations?api-version=preview",
        "/openai/deployments/gpt-image-2/images/generations?api-version=2025-03-01-preview",
        "/openai/deployments/gpt-image-2/images/generations",
        "/openai/v1/images/generations?api-version=2024-02-01",
        "/providers/blackforestlabs/v1/flux-9?api-version=preview",
        "/elsewhere",
    ],
)
async def test_any_other_path_or_version_is_not_found(calls: Calls, path: str) -> None:
    reply = await calls.client.post(path, json=PLAIN, headers=KEY)
    assert reply.status == 404
    assert await reply.json() == {"error": {"code": "404", "message": "Resource not found"}}


async def test_an_unknown_deployment_does_not_exist(calls: Calls) -> None:
    reply = await calls.generate(deployment="nope")
    assert reply.status == 404
    assert (await reply.json())["error"]["code"] == "DeploymentNotFound"


async def test_the_version_of_the_article_is_accepted(calls: Calls) -> None:
    url = "/openai/deployments/gpt-image-2/images/generations?api-version=2024-02-01"
    body = {**PLAIN, "model": "gpt-image-2", "output_compression": 100, "output_format": "png"}
    assert (await calls.client.post(url, json={**body, "n": 1}, headers=KEY)).status == 200


async def test_v1_needs_the_deployment_in_the_body(calls: Calls) -> None:
    url = V1.format("generations")
    without = await calls.client.post(url, json=PLAIN, headers=KEY)
    assert (await without.json())["error"]["message"] == "Missing required parameter: 'model'."
    reply = await calls.client.post(url, json={**PLAIN, "model": "gpt-image-2"}, headers=KEY)
    assert reply.status == 200
    other = await calls.client.post(url, json={**PLAIN, "model": "MAI-Image-2.6"}, headers=KEY)
    assert other.status == 404


async def test_model_on_the_deployment_url_can_be_refused(calls: Calls) -> None:
    assert (await calls.generate({"model": "gpt-image-2"})).status == 200
    await calls.admin("POST", "settings", {"refuse_model_member": True})
    error = await calls.error({"model": "gpt-image-2"})
    assert error["message"] == "The model 'gpt-image-2' does not exist"


async def test_more_than_ten_custom_headers_are_refused(calls: Calls) -> None:
    headers = {f"x-mine-{n}": "1" for n in range(11)}
    assert (await calls.generate(headers=headers)).status == 431


async def test_edits_want_a_form_with_pictures(calls: Calls) -> None:
    url = DATED.format("gpt-image-2", "edits")
    assert (await calls.client.post(url, json=PLAIN, headers=KEY)).status == 415
    reply = await calls.edit()
    assert (await reply.json())["error"]["message"] == "Missing required parameter: 'image'."


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"image": b"nothing"}, "invalid_image_file"),
        ({"image": png(8, 8), "mask": png(9, 8)}, "invalid_mask_image_format"),
        ({"image": png(8, 8), "mask": png(8, 8, "RGB")}, "invalid_mask_image_format"),
        ({"image[]": [png(8, 8)] * 17}, "array_above_max_length"),
        ({"image": png(8, 8), "n": "11"}, "integer_above_max_value"),
        ({"image": png(8, 8), "input_fidelity": "huge"}, "invalid_value"),
    ],
)
async def test_a_wrong_edit_is_refused(calls: Calls, fields: dict[str, Any], code: str) -> None:
    reply = await calls.edit(**fields)
    assert reply.status == 400
    assert (await reply.json())["error"]["code"] == code


async def test_the_mini_model_knows_no_input_fidelity(calls: Calls) -> None:
    reply = await calls.edit("gpt-image-1-mini", image=png(8, 8), input_fidelity="high")
    assert (await reply.json())["error"]["code"] == "unknown_parameter"


async def test_an_input_must_be_png_or_jpeg(calls: Calls) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "GIF")
    error = (await (await calls.edit(image=buffer.getvalue())).json())["error"]
    assert error["code"] == "unsupported_file_mimetype"
    assert "'image/gif'" in error["message"]


async def test_a_mask_must_be_a_png(calls: Calls) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    reply = await calls.edit(image=png(8, 8), mask=buffer.getvalue())
    assert (await reply.json())["error"]["code"] == "invalid_mask_image_format"


async def test_a_form_without_its_boundary_is_refused(calls: Calls) -> None:
    headers = {**KEY, "content-type": "multipart/form-data"}
    url = DATED.format("gpt-image-2", "edits")
    assert (await calls.client.post(url, data=b"x", headers=headers)).status == 400


async def test_a_mask_must_be_smaller_than_four_megabytes(calls: Calls) -> None:
    mask = png(8, 8) + bytes(4 << 20)
    reply = await calls.edit(image=png(8, 8), mask=mask)
    assert (await reply.json())["error"]["code"] == "file_too_large"
