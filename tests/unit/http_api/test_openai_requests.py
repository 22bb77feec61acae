from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.errors import ImageJobsError, InvalidJob
from shared.http_api.openai_requests import (
    MAX_JSON_BYTES,
    ImagesRequest,
    Parameters,
    check_form,
    find_caller,
    find_model,
    read_form_request,
    read_json_request,
)
from shared.http_api.openai_responses import OpenAIRefused, describe_error
from tests.builders.openai_requests import CONFIGURATION, edit, read
from tests.simulation.scene import png

KEYS = {"shop": SecretStr("sk-shop-0123456789"), "blog": SecretStr("sk-blog-0123456789")}
FOX = png(1024, 1024)
DEN = png(1200, 800)
FORM = "multipart/form-data; boundary=abc"


def refusal(content: object) -> tuple[int, str | None, str]:
    with pytest.raises(ImageJobsError) as caught:
        read(content)
    error = describe_error(caught.value)
    return error.status, error.param, error.message


def test_a_request_becomes_the_fields_of_a_job() -> None:
    request = read(
        {
            "prompt": "a fox",
            "model": "gpt-image-2",
            "n": 2,
            "size": "1536x1024",
            "quality": "low",
            "background": "opaque",
            "output_format": "jpeg",
            "output_compression": 80,
            "moderation": "low",
            "user": "u-1",
            "response_format": "url",
        }
    )
    job = request.job("job-1")
    assert (job.job_id, job.prompt, job.model, job.n) == ("job-1", "a fox", "gpt-image-2", 2)
    assert (job.size, job.quality, job.fit) == ("1536x1024", "low", "reject")
    assert (job.background, job.format, job.compression) == ("opaque", "jpeg", 80)
    assert (job.options, job.tags) == ({"moderation": "low"}, {"user": "u-1"})
    assert (request.by_url, request.stream) == (True, False)


def test_what_is_left_out_or_null_is_left_to_the_app() -> None:
    job = read({"prompt": "a fox", "size": None, "n": None, "moderation": "auto"}).job("job-1")
    assert (job.model, job.size, job.quality, job.n, job.options) == ("auto", "auto", "auto", 1, {})


def test_the_compression_that_changes_nothing_is_accepted_with_a_png() -> None:
    assert read({"prompt": "a fox", "output_compression": 100}).job("job-1").compression is None
    assert refusal({"prompt": "a fox", "output_compression": 50})[1] == "output_compression"


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"style": "vivid"}, 400, "style"),
        ({"n": "2"}, 400, "n"),
        ({"n": 11}, 400, "n"),
        ({"user": "u" * 257}, 400, "user"),
        ({"n": True}, 400, "n"),
        ({"size": "huge"}, 400, "size"),
        ({"quality": "hd"}, 400, "quality"),
        ({"output_format": "webp"}, 400, "output_format"),
        ({"response_format": "b64"}, 400, "response_format"),
        ({"partial_images": 4}, 400, "partial_images"),
        ({"model": "dall-e-3"}, 404, "model"),
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": None}, 400, "prompt"),
        ({"frame_count": 3}, 400, "frame_count"),
    ],
)
def test_what_would_change_the_picture_is_refused_by_its_name(
    changes: dict[str, Any], status: int, param: str
) -> None:
    assert refusal({"prompt": "a fox"} | changes)[:2] == (status, param)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "not valid JSON"),
        (b"[1]", "must be a JSON object"),
        (b'{"prompt": "a", "prompt": "b"}', "twice"),
        (b" " * (MAX_JSON_BYTES + 1), "at most"),
    ],
)
def test_a_body_without_a_request_is_refused(body: bytes, says: str) -> None:
    assert says in refusal(body)[2]


def test_a_request_of_another_type_is_refused() -> None:
    with pytest.raises(OpenAIRefused, match="'text/plain' is not supported") as caught:
        read_json_request(b"{}", "text/plain", None, CONFIGURATION)
    assert caught.value.error.status == 415


@given(st.text(min_size=12))
def test_no_error_repeats_a_prompt(prompt: str) -> None:
    secret = f"secret {prompt}"
    for content in ({"prompt": secret, "n": 0}, {"prompt": [secret]}, {"prompt": secret * 9_999}):
        assert "secret" not in refusal(content)[2]


PARAMETERS = st.sampled_from([*Parameters.model_fields, "style", "markup", ""])
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(st.dictionaries(PARAMETERS, ANYTHING), st.dictionaries(PARAMETERS, st.text()))
def test_whatever_is_sent_is_a_request_or_an_error_with_a_status(
    content: dict[str, Any], fields: dict[str, str]
) -> None:
    asks: list[Callable[[], ImagesRequest]] = [
        lambda: read({"prompt": "a"} | content),
        lambda: edit(("image", FOX), **fields),
    ]
    for ask in asks:
        try:
            status = 200 if ask().job("job-1").prompt else 500
        except ImageJobsError as error:
            status = describe_error(error).status
        assert status in {200, 400, 404}


def test_the_deployment_of_the_path_wins_over_the_model_in_the_body() -> None:
    request = read({"prompt": "a fox", "model": "MAI-Image-2.5"}, deployment="paint")
    assert request.job("job-1").model == "gpt-image-2"
    assert find_model("paint", CONFIGURATION) == "gpt-image-2"
    assert find_model("cheapest", CONFIGURATION) == "cheapest"
    with pytest.raises(OpenAIRefused, match=r"use gpt-image-2, MAI-Image-2\.5, paint or auto"):
        find_model("gpt-image-1.5", CONFIGURATION)


def test_a_form_becomes_a_job_with_its_pictures() -> None:
    request = edit(("image[]", FOX), ("image[]", DEN), n="2", stream="true", quality="low")
    job = request.job("job-1")
    assert job.inputs == tuple(each.name for each in request.images)
    assert [each.body for each in request.images] == [FOX, DEN]
    assert (job.n, job.mask, request.stream, request.operation) == (2, None, True, "edits")
    assert all(name.startswith("pictures/") and name.endswith(".png") for name in job.inputs)


def test_a_picture_that_is_sent_twice_is_one_input() -> None:
    assert len(edit(("image[]", FOX), ("image[]", FOX)).job("job-1").inputs) == 1


@pytest.mark.parametrize(
    ("files", "fields", "param"),
    [
        ([], {}, "image"),
        ([], {"image": "https://example.com/fox.png"}, "image"),
        ([("image", b"no picture")], {}, "image"),
        ([("image", FOX), ("mask", b"")], {}, "mask"),
        ([("image", FOX), ("mask", FOX), ("mask", FOX)], {}, "mask"),
        ([("image", FOX), ("markup", FOX)], {}, "markup"),
        ([("image", FOX)], {"n": "two"}, "n"),
        ([("image", FOX)], {"style": "vivid"}, "style"),
    ],
)
def test_a_form_with_a_fault_is_refused_by_its_name(
    files: list[tuple[str, bytes]], fields: dict[str, str], param: str
) -> None:
    with pytest.raises(ImageJobsError) as caught:
        edit(*files, **fields)
    assert describe_error(caught.value).param == param


def test_a_field_that_a_form_has_twice_is_refused() -> None:
    with pytest.raises(OpenAIRefused, match="'n' appears twice"):
        read_form_request(
            [("prompt", "a"), ("n", "1"), ("n", "2")], [("image", FOX)], None, CONFIGURATION
        )


def test_a_missing_prompt_is_a_fault_of_the_prompt() -> None:
    with pytest.raises(InvalidJob, match="prompt: is missing"):
        read_form_request([], [("image", FOX)], None, CONFIGURATION)


def whole_form() -> bytes:
    part = b'--abc\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na fox\r\n'
    return part + b"--abc--\r\n"


def test_a_whole_form_is_accepted() -> None:
    check_form(whole_form(), FORM)
    check_form(whole_form(), 'Multipart/Form-Data; charset=utf-8; boundary="abc"')


@given(st.integers(0, len(whole_form()) - 3))
def test_a_form_that_is_cut_off_anywhere_is_refused(end: int) -> None:
    with pytest.raises(OpenAIRefused, match=r"cut off|does not begin"):
        check_form(whole_form()[:end], FORM)


def test_a_form_of_very_many_parts_is_refused() -> None:
    part = whole_form().removesuffix(b"--abc--\r\n")
    with pytest.raises(OpenAIRefused, match="has 1,001 parts; at most 64"):
        check_form(part * 1_001 + b"--abc--", FORM)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("multipart/form-data", 400), ("application/json", 415), (None, 415)],
)
def test_a_form_without_a_boundary_is_refused(content_type: str | None, status: int) -> None:
    with pytest.raises(OpenAIRefused) as caught:
        check_form(whole_form(), content_type)
    assert caught.value.error.status == status


def test_equal_requests_have_one_fingerprint_and_others_another() -> None:
    asked = {"prompt": "a fox", "n": 2}
    same = read({"n": 2, "prompt": "a fox", "size": None})
    assert read(asked).fingerprint == same.fingerprint
    others = [
        read({**asked, "prompt": "a hare"}),
        read({**asked, "user": "u-1"}),
        read({**asked, "response_format": "url"}),
        edit(("image", FOX), prompt="a fox", n="2"),
        edit(("image", DEN), prompt="a fox", n="2"),
    ]
    assert len({read(asked).fingerprint, *(each.fingerprint for each in others)}) == 6


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer sk-blog-0123456789"},
        {"authorization": "bearer  sk-blog-0123456789 "},
        {"api-key": "sk-blog-0123456789"},
        {"api-key": "sk-blog-0123456789", "authorization": "Bearer of an identity"},
    ],
)
def test_a_caller_is_known_by_the_key(headers: dict[str, str]) -> None:
    assert find_caller(headers, KEYS) == "blog"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer sk-blog-012345678"},
        {"authorization": "Bearer "},
        {"authorization": "Basic sk-blog-0123456789"},
        {"api-key": "sk-blög-0123456789"},
        {"x-functions-key": "sk-blog-0123456789"},
    ],
)
def test_a_wrong_key_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(OpenAIRefused) as caught:
        find_caller(headers, KEYS)
    assert (caught.value.error.status, caught.value.error.code) == (401, "invalid_api_key")


def test_without_keys_the_endpoints_are_off() -> None:
    with pytest.raises(OpenAIRefused, match="OPENAI_KEYS") as caught:
        find_caller({"api-key": ""}, None)
    assert caught.value.error.status == 404
