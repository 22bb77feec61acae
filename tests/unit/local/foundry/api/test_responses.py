import asyncio
import base64
import io
from typing import Any

import pytest
from PIL import Image

from tests.builders.signed_pictures import validation_of

from ..calls import DATED, KEY, PLAIN, SMALL, V1, Calls, events, picture, png, started


async def test_the_reply_is_the_measured_body(calls: Calls) -> None:
    reply = await calls.generate(headers={"x-ms-client-request-id": "mine"})
    body = await reply.json()
    assert list(body) == [
        *("created", "background", "data", "output_format", "quality", "size", "usage")
    ]
    assert body["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": 7},
        "output_tokens": 107,
        "total_tokens": 114,
    }
    assert (body["quality"], body["size"], body["background"]) == ("low", SMALL, "opaque")
    assert reply.headers["x-ms-client-request-id"] == "mine"
    assert reply.headers["x-ratelimit-limit-requests"] == "600"
    assert {"apim-request-id", "x-request-id"} <= {name.lower() for name in reply.headers}


async def test_the_reply_has_the_value_decided_for_auto(calls: Calls) -> None:
    asked = {"size": "auto", "quality": "auto"}
    body = await (await calls.generate(asked, deployment="gpt-image-2.5-flare")).json()
    assert (body["size"], body["quality"]) == ("1024x1024", "medium")
    assert picture(body["data"][0]["b64_json"]).size == (1024, 1024)
    refused = await calls.generate(asked)
    assert refused.status == 400
    assert "does not support quality 'auto'" in (await refused.json())["error"]["message"]


async def test_several_pictures_differ_and_have_the_pixels_asked_for(calls: Calls) -> None:
    body = await (await calls.generate({"n": 3, "size": "1040x640"})).json()
    texts = [item["b64_json"] for item in body["data"]]
    assert len(set(texts)) == 3
    assert {picture(text).size for text in texts} == {(1040, 640)}
    assert body["usage"]["output_tokens"] % 3 == 0


async def test_details_and_filter_results_can_be_switched_on() -> None:
    async with started(token_details=True, filter_results=True) as calls:
        body = await (await calls.generate()).json()
        assert body["usage"]["output_tokens_details"] == {"image_tokens": 107, "text_tokens": 0}
        assert body["data"][0]["content_filter_results"]["hate"]["severity"] == "safe"
        assert body["prompt_filter_results"][0]["prompt_index"] == 0


async def test_jpeg_and_transparent_png_are_what_they_say(calls: Calls) -> None:
    jpeg = await (await calls.generate({"output_format": "jpeg", "output_compression": 70})).json()
    assert picture(jpeg["data"][0]["b64_json"]).format == "JPEG"
    clear = await (await calls.generate({"background": "transparent"})).json()
    image = picture(clear["data"][0]["b64_json"])
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]  # an RGBA pixel is a tuple


@pytest.mark.parametrize("kind", ["png", "jpeg"])
async def test_a_picture_may_hold_a_manifest_that_is_not_valid_for_it(
    calls: Calls, kind: str
) -> None:
    reply = await (await calls.generate({"output_format": kind}, fault="c2pa")).json()
    text = reply["data"][0]["b64_json"]
    assert picture(text).size == (1024, 640)
    assert validation_of(base64.b64decode(text), f"image/{kind}") == "Invalid"


async def test_a_stream_has_partials_and_ends_with_the_usage(calls: Calls) -> None:
    reply = await calls.generate({"stream": True, "partial_images": 2})
    assert reply.content_type == "text/event-stream"
    text = await reply.text()
    assert text.startswith(": keep-alive\n\n")
    (one, first), (two, second), (last, end) = events(text)
    assert one == two == "image_generation.partial_image"
    assert (first["partial_image_index"], second["partial_image_index"]) == (0, 1)
    assert last == end["type"] == "image_generation.completed"
    assert picture(first["b64_json"]).size == picture(end["b64_json"]).size == (1024, 640)
    assert first["b64_json"] != end["b64_json"]
    assert end["usage"]["output_tokens"] == 107 + 200


async def test_the_final_event_may_come_before_the_last_partial() -> None:
    async with started(early_final=True, keep_alive_seconds=0) as calls:
        text = await (await calls.generate({"stream": True, "partial_images": 1})).text()
        assert ":" not in text[:1]
        assert [name for name, _ in events(text)] == ["image_generation.completed"]


async def test_a_stream_without_partials_is_one_event(calls: Calls) -> None:
    text = await (await calls.generate({"stream": True})).text()
    assert [name for name, _ in events(text)] == ["image_generation.completed"]


async def test_comments_keep_a_slow_stream_alive() -> None:
    async with started(time_scale=0.001, keep_alive_seconds=5) as calls:
        text = await (await calls.generate({"stream": True})).text()
        assert text.count(": keep-alive") > 2


async def test_base64_may_be_escaped_and_arrive_in_small_chunks() -> None:
    async with started(escapes=True, chunk_bytes=977, chunked=True) as calls:
        reply = await calls.generate()
        assert "content-length" not in reply.headers
        raw = await reply.text()
        assert "\\/" in raw
        assert "\\u002B" in raw
        assert picture((await reply.json())["data"][0]["b64_json"]).size == (1024, 640)


@pytest.mark.parametrize("name", ["image", "image[]"])
async def test_an_edit_shows_its_input_and_counts_it(calls: Calls, name: str) -> None:
    red = io.BytesIO()
    Image.new("RGB", (1024, 1024), "red").save(red, "PNG")
    fields: dict[str, Any] = {name: red.getvalue(), "quality": "low", "mask": png(1024, 1024)}
    reply = await calls.edit(**fields)
    body = await reply.json()
    assert body["usage"]["input_tokens_details"]["image_tokens"] == 1024
    corner = picture(body["data"][0]["b64_json"]).getpixel((2, 2))
    assert isinstance(corner, tuple)
    assert corner[0] > 60
    assert corner[1] < 10


async def test_an_edit_can_be_streamed_on_v1(calls: Calls) -> None:
    url = V1.format("edits")
    reply = await calls.edit(url=url, model="gpt-image-2", image=png(64, 64), stream="true")
    assert [name for name, _ in events(await reply.text())] == ["image_edit.completed"]


async def test_mai_makes_one_picture_for_any_n(calls: Calls) -> None:
    url = "/mai/v1/images/generations"
    ask = {"model": "MAI-Image-2.6", "prompt": "A fox", "width": 768, "height": 1024, "n": 4}
    body = await (await calls.client.post(url, json=ask, headers=KEY)).json()
    assert len(body["data"]) == 1
    assert picture(body["data"][0]["b64_json"]).size == (768, 1024)
    counts = {"num_input_text_tokens": 7, "num_input_image_tokens": 0, "num_output_tokens": 768}
    assert body["usage"] == counts
    older = ask | {"model": "MAI-Image-2.5"}
    assert (
        counts.items()
        <= (await (await calls.client.post(url, json=older, headers=KEY)).json()).items()
    )


async def test_each_mai_model_has_its_own_area_and_references(calls: Calls) -> None:
    ask = {"model": "MAI-Image-2.7", "prompt": "A fox", "width": 2048, "height": 2048}
    url = "/mai/v1/images/generations"
    clear = ask | {"background": "transparent"}
    body = await (await calls.client.post(url, json=clear, headers=KEY)).json()
    assert picture(body["data"][0]["b64_json"]).mode == "RGBA"
    smaller = ask | {"model": "MAI-Image-2.6"}
    assert (await calls.client.post(url, json=smaller, headers=KEY)).status == 400
    for count, status in ((5, 200), (6, 400)):
        pictures: dict[str, Any] = {"image[]": [png(64, 64)] * count}
        url, model = "/mai/v1/images/edits", "MAI-Image-2.6"
        assert (await calls.edit(url=url, model=model, size=None, **pictures)).status == status


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"width": 512}, "unsupported_request_value", "'width' must be at least 768 pixels."),
        ({"height": 770}, "unsupported_request_value", "multiple of 16"),
        ({"width": 2048}, "unsupported_request_value", "1048576"),
        ({"seed": 1}, "unsupported_request_parameter", "'seed'"),
        ({"size": "1024x1024"}, "unsupported_request_parameter", "'size'"),
    ],
)
async def test_mai_has_rules_of_its_own(
    calls: Calls, change: dict[str, object], code: str, message: str
) -> None:
    ask = {"model": "MAI-Image-2.5", "prompt": "A fox", **change}
    reply = await calls.client.post("/mai/v1/images/generations", json=ask, headers=KEY)
    error = (await reply.json())["error"]
    assert (reply.status, error["code"]) == (400, code)
    assert message in error["message"]


async def test_a_mai_edit_takes_exactly_one_picture(calls: Calls) -> None:
    url = "/mai/v1/images/edits"
    model = "MAI-Image-2.5"
    good = await calls.edit(url=url, model=model, size=None, image=png(900, 800))
    assert good.status == 200
    two = await calls.edit(url=url, model=model, size=None, image=[png(8, 8)] * 2)
    masked = await calls.edit(url=url, model=model, size=None, image=png(8, 8), mask=png(8, 8))
    sized = await calls.edit(url=url, model=model, size=None, image=png(8, 8), width=1024)
    assert [two.status, masked.status, sized.status] == [400, 400, 400]


async def test_flux_refuses_more_inputs_than_its_model_takes(calls: Calls) -> None:
    url = "/providers/blackforestlabs/v1/flux-kontext-pro?api-version=preview"
    given = base64.b64encode(png(32, 32)).decode()
    ask = {"prompt": "A fox", "input_image": given, "input_image_2": given}
    reply = await calls.client.post(url, json=ask, headers=KEY)
    assert "At most 1 input images" in (await reply.json())["error"]["message"]


async def test_flux_snaps_sizes_and_takes_pictures_as_base64(calls: Calls) -> None:
    url = "/providers/blackforestlabs/v1/flux-2-pro?api-version=preview"
    ask = {"model": "FLUX.2-pro", "prompt": "A fox", "width": 517, "height": 300}
    body = await (await calls.client.post(url, json=ask, headers=KEY)).json()
    image = picture(body["data"][0]["b64_json"])
    assert (image.size, image.format) == ((512, 288), "JPEG")
    assert "usage" not in body
    given = base64.b64encode(png(32, 32)).decode()
    edit = {**ask, "input_image": given, "input_image_2": given, "output_format": "png"}
    assert (await calls.client.post(url, json=edit, headers=KEY)).status == 200
    wrong = (
        {**ask, "width": 100},
        {**ask, "width": 4096, "height": 4096},
        {**ask, "input_image": "?"},
        {**ask, "input_image": 5},
        {**ask, "banana": 1},
    )
    replies = [await calls.client.post(url, json=body, headers=KEY) for body in wrong]
    assert {reply.status for reply in replies} == {400}
    unnamed = {name: value for name, value in ask.items() if name != "model"}
    assert (await calls.client.post(url, json=unnamed, headers=KEY)).status == 200
    other = {**ask, "model": "FLUX.2-flex"}
    assert (await calls.client.post(url, json=other, headers=KEY)).status == 404


async def test_calls_run_side_by_side(calls: Calls) -> None:
    replies = await asyncio.gather(*(calls.generate({"prompt": f"Fox {n}"}) for n in range(4)))
    assert {reply.status for reply in replies} == {200}


async def test_a_cached_picture_is_the_same_again_and_noise_makes_it_large() -> None:
    async with started(cache=True, noise=6) as calls:
        url = DATED.format("gpt-image-2", "generations")
        bodies = [
            await (
                await calls.client.post(url, json={**PLAIN, "prompt": str(n)}, headers=KEY)
            ).json()
            for n in range(2)
        ]
        one, two = (body["data"][0]["b64_json"] for body in bodies)
        assert one == two
        assert len(base64.b64decode(one)) > 1_200_000
