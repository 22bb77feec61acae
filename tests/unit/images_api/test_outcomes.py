import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.errors import BrokenReply, CallFailed, NotSent, UnreadableReply
from shared.images_api.outcomes import (
    MEANINGS,
    Charged,
    Next,
    Outcome,
    OutcomeKind,
    of_failure,
    of_reply,
)
from shared.images_api.replies import Moderation, Stage
from tests.builders.error_bodies import E1, E2, E3, E4, E5, E6, E7, E8, E9, E10, coded

KIND = OutcomeKind


def reply(status: int, document: Any = None, text: str = "") -> Outcome:  # noqa: ANN401 - any JSON
    return of_reply(status, {"x-request-id": "r", "retry-after": "3"}, document, text)


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
    assert (outcome.request_id, outcome.retry_after) == ("r", 3)


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
        (500, coded("server_error", "the content filter is down"), KIND.UNKNOWN),
        (500, coded("moderation_blocked"), KIND.REFUSED),  # a relay's 500 around the refusal
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


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"statusCode": 403, "message": "Request failed content safety check."}),
        (403, "<h1>403 Forbidden</h1><p>Blocked by the <b>content</b> safety policy</p>"),
        (403, "The request is blocked. 0rXy"),
        (400, coded("", "Your prompt was blocked by our safety system.")),
        (400, coded("invalid_request_error", "Missing: violates the content policy.")),
        (403, {"title": "Forbidden", "detail": "The prompt has been flagged"}),
        (403, {"error": "Content is not permitted; image rejected by policy"}),
        (400, {"error": {"code": None, "type": "content_policy_violation", "message": "No."}}),
        (403, {"error": {"code": "Forbidden", "type": "moderation_blocked"}}),
        (400, {"error": {"error": {"error": {"code": "content_filter"}}}}),
        (400, {"detail": [{"error": {"details": [{"reason": "ContentFilter"}]}}]}),
        (400, {"detail": "Rejected by content moderation"}),
        (400, {"errors": ["content_policy_violation"]}),
        (400, {"error": {"message": '{"error": {"code": "content_policy_violation"}}'}}),
        (400, {"error": {"message": "relay: {'code': 'ResponsibleAIPolicyViolation'}"}}),
        (400, {"error": {"code": "400", "extra": {"sexual": {"filtered": True}}}}),
        (404, coded("content_filter")),
        (502, {"detail": {"error": E1["error"]}}),
        (451, None),
        (200, {"error": {"message": "Rejected as a result of our safety system."}}),
    ],
)
def test_a_refusal_is_one_request_s_whatever_wraps_it(status: int, body: Any) -> None:  # noqa: ANN401 - any JSON
    document, text = (None, body) if isinstance(body, str) else (body, json.dumps(body))
    outcome = reply(status, document, text)
    assert outcome.kind is KIND.REFUSED
    assert MEANINGS[outcome.kind].feedback == "accepted"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, coded("billing_hard_limit_reached"), KIND.BLOCKED),
        (402, None, KIND.BLOCKED),
        (400, coded("insufficient_quota"), KIND.BLOCKED),
        (403, {"error": {"error": {"type": "insufficient_quota"}}}, KIND.BLOCKED),
        (429, coded("insufficient_quota"), KIND.BLOCKED),
        (429, coded("429", "Check your plan and billing details."), KIND.BLOCKED),
        (403, coded("403", "This account is suspended: content policy."), KIND.BLOCKED),
        (403, coded("403", "Public access is disabled."), KIND.MISCONFIGURED),
        (403, "<title>403 Forbidden</title>", KIND.MISCONFIGURED),
        (
            403,
            coded(
                "PermissionDenied",
                "The principal lacks the data action "
                "Microsoft.CognitiveServices/accounts/content safety/action",
            ),
            KIND.MISCONFIGURED,
        ),
        (404, coded("404", "The content filter 'strict' was not found."), KIND.MISCONFIGURED),
        (404, {"error": {"code": "model_not_found", "param": "model"}}, KIND.MISCONFIGURED),
        (404, {"error": {"code": "not_found", "param": "image"}}, KIND.INVALID),
        (400, coded("unknown_parameter", "No parameter 'content filter'."), KIND.INVALID),
        (400, coded("invalid_image_format", "The input image was rejected."), KIND.INVALID),
        (400, {"error": {"code": "400", "prompt": "a content filter"}}, KIND.INVALID),
    ],
)
def test_what_is_about_the_account_or_a_parameter_is_no_refusal(
    status: int,
    body: Any,  # noqa: ANN401 - any JSON
    kind: KIND,
) -> None:
    document, text = (None, body) if isinstance(body, str) else (body, json.dumps(body))
    assert reply(status, document, text).kind is kind


wrappers = st.sampled_from(
    [
        lambda inner: {"error": inner},
        lambda inner: {"error": {"message": "wrapped", "innererror": inner}},
        lambda inner: {"detail": [{"loc": ["body"], "msg": inner}]},
        lambda inner: [None, inner],
        json.dumps,
        lambda inner: {"message": json.dumps(inner)},
    ]
)


@given(st.lists(wrappers, max_size=5), st.sampled_from(["content_filter", "insufficient_quota"]))
def test_a_code_is_found_at_any_depth(wraps: list[Any], code: str) -> None:
    document: Any = {"code": code}
    for wrap in wraps:
        document = wrap(document)
    kind = reply(400, document).kind
    assert kind is (KIND.REFUSED if code == "content_filter" else KIND.BLOCKED)


@pytest.mark.parametrize(
    "part",
    ["safety_violations=[", "<", "{", '{"', "resource has been ", "content ", ". ", "image a "],
)
def test_a_message_of_any_shape_is_read_in_linear_time(part: str) -> None:
    def seconds(length: int) -> float:
        text = part * (length // len(part))
        began = time.process_time()
        reply(403, {"error": {"message": text, "code": "403"}}, text)
        return time.process_time() - began

    # 16 times the length: a quadratic search would take 256 times as long.
    short = min(seconds(1 << 16) for _ in range(3))
    assert seconds(1 << 20) < 64 * max(short, 0.001)


def test_an_error_after_a_picture_does_not_unmake_it() -> None:
    assert reply(200, {"b64_json": "#0", "error": {"code": "server_error"}}).kind is KIND.DONE


@pytest.mark.parametrize("kind", OutcomeKind)
def test_the_table_is_complete(kind: OutcomeKind) -> None:
    assert kind in MEANINGS


def test_what_azure_may_have_processed_may_be_billed() -> None:
    unsure = {KIND.NO_IMAGE, KIND.REFUSED, KIND.UNKNOWN}
    assert {kind for kind in KIND if MEANINGS[kind].charged == "unknown"} == unsure
    assert {kind for kind in KIND if MEANINGS[kind].charged == "input"} == {KIND.INVALID}
    assert {kind for kind in KIND if MEANINGS[kind].charged == "yes"} == {
        KIND.DONE,
        KIND.NOT_STORED,
    }


@pytest.mark.parametrize("status", [401, 404, 429])
def test_what_azure_does_not_process_is_free(status: int) -> None:
    assert reply(status).charged == "no"


@pytest.mark.parametrize(
    ("details", "stage", "charged"),
    [
        ({"moderation_stage": "input", "categories": ["violence"]}, "input", "input"),
        ({"moderation_stage": "Output", "categories": ["violence"]}, "output", "unknown"),
        ({"stage": "input", "categories": ["violence"]}, "input", "input"),
        ({"moderation_stage": "elsewhere", "categories": ["violence"]}, None, "unknown"),
        ({"moderation_stage": ["input"], "categories": ["violence", 7, None]}, None, "unknown"),
    ],
)
def test_the_stage_of_a_refusal_says_what_may_be_billed(
    details: JsonValue, stage: Stage | None, charged: Charged
) -> None:
    told: dict[str, JsonValue] = {"moderation_details": details}
    for error in (told, {"innererror": told}):
        outcome = reply(400, {"error": {"code": "moderation_blocked", **error}})
        assert outcome.moderation is not None
        assert outcome.moderation.stage == stage
        assert outcome.moderation.categories[0] == "violence"
        assert outcome.charged == charged


def test_a_stage_without_categories_is_kept() -> None:
    details: JsonValue = {"moderation_stage": "output", "categories": "none"}
    error: JsonValue = {"code": "moderation_blocked", "moderation_details": details}
    outcome = reply(400, {"error": error})
    assert outcome.moderation == Moderation(stage="output", categories=())


def test_an_outcome_knows_what_happens_next() -> None:
    assert reply(429).next is Next.OTHER_DEPLOYMENT_OR_LATER
    assert reply(500).next is Next.RESOLVE_UNKNOWN
    assert reply(500).charged == "unknown"


def categories(outcome: Outcome) -> tuple[str, ...]:
    assert outcome.moderation is not None
    assert outcome.moderation.stage is None
    return outcome.moderation.categories


def test_the_categories_of_a_refusal_are_told_in_every_spelling() -> None:
    assert categories(reply(400, E1)) == ("violence",)
    assert reply(400, E2).moderation is None
    assert categories(reply(400, E4)) == ("sexual", "custom_blocklists")
    both = coded("moderation_blocked", "safety_violations=[sexual, violence].")
    assert categories(reply(400, both)) == ("sexual", "violence")
    filtered = {"data": [], "prompt_filter_results": [{"hate": {"filtered": True}}]}
    assert categories(reply(200, filtered)) == ("hate",)


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


@given(st.integers(-1, 1000), st.dictionaries(names, st.text()), values, st.text())
def test_any_reply_has_an_outcome(
    status: int,
    headers: dict[str, str],
    document: Any,  # noqa: ANN401 - any JSON
    text: str,
) -> None:
    outcome = of_reply(status, headers, document, text, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert outcome.kind in OutcomeKind
    assert outcome.charged == MEANINGS[outcome.kind].charged
    assert outcome.code.encode()
    assert outcome.message.encode()
    if status in {408, 504, 524} or 500 <= status < 600:
        assert outcome.kind is OutcomeKind.UNKNOWN


@pytest.mark.parametrize("code", ["\u2028", " \n"])
def test_a_blank_code_is_no_code(code: str) -> None:
    outcome = reply(400, {"error": {"code": code}})
    assert (outcome.code, outcome.message) == ("http_400", "http_400")


def test_a_number_too_long_to_write_is_no_code() -> None:
    assert reply(400, {"error": {"code": 10**5000}}).code == "http_400"


def test_a_document_of_any_depth_is_read() -> None:
    document: Any = {"b64_json": "#0"}
    for _ in range(100_000):
        document = [document]
    assert reply(200, document).kind is OutcomeKind.DONE
