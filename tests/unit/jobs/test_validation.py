"""Faults in a caller's words: each a sentence with its field, its value and what would be right."""

import json

import pytest
from pydantic import ValidationError

from shared.jobs.job import Job
from tests.builders.messages import PROMPT, faults


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("job_id", 7, "job_id", "7 is not text"),
        ("prompt", {"text": "a fox"}, "prompt", "an object is not text"),
        ("models", "gpt-image-2", "models", "'gpt-image-2' is not a list; write it in brackets"),
        ("models", list("abcdefghi"), "models", "has 9 entries; at most 8"),
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
        ("options", "seed", "options", "'seed' is not an object"),
        ("options", {"seed": [1]}, "options.seed", "a list of 1 is not allowed; use text up to"),
        ("options", {"seed": None}, "options.seed", "null is not allowed"),
        ("options", {"note": "x" * 257}, "options.note", "use text up to 256 characters"),
        ("options", {"a b": 1}, "options['a b']", "name a parameter of the model"),
        ("options", {f"o{n}": n for n in range(21)}, "options", "has 21 options; at most 20"),
        ("seed", 42, "seed", 'not a field here but an option; write "options": {"seed": …}'),
        ("locales", "de", "locales", "write it in brackets"),
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
        ("on_unknown", "retry", "on_unknown", "did you mean 'retry_once'?"),
        ("max_cost_usd", 0, "max_cost_usd", "0 is too small; it must be above 0"),
        ("max_cost_usd", "1", "max_cost_usd", "write it without quotes"),
        ("priority", "high", "priority", "use 'normal' or 'low'"),
        ("tags", {"colour": 3}, "tags.colour", "3 is not text"),
        ("tags", ["a"], "tags", "a list of 1 is not an object"),
        ("id", "x", "id", "use job_id"),
        ("jobId", "x", "jobId", "did you mean 'job_id'?"),
        ("promt", None, "promt", "did you mean 'prompt'?"),
        ("output_format", "png", "output_format", "did you mean 'format'?"),
        ("zzz", 1, "zzz", "is not a field here; use one of job_id, prompt"),
        ("a b", 1, "'a b'", "is not a field here"),
    ],
)
def test_a_fault_names_its_field_the_value_and_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]
    assert len(found[path]) < 400


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
