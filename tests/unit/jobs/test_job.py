"""The job's fields: what is accepted, what every refusal says, when two jobs are the same."""

import hashlib
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from shared.errors import InvalidJob
from shared.jobs.job import Job
from shared.jobs.tags import MAX_TAG_BYTES, encode_tags
from tests.builders.messages import messages, read

PROMPT = {"prompt": "a fox in the snow"}


def faults(message: object) -> dict[str, str]:
    with pytest.raises(InvalidJob) as refused:
        read(message)
    return {fault.field: fault.message for fault in refused.value.faults}


@given(messages())
def test_a_job_reads_back_as_itself(message: dict[str, Any]) -> None:
    job = read(message)
    assert read(job.to_json()) == job
    assert Job.model_validate_json(job.model_dump_json()) == job


@given(messages())
def test_saying_a_default_changes_no_fingerprint(message: dict[str, Any]) -> None:
    job = read(message)
    explicit = job.model_dump(mode="json", exclude_none=True)
    assert read(explicit).fingerprint == job.fingerprint


def test_the_fingerprint_is_of_the_content_alone() -> None:
    traced = PROMPT | {"job_id": "b", "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-00"}
    assert read(traced).fingerprint == read(PROMPT | {"job_id": "a"}).fingerprint
    assert read(PROMPT | {"n": 2}).fingerprint != read(PROMPT).fingerprint
    canonical = b'{"prompt":"a fox in the snow"}'
    assert read(PROMPT).fingerprint == hashlib.sha256(canonical).hexdigest()


def test_equal_moments_and_single_sizes_are_written_one_way() -> None:
    one = read(PROMPT | {"deadline": "2026-12-01T01:00:00+01:00", "size": ["16:9"]})
    other = read(PROMPT | {"deadline": "2026-12-01T00:00:00Z", "size": "16:9"})
    assert one == other


def test_a_prompt_is_in_no_representation_of_a_job() -> None:
    assert "fox" not in repr(read(PROMPT))


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("job_id", "a/b", "job_id", "'a/b' is not allowed; use 1 to 64 of A-Z"),
        ("job_id", "-a", "job_id", "'-a'"),
        ("job_id", "a" * 65, "job_id", "…'"),
        ("job_id", "a\n", "job_id", r"'a\n'"),
        ("job_id", 7, "job_id", "7 is not text"),
        ("prompt", "", "prompt", "is empty"),
        ("prompt", " \n", "prompt", "is empty"),
        ("prompt", "x" * 32_001, "prompt", "has 32,001 characters; at most 32,000"),
        ("prompt", "a\x00b", "prompt", "U+0000 at position 1"),
        ("prompt", "a\x9fb", "prompt", "U+009F at position 1"),
        ("prompt", "a\ud800", "prompt", "U+D800 at position 1"),
        ("prompt", {"text": "a fox"}, "prompt", "an object is not text"),
        ("model", "gpt image", "model", "'gpt image'"),
        ("models", "gpt-image-2", "models", "'gpt-image-2' is not a list; write it in brackets"),
        ("models", ["a", "a"], "models", "'a' appears twice"),
        ("models", ["auto", "a"], "models", "name each model"),
        ("models", ["a"], "models", "set model instead"),
        ("models", list("abcdefghi"), "models", "has 9 entries; at most 8"),
        ("models", ["a", "b c"], "models[1]", "'b c'"),
        ("size", "1024y1024", "size", "'1024y1024' is not a valid size"),
        ("size", ["16:9", "y"], "size[1]", "'y' is not a valid size"),
        ("size", ["16:9", "16:9"], "size", "'16:9' appears twice"),
        ("size", [], "size", "is an empty list"),
        ("size", " " * 41 + "1k", "size", "too long for a size"),
        ("size", 1024, "size", "1024 is not text"),
        ("routing", "bucked", "routing", "did you mean 'bucket'?"),
        ("quality", "hi", "quality", "use 'auto', 'low', 'medium', 'high'"),
        ("quality", ["low"], "quality", "a list of 1 is not allowed"),
        ("fit", "crop", "fit", "'crop' is not allowed; use 'scale' or 'reject'"),
        ("n", 0, "n", "0 is too small; at least 1"),
        ("n", 11, "n", "11 is too big; at most 10"),
        ("n", "3", "n", "'3' is not a whole number; write it without quotes"),
        ("n", 3.0, "n", "3.0 is not a whole number; write 3"),
        ("n", 3.5, "n", "3.5 is not a whole number"),
        ("n", True, "n", "true is not a whole number"),
        ("format", "jpg", "format", "did you mean 'jpeg'?"),
        ("compression", 50, "compression", "needs format 'jpeg'"),
        ("locales", ["de", "DE"], "locales", "'de' appears twice"),
        ("locales", ["german"], "locales[0]", "'german' is not allowed; use a BCP 47 tag"),
        ("locales", "de", "locales", "write it in brackets"),
        ("inputs", ["../a"], "inputs[0]", "'../a' is not a valid blob name"),
        ("inputs", ["a", "/b"], "inputs[1]", "'/b' is not a picture to edit; give the name of"),
        ("inputs", ["a", "/b/"], "inputs[1]", "must not start or end with '/'"),
        ("mask", "m.png", "mask", "needs an input picture"),
        ("finish", {}, "finish", "is empty"),
        ("finish", {"size": "16:9"}, "finish.size", "like '1200x628'"),
        ("finish", {"size": "9000x10"}, "finish", "an edge has at most 8192"),
        ("finish", {"thumbnail": 8}, "finish.thumbnail", "at least 16"),
        ("finish", {"thumb": 64}, "finish.thumb", "did you mean 'thumbnail'?"),
        (
            "finish",
            {"renditions": [{"format": "gif"}]},
            "finish.renditions[0].format",
            "'gif' is not allowed; use 'webp', 'jpeg' or 'avif'",
        ),
        ("finish", {"renditions": [{}]}, "finish.renditions[0].format", "is missing"),
        ("finish", "crop", "finish", "'crop' is not an object"),
        ("reply_to", "Events", "reply_to", "'Events' is not allowed; use 3 to 63"),
        ("reply_to", "a--b", "reply_to", "'a--b'"),
        ("on_unknown", "retry", "on_unknown", "did you mean 'retry_once'?"),
        ("max_cost_usd", 0, "max_cost_usd", "0 is too small; it must be above 0"),
        ("max_cost_usd", "1", "max_cost_usd", "write it without quotes"),
        ("deadline", "tomorrow", "deadline", "'tomorrow' is not an ISO 8601 time"),
        ("deadline", "2026-11-30T18:00:00", "deadline", "has no time zone"),
        ("deadline", 1_790_000_000, "deadline", "1790000000 is not a time"),
        ("deadline", "0001-01-01T00:00:00+14:00", "deadline", "outside the calendar"),
        ("priority", "high", "priority", "use 'normal' or 'low'"),
        ("tags", {"colour": 3}, "tags.colour", "3 is not text"),
        ("tags", {"my key": "x"}, "tags['my key']", "'my key' is not allowed"),
        ("tags", {"1a": "x"}, "tags['1a']", "not starting with a digit"),
        ("tags", {"a": "x" * 257}, "tags.a", "has 257 characters"),
        ("tags", {"a": "x\ny"}, "tags.a", "control character"),
        ("tags", {"a": "x", "A": "y"}, "tags", "'a' and 'A' differ only by case"),
        ("tags", {f"t{i}": "" for i in range(21)}, "tags", "has 21 tags; at most 20"),
        ("tags", {f"t{i}": "狐" * 40 for i in range(20)}, "tags", "at most 4,096"),
        ("tags", ["a"], "tags", "a list of 1 is not an object"),
        ("traceparent", "00-0-0-00", "traceparent", "W3C traceparent"),
        ("traceparent", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "traceparent", "W3C"),
        ("traceparent", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "traceparent", "W3C"),
        ("id", "x", "id", "use job_id"),
        ("jobId", "x", "jobId", "did you mean 'job_id'?"),
        ("promt", None, "promt", "did you mean 'prompt'?"),
        ("output_format", "png", "output_format", "did you mean 'format'?"),
        ("zzz", 1, "zzz", "is no field here; there are job_id, prompt"),
        ("a b", 1, "'a b'", "is no field here"),
    ],
)
def test_a_fault_names_its_field_the_value_and_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]
    assert len(found[path]) < 400


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a./b", "b.", "a\\b", "a\x07", "a" * 513]
)
def test_an_unsafe_blob_name_is_refused(name: str) -> None:
    assert "is not a valid blob name" in faults({"prompt_blob": name})["prompt_blob"]


def test_every_fault_is_told_in_the_order_of_the_fields() -> None:
    found = faults(
        {
            "what": 1,
            "n": 99,
            "prompt": "a",
            "prompt_blob": "b",
            "compression": 3,
            "tags": {"a": 1, "b": 2},
            "size": ["y", "z"],
            "background": "transparant",
        }
    )
    assert list(found) == [
        "prompt_blob",
        "size[0]",
        "size[1]",
        "n",
        "compression",
        "background",
        "tags.a",
        "tags.b",
        "what",
    ]


def test_a_rule_between_fields_does_not_judge_a_faulty_one() -> None:
    assert list(faults(PROMPT | {"format": "gif", "compression": 3})) == ["format"]
    assert list(faults(PROMPT | {"models": 3})) == ["models"]
    assert list(faults({"prompt": ""})) == ["prompt"]


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a", "prompt_blob": "b"}, "prompt_blob"),
        ({"prompt": "a", "model": "x", "models": ["y", "z"]}, "models"),
        ({"prompt": "a", "format": "jpeg", "background": "transparent"}, "background"),
    ],
)
def test_fields_must_agree(message: dict[str, Any], path: str) -> None:
    assert list(faults(message)) == [path]


def test_a_prompt_is_never_quoted() -> None:
    for wrong in (
        {"prompt": "secret fox\x00"},
        {"prompt": "secret fox" * 5_000},
        {"prompt": ["secret fox"]},
        {"promt": "secret fox"},
    ):
        assert "secret" not in json.dumps(faults(wrong))
    with pytest.raises(ValidationError) as refused:
        Job(job_id="a", prompt="secret\x00")
    assert "secret" not in str(refused.value)


def test_null_is_read_as_left_out() -> None:
    nothing = dict.fromkeys(set(Job.model_fields) - {"prompt"})
    assert read(PROMPT | nothing) == read(PROMPT)


def test_a_job_made_in_code_obeys_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="set one of the two"):
        Job(job_id="a", prompt="x", prompt_blob="y")
    with pytest.raises(ValidationError, match="valid tuple"):
        Job.model_validate({"job_id": "a", "prompt": "x", "locales": "de"})


def test_a_deadline_may_be_a_moment_in_code() -> None:
    moment = datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    job = Job(job_id="a", prompt="x", deadline=moment)
    assert job.deadline == moment
    assert job.to_json() == b'{"job_id":"a","prompt":"x","deadline":"2026-12-01T00:00:00Z"}'


def test_locales_are_kept_in_their_usual_case() -> None:
    job = read(PROMPT | {"locales": ["PT-br", "ZH-hant-tw", "DE-ch-1996", "ES-419"]})
    assert job.locales == ("pt-BR", "zh-Hant-TW", "de-CH-1996", "es-419")


def test_any_script_may_stand_in_a_prompt_and_in_a_tag() -> None:
    job = read({"prompt": "雪の狐\r\n👩‍👩‍👧 לִשְׁנָה\t", "tags": {"owner": "Zoë 👩‍👩‍👧"}})
    assert encode_tags(job.tags) == {
        "tag_owner": "Zo%C3%AB%20%F0%9F%91%A9%E2%80%8D%F0%9F%91%A9%E2%80%8D%F0%9F%91%A7"
    }


@given(messages())
def test_tags_fit_the_metadata_of_a_blob(message: dict[str, Any]) -> None:
    metadata = encode_tags(read(message).tags)
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= MAX_TAG_BYTES
    assert all(value.isascii() for value in metadata.values())
