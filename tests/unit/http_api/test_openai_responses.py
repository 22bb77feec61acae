import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.http_api.job_documents import ImageStatus, describe_pictures
from shared.http_api.openai_requests import list_models
from shared.http_api.openai_responses import (
    Operation,
    describe_models,
    find_signer,
    response_headers,
    sign_picture,
    write_answer,
    write_stream,
)
from shared.records.record import JobRecord
from tests.builders.ended_jobs import AT, DONE_AT, plan, record
from tests.builders.openai_requests import CONFIGURATION

KEYS = {"shop": SecretStr("sk-shop-0123456789"), "blog": SecretStr("sk-blog-0123456789")}


def join(pieces: Iterable[str | ImageStatus]) -> str:
    """The body, with the number of a picture for its base64."""
    return "".join(
        f"picture-{piece.number}" if isinstance(piece, ImageStatus) else piece for piece in pieces
    )


def document(record: JobRecord, urls: Sequence[str] = ()) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(join(write_answer(record, describe_pictures(record), urls)))
    return found


def test_an_answer_has_every_picture_its_format_and_the_usage_of_all_calls() -> None:
    told = document(record())
    assert told["data"] == [{"b64_json": "picture-0"}, {"b64_json": "picture-1"}]
    assert told["created"] == int(DONE_AT.timestamp())
    assert (told["size"], told["quality"], told["output_format"]) == ("1536x864", "medium", "png")
    usage = told["usage"]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (20, 400, 420)
    assert usage["output_tokens_details"] == {"text_tokens": 0, "image_tokens": 400}


def test_links_are_returned_instead_of_pictures() -> None:
    links = ["https://app.example/0.png", "https://app.example/1.png"]
    assert document(record(), links)["data"] == [{"url": link} for link in links]


@given(st.text())
def test_an_answer_is_json_whatever_the_service_made_of_the_prompt(text: str) -> None:
    whole = record(plan=plan(n=1))
    picture = whole.tasks[0].pictures[0].model_copy(update={"revised_prompt": text})
    (task,) = [each.model_copy(update={"pictures": (picture,)}) for each in whole.tasks]
    told = document(whole.model_copy(update={"tasks": (task,)}))
    assert told["data"][0]["b64_json"] == "picture-0"


@pytest.mark.parametrize(
    ("operation", "name"),
    [("generations", "image_generation.completed"), ("edits", "image_edit.completed")],
)
def test_a_stream_is_an_event_for_each_picture_with_the_usage_in_the_last(
    operation: Operation, name: str
) -> None:
    text = join(write_stream(record(), describe_pictures(record()), operation))
    *events, rest = text.split("\n\n")
    assert (len(events), rest) == (2, "")
    documents = []
    for event in events:
        first, second = event.split("\n")
        assert first == f"event: {name}"
        documents.append(json.loads(second.removeprefix("data: ")))
    assert [each["b64_json"] for each in documents] == ["picture-0", "picture-1"]
    assert {each["type"] for each in documents} == {name}
    assert [each.get("usage", {}).get("total_tokens") for each in documents] == [None, 420]


def test_the_headers_name_the_job_its_plan_its_cost_and_what_is_missing() -> None:
    whole = record()
    headers = response_headers(whole, joined=True)
    assert headers["x-request-id"] == headers["x-image-jobs-job-id"] == "fox"
    assert headers["x-image-jobs-plan"] == "gpt-image-2 1536x864 medium"
    assert float(headers["x-image-jobs-cost-usd"]) > 0
    assert headers["x-image-jobs-joined"] == "true"
    assert "x-image-jobs-missing" not in headers
    first, second = whole.tasks
    part = whole.model_copy(update={"tasks": (first, second.model_copy(update={"pictures": ()}))})
    assert response_headers(part, joined=False)["x-image-jobs-missing"] == "1"


def test_the_models_are_those_of_the_deployments_and_their_names() -> None:
    told = describe_models(list_models(CONFIGURATION))
    assert [each["id"] for each in told["data"]] == ["gpt-image-2", "MAI-Image-2.5", "paint"]


def test_a_signed_link_opens_its_picture_until_it_expires() -> None:
    until = AT + timedelta(hours=1)
    signed = sign_picture("fox", 1, until, KEYS["blog"])
    assert find_signer("fox", "1", signed, KEYS, until) == "blog"
    assert not find_signer("fox", "1", signed, KEYS, until + timedelta(seconds=1))
    assert not find_signer("fox", "2", signed, KEYS, AT)
    assert not find_signer("hare", "1", signed, KEYS, AT)
    assert not find_signer("fox", "1", signed, {"shop": KEYS["shop"]}, AT)
    later = f"{int(until.timestamp()) + 9}-{signed.partition('-')[2]}"
    assert not find_signer("fox", "1", later, KEYS, AT)


@given(st.text(), st.text())
def test_no_other_text_opens_a_picture(number: str, signed: str) -> None:
    assert not find_signer("fox", number, signed, KEYS, AT)
