import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import BrokenReply, CallFailed, NotSent, UnreadableReply
from shared.outcomes import CHARGED, NEXT, Next, Outcome, OutcomeKind, of_failure, of_reply

KIND = OutcomeKind

E1 = json.loads(
    """{"error":{"message":"Your request was rejected by the safety system. If you believe
 this is an error, contact us at Azure support ticket and include the request ID 063f708f-....
 safety_violations=[violence].","type":"image_generation_user_error","param":"",
 "code":"moderation_blocked"}}""".replace("\n", "")
)
E2 = {
    "error": {
        "code": "content_policy_violation",
        "inner_error": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_results": {"jailbreak": {"detected": False, "filtered": False}},
        },
        "message": "Your request was rejected as a result of our safety system. Your prompt may "
        "contain text that is not allowed by our safety system.",
        "type": "invalid_request_error",
    }
}
E3 = {
    "created": 1698435368,
    "error": {
        "code": "contentFilter",
        "message": "Your task failed as a result of our safety system.",
    },
}
E4 = {
    "error": {
        "message": "The response was filtered due to the prompt triggering Azure OpenAI's content "
        "management policy...",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {
                "hate": {"filtered": False, "severity": "safe"},
                "sexual": {"filtered": True, "severity": "high"},
                "custom_blocklists": {"filtered": True, "details": []},
            },
        },
    }
}
E5 = {
    "error": {
        "message": "Invalid size '2880x1620'. Width and height must both be divisible by 16.",
        "type": "image_generation_user_error",
        "param": "tools",
        "code": "invalid_value",
    }
}
E6 = {
    "error": {
        "code": "unsupported_request_value",
        "message": "Model does not support request parameter value supplied: 'width' must be at "
        "least 768 pixels.",
        "details": "...",
    }
}
E7 = {
    "error": {
        "code": "Forbidden",
        "message": "Your resource has been temporarily blocked because we detected behavior that "
        "may violate our content policy. For more details on Azure OpenAI service content policy, "
        "please visit https://aka.ms/aoaicodeofconduct",
    }
}
E8 = {
    "error": {
        "code": "DeploymentNotFound",
        "message": "The API deployment for this resource does not exist....",
    }
}
E9 = {"error": {"code": "404", "message": "Resource not found"}}
E10 = {
    "error": {
        "message": "The operation was timeout.",
        "type": "...",
        "param": "",
        "code": "Timeout",
    }
}


def coded(code: str, message: str = "No.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def reply(status: int, document: Any = None, text: str = "", **headers: str) -> Outcome:  # noqa: ANN401 - any JSON
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return of_reply(status, named, document, text)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        pytest.param(400, E1, KIND.REFUSED, "moderation_blocked", id="E1"),
        pytest.param(400, E2, KIND.REFUSED, "content_policy_violation", id="E2"),
        pytest.param(400, E3, KIND.REFUSED, "contentFilter", id="E3"),
        pytest.param(400, E4, KIND.REFUSED, "content_filter", id="E4"),
        pytest.param(400, E5, KIND.INVALID, "invalid_value", id="E5"),
        pytest.param(400, E6, KIND.INVALID, "unsupported_request_value", id="E6"),
        pytest.param(403, E7, KIND.BLOCKED, "Forbidden", id="E7"),
        pytest.param(404, E8, KIND.MISCONFIGURED, "DeploymentNotFound", id="E8"),
        pytest.param(404, E9, KIND.MISCONFIGURED, "404", id="E9"),
        pytest.param(408, E10, KIND.UNKNOWN, "Timeout", id="E10"),
    ],
)
def test_every_error_body_seen_is_classified(status: int, body: Any, kind: KIND, code: str) -> None:  # noqa: ANN401 - any JSON
    outcome = reply(status, body)
    assert (outcome.kind, outcome.code) == (kind, code)
    assert outcome.message == body["error"]["message"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, {"data": [{"b64_json": "#0"}]}, KIND.DONE),
        (200, {"b64_json": "#0", "usage": {}}, KIND.DONE),
        (200, {"data": []}, KIND.NO_IMAGE),
        (200, {"data": [{"b64_json": None}]}, KIND.NO_IMAGE),
        (200, None, KIND.NO_IMAGE),
        (200, {"error": None, "data": []}, KIND.NO_IMAGE),
        (400, coded("unknown_parameter"), KIND.INVALID),
        (400, {"error": {"code": None, "message": "No."}}, KIND.INVALID),
        (400, coded("content_safety_violation"), KIND.REFUSED),
        (422, coded("content_safety_violation"), KIND.REFUSED),
        (400, {"error": {"inner_error": {"code": "ResponsibleAIPolicyViolation"}}}, KIND.REFUSED),
        (400, coded("invalid_value", "violates our content_policy_violation"), KIND.INVALID),
        (401, None, KIND.UNAUTHORISED),
        (403, None, KIND.MISCONFIGURED),
        (403, coded("content_policy_violation"), KIND.REFUSED),
        (403, {"message": "It is Temporarily Blocked."}, KIND.BLOCKED),
        (400, coded("Forbidden", "temporarily blocked"), KIND.INVALID),
        (404, None, KIND.MISCONFIGURED),
        (409, None, KIND.INVALID),
        (413, None, KIND.INVALID),
        (415, None, KIND.INVALID),
        (422, None, KIND.INVALID),
        (499, None, KIND.INVALID),
        (408, None, KIND.UNKNOWN),
        (429, coded("429"), KIND.THROTTLED),
        (429, {"statusCode": 429, "message": "Rate limit is exceeded."}, KIND.THROTTLED),
        (500, coded("moderation_blocked"), KIND.UNKNOWN),
        (502, None, KIND.UNKNOWN),
        (503, None, KIND.UNKNOWN),
        (504, None, KIND.UNKNOWN),
        (524, None, KIND.UNKNOWN),
        (302, None, KIND.MISCONFIGURED),
        (101, None, KIND.UNKNOWN),
    ],
)
def test_every_row_of_the_table_is_kept(status: int, body: Any, kind: KIND) -> None:  # noqa: ANN401 - any JSON
    assert reply(status, body).kind is kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (E1["error"], KIND.REFUSED),
        ({"code": "content_filter"}, KIND.REFUSED),
        ({"code": "rate_limit_exceeded"}, KIND.THROTTLED),
        ({"code": 429}, KIND.THROTTLED),
        ({"status": 401, "code": "PermissionDenied"}, KIND.UNAUTHORISED),
        (E5["error"], KIND.INVALID),
        ({"type": "invalid_request_error"}, KIND.INVALID),
        ({"code": "server_error"}, KIND.UNKNOWN),
        ("It broke.", KIND.UNKNOWN),
    ],
)
def test_an_error_within_a_stream_is_told_by_what_it_says(error: Any, kind: KIND) -> None:  # noqa: ANN401 - any JSON
    assert reply(200, {"error": error}).kind is kind


def test_an_error_after_a_picture_does_not_unmake_it() -> None:
    assert reply(200, {"b64_json": "#0", "error": {"code": "server_error"}}).kind is KIND.DONE


@pytest.mark.parametrize("kind", OutcomeKind)
def test_the_tables_are_complete(kind: OutcomeKind) -> None:
    assert kind in NEXT
    assert kind in CHARGED


def test_what_is_refused_before_work_is_free_and_what_nobody_documents_is_unknown() -> None:
    unsure = {KIND.NO_IMAGE, KIND.UNKNOWN}
    assert {kind for kind in KIND if CHARGED[kind] == "unknown"} == unsure
    assert {kind for kind in KIND if CHARGED[kind] == "yes"} == {KIND.DONE}


def test_an_outcome_knows_what_happens_next() -> None:
    assert reply(429).next is Next.OTHER_DEPLOYMENT_OR_LATER
    assert reply(500).next is Next.RESOLVE_UNKNOWN
    assert reply(500).charged == "unknown"


def test_the_categories_of_a_refusal_are_told_in_every_spelling() -> None:
    assert reply(400, E1).categories == ("violence",)
    assert reply(400, E2).categories == ()
    assert reply(400, E4).categories == ("sexual", "custom_blocklists")
    both = coded("moderation_blocked", "safety_violations=[sexual, violence].")
    assert reply(400, both).categories == ("sexual", "violence")
    filtered = {"data": [], "prompt_filter_results": [{"hate": {"filtered": True}}]}
    assert reply(200, filtered).categories == ("hate",)


def test_a_failure_without_a_body_is_named_by_its_status() -> None:
    outcome = reply(502)
    assert (outcome.code, outcome.message) == ("http_502", "http_502")


def test_a_body_that_is_no_json_is_quoted_in_one_line() -> None:
    assert reply(502, text="<html>\n  Bad Gateway\n").message == "<html> Bad Gateway"


def test_the_message_of_a_gateway_is_found_at_the_top() -> None:
    assert reply(401, {"statusCode": 401, "message": "Access denied."}).message == "Access denied."


def test_a_message_can_be_written_as_utf_8_and_is_bounded() -> None:
    message = reply(400, coded("x", "\ud800" + "y" * 5_000)).message
    assert len(message.encode()) == 1_000


def test_the_request_id_is_the_gateways_before_the_services() -> None:
    assert reply(500, X_Request_Id="b", APIM_Request_Id=" a ").request_id == "a"
    assert reply(500, x_request_id="b", apim_request_id=" ").request_id == "b"
    assert reply(500, x_ms_request_id="c").request_id == "c"
    assert reply(500).request_id is None


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
    assert of_reply(429, headers, now=now).retry_after == seconds


def test_a_date_without_any_clock_is_no_wait() -> None:
    assert of_reply(429, {"retry-after": "Sun, 22 Nov 2026 10:01:00 GMT"}).retry_after is None


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (NotSent("no route"), KIND.NOT_SENT, "not_sent"),
        (BrokenReply("cut"), KIND.UNKNOWN, "broken_reply"),
        (UnreadableReply("no picture"), KIND.NO_IMAGE, "unreadable_reply"),
        (CallFailed("odd"), KIND.UNKNOWN, "broken_reply"),
    ],
)
def test_every_failure_is_classified(error: CallFailed, kind: KIND, code: str) -> None:
    outcome = of_failure(error, headers={"x-request-id": "r"})
    assert (outcome.kind, outcome.code, outcome.message) == (kind, code, str(error))
    assert outcome.request_id == "r"
    assert of_failure(error).request_id is None


words = st.sampled_from(
    ["error", "code", "message", "innererror", "status", "type", "b64_json", "filtered", "data"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | words,
    lambda inner: st.lists(inner) | st.dictionaries(words | st.text(), inner),
)
names = st.sampled_from(["retry-after", "Retry-After-Ms", "date", "X-Request-Id"]) | st.text()


@settings(deadline=None)  # the machine may be busy
@given(st.integers(-1, 1000), st.dictionaries(names, st.text()), values, st.text())
def test_any_reply_has_an_outcome(
    status: int,
    headers: dict[str, str],
    document: Any,  # noqa: ANN401 - any JSON
    text: str,
) -> None:
    outcome = of_reply(status, headers, document, text, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert outcome.kind in OutcomeKind
    assert outcome.charged == CHARGED[outcome.kind]
    assert outcome.code.encode()
    assert outcome.message.encode()
    if status in {408, 504, 524} or 500 <= status < 600:
        assert outcome.kind is OutcomeKind.UNKNOWN


def test_a_number_too_long_to_write_is_no_code() -> None:
    assert reply(400, {"error": {"code": 10**5000}}).code == "http_400"


def test_a_document_of_any_depth_is_read() -> None:
    document: Any = {"b64_json": "#0"}
    for _ in range(100_000):
        document = [document]
    assert reply(200, document).kind is OutcomeKind.DONE
