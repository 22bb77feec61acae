"""The job's fields: what is accepted, what every refusal says, when two jobs are the same."""

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.jobs.job import MAX_FINISHED_EDGE, MAX_FINISHED_PIXELS, Finish, Job
from tests.builders.messages import PROMPT, faults, messages, read


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
        ("models", ["auto", "a"], "models", "name each model"),
        ("models", ["a"], "models", "set model instead"),
        ("size", [], "size", "is an empty list"),
        ("compression", 50, "compression", "needs format 'jpeg'"),
        ("mask", "m.png", "mask", "needs an input picture"),
    ],
)
def test_a_rule_of_the_job_names_the_field_to_change(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]


def test_a_rule_between_fields_does_not_judge_a_faulty_one() -> None:
    assert list(faults(PROMPT | {"format": "gif", "compression": 3})) == ["format"]
    assert list(faults(PROMPT | {"models": 3})) == ["models"]
    assert list(faults({"prompt": ""})) == ["prompt"]


LATER = "2026-11-30T18:00:00Z"


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ({}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"prompt": "a", "prompt_blob": "b"}, "prompt_blob"),
        ({"prompt": "a", "model": "x", "models": ["y", "z"]}, "models"),
        ({"prompt": "a", "not_before": LATER, "deadline": "2026-11-30T19:00:00+02:00"}, "deadline"),
        ({"prompt": "a", "format": "jpeg", "background": "transparent"}, "background"),
    ],
)
def test_fields_must_agree(message: dict[str, Any], path: str) -> None:
    assert list(faults(message)) == [path]


def test_null_is_read_as_left_out() -> None:
    nothing = dict.fromkeys(set(Job.model_fields) - {"prompt"})
    assert read(PROMPT | nothing) == read(PROMPT)


def test_a_job_made_in_code_obeys_the_same_rules() -> None:
    with pytest.raises(ValidationError, match="set one of the two"):
        Job(job_id="a", prompt="x", prompt_blob="y")
    with pytest.raises(ValidationError, match="valid tuple"):
        Job.model_validate({"job_id": "a", "prompt": "x", "locales": "de"})


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("finish", {}, "finish", "is empty"),
        ("finish", {"size": "16:9"}, "finish.size", "like '1200x628'"),
        ("finish", {"size": "9000x10"}, "finish", "an edge has at most 8192"),
        ("finish", {"size": "8192x4097"}, "finish", "the whole picture at most 33,554,432"),
        ("finish", {"how": "resize"}, "finish", "is empty"),
        ("finish", {"renditions": [{"format": "webp"}] * 2}, "finish.renditions", "twice"),
    ],
)
def test_a_finish_out_of_bounds_is_named_with_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]


@pytest.mark.parametrize(
    "finish",
    [
        {"size": "1x1"},
        {"thumbnail": 16},
        {"contact_sheet": True},
        {"renditions": [{"format": "avif"}]},
    ],
)
def test_one_thing_to_make_is_enough(finish: dict[str, object]) -> None:
    made = read(PROMPT | {"finish": finish}).finish
    assert made is not None
    assert made.model_dump(mode="json", exclude_defaults=True) == finish


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_a_size_is_taken_within_its_bounds_and_no_further(width: int, height: int) -> None:
    fits = max(width, height) <= MAX_FINISHED_EDGE and width * height <= MAX_FINISHED_PIXELS
    try:
        Finish(size=f"{width}x{height}")
    except ValidationError:
        assert not fits
    else:
        assert fits
