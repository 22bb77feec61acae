from datetime import UTC, datetime

import pytest
from pydantic import JsonValue

from shared.images_api.replies import (
    Moderation,
    find_moderation,
    find_revised_prompts,
    read_request_id,
    read_retry_after,
)
from tests.builders.growth import MOST, growth


def named(**headers: str) -> str | None:
    return read_request_id({name.replace("_", "-"): value for name, value in headers.items()})


def test_the_request_id_is_the_gateways_before_the_services() -> None:
    assert named(X_Request_Id="b", APIM_Request_Id=" a ") == "a"
    assert named(x_request_id="b", apim_request_id=" ") == "b"
    assert named(x_ms_request_id="c") == "c"
    assert named() is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"Retry-After-MS": "soon", "Retry-After": "9"}, 9),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "86400"}, 3600),
        ({"retry-after-ms": "86400000"}, 3600),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e999"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 10:01:00 GMT",
                "date": "Sun, 22 Nov 2026 10:00:18 GMT",
            },
            42,
        ),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT"}, 60),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:00 -0000"}, 60),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 99 Nov 2026 09:00:00 GMT"}, None),
    ],
)
def test_the_wait_is_taken_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    now = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert read_retry_after(headers, now=now) == seconds


def test_a_date_without_any_clock_is_no_wait() -> None:
    assert read_retry_after({"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT"}) is None


@pytest.mark.parametrize(
    ("document", "found"),
    [
        ({"data": [{"b64_json": "#0", "revised_prompt": "a"}, {"b64_json": "#1"}]}, {0: "a"}),
        ({"data": [{"url": "u"}, {"url": "v", "revised_prompt": "b"}]}, {1: "b"}),
        ({"data": [{"error": {}}, {"b64_json": "#0", "revised_prompt": "c"}]}, {0: "c"}),
        ({"type": "image_generation.completed", "b64_json": "#0", "revised_prompt": "d"}, {0: "d"}),
        ({"data": [{"b64_json": "#0", "revised_prompt": ""}, "x", None]}, {}),
        ({"data": {"revised_prompt": 7}}, {}),
        (None, {}),
    ],
)
def test_a_revised_prompt_belongs_to_the_picture_of_its_item(
    document: JsonValue, found: dict[int, str]
) -> None:
    assert find_revised_prompts(document) == found


@pytest.mark.parametrize(
    "piece", ["safety_violations=[", "safety_violations=[a,", "safety_violations=[a]", "[", "a,"]
)
def test_the_work_on_a_message_of_the_provider_grows_with_it(piece: str) -> None:
    assert growth(lambda n: piece * n, lambda text: find_moderation(None, text), 4_000) < MOST


def test_categories_are_bounded() -> None:
    names = ",".join(f"{nth:03}" + "x" * 200 for nth in range(100))
    found = find_moderation(None, f"safety_violations=[{names}]")
    assert isinstance(found, Moderation)
    assert len(found.categories) == 20
    assert {len(name) for name in found.categories} == {100}
