"""Faults in a caller's words: each a sentence with its field, its value and what would be right."""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.errors import InvalidJob
from shared.jobs.job import Job
from shared.jobs.parsing import build_job
from tests.builders.growth import MOST, growth
from tests.builders.messages import PROMPT, faults, read


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
        ("n", "three", "n", "'three' is not a whole number"),
        ("n", 3.0, "n", "3.0 is not a whole number; write 3"),
        ("n", 3.5, "n", "3.5 is not a whole number"),
        ("n", True, "n", "true is not a whole number"),
        ("format", "jpg", "format", "did you mean 'jpeg'?"),
        ("options", "seed", "options", "'seed' is not an object"),
        ("options", {"seed": [1]}, "options.seed", "a list of 1 is not allowed; use text up to"),
        ("options", {"seed": None}, "options.seed", "null is not allowed"),
        ("options", {"note": "x" * 257}, "options.note", "use text up to 256 characters"),
        ("options", {"note": "a\ud800"}, "options.note", "contains a control character"),
        ("options", {"note": "a\x1b[31m"}, "options.note", "contains a control character"),
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
        ("x\ud800", 1, "", "a name in it is not valid Unicode"),
        ("finish", {"\ud800": 1}, "finish", "a name in it is not valid Unicode"),
        ("tags", {"\ud800": "1"}, "tags['\ufffd\ufffd\ufffd']", "'\\ud800' is not allowed"),
        ("locales", ["de" + "-abcdefgh" * 4], "locales[0]", "of at most 35 characters"),
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


def refusal(message: object) -> InvalidJob:
    with pytest.raises(InvalidJob) as refused:
        read(message)
    return refused.value


def test_many_faults_are_counted_and_the_first_are_listed() -> None:
    found = refusal(PROMPT | {f"x{nth}": nth for nth in range(1_000)}).faults
    assert len(found) == 101
    assert str(found[-1]) == "900 more faults are not listed"


LIBRARY = re.compile(r"Input should|[Vv]alue error|pydantic|Expecting|Extra inputs|Unable to")
ANY_TEXT = st.text(st.characters())


@given(
    st.sampled_from([*Job.model_fields, "zzz", "\ud800"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT | st.just("format"), inner),
        max_leaves=6,
    ),
)
def test_every_refusal_has_a_fault_in_our_words(field: str, value: object) -> None:
    try:
        build_job(PROMPT | {field: value}, made_id="fox")
    except InvalidJob as error:
        assert error.faults  # noqa: PT017 (a valid job is fine)
        for fault in error.faults:
            assert not LIBRARY.search(fault.message)


@pytest.mark.parametrize(
    "make",
    [
        lambda size: {f"name{nth}": 1 for nth in range(size)},
        lambda size: {"x" * 20 * size: 1},
        lambda size: {"locales": [f"{nth}" for nth in range(size)]},
        lambda size: {"models": [f"m{nth}" for nth in range(size)]},
        lambda size: {"quality": "low" * size},
        lambda size: {"tags": {f"t{nth}": "x" for nth in range(size)}},
    ],
)
def test_the_work_of_a_refusal_grows_with_the_message(
    make: Callable[[int], dict[str, object]],
) -> None:
    def message(size: int) -> bytes:
        return json.dumps(PROMPT | make(size), separators=(",", ":")).encode()

    assert growth(message, refusal, 400) < MOST
