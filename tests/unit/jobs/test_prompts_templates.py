"""A template and its variables become the prompt of a job."""

import json
from string import Template

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidJob
from shared.jobs.fields import MAX_PROMPT_CHARACTERS
from shared.jobs.job import Job
from shared.jobs.prompts import fill_template, list_template_faults
from tests.builders.growth import MOST, growth
from tests.builders.messages import faults, read


def test_a_job_keeps_the_prompt_that_its_template_makes() -> None:
    job = read(
        {"template": "a $colour ${animal}s, $$5", "variables": {"colour": "red", "animal": "fox"}}
    )
    assert job.prompt == "a red foxs, $5"
    stored = json.loads(job.to_json())
    assert stored.keys() == {"job_id", "prompt"}
    assert Job.model_validate(stored) == job


def test_a_templated_job_is_the_job_with_that_prompt() -> None:
    made = read({"template": "a $x", "variables": {"x": "fox"}, "n": 2})
    assert made.fingerprint == read({"prompt": "a fox", "n": 2}).fingerprint


def test_a_value_is_text_and_never_a_template() -> None:
    assert read({"template": "a $x", "variables": {"x": "$y ${z} $"}}).prompt == "a $y ${z} $"


def test_a_template_without_variables_is_a_prompt() -> None:
    assert read({"template": "a fox for $$5"}).prompt == "a fox for $5"


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"template": "$x", "variables": {}}, {"variables": "'x' is missing"}),
        ({"template": "a", "variables": {"x": "1"}}, {"variables": "'x' is not used"}),
        ({"template": "$X", "variables": {"X": "1", "x": "1"}}, {"variables": "'x' is not used"}),
        ({"prompt": "a", "variables": {"x": "1"}}, {"variables": "needs a template"}),
        ({"prompt": "a", "template": "b"}, {"template": "is set and so is prompt"}),
        ({"prompt_blob": "a", "template": "b"}, {"template": "is set and so is prompt_blob"}),
        ({"template": "5 $"}, {"template": "write '$$' for a dollar sign"}),
        ({"template": " "}, {"prompt": "is empty"}),
        ({"template": 5}, {"template": "5 is not text"}),
        ({"template": "$x", "variables": {"x": 5}}, {"variables.x": "5 is not text"}),
        ({"template": "$x", "variables": ["x"]}, {"variables": "a list of 1 is not an object"}),
        ({"template": "a", "variables": {"a b": "1"}}, {"variables['a b']": "use letters"}),
        ({"template": "x" * 32_001}, {"template": "has 32,001 characters"}),
        ({"template": "$x" * 9, "variables": {"x": " "}}, {"prompt": "is empty"}),
    ],
)
def test_what_is_wrong_with_a_template_names_its_field(
    message: dict[str, object], found: dict[str, str]
) -> None:
    told = faults(message)
    for field, part in found.items():
        assert part in told[field]
    assert "prompt" in found or "prompt" not in told


def test_every_missing_and_every_unused_variable_is_a_fault() -> None:
    with pytest.raises(InvalidJob) as refused:
        read({"template": "$a $b $c", "variables": {"b": "1", "d": "2", "e": "3"}})
    assert [str(fault) for fault in refused.value.faults] == [
        "variables: 'a' is missing; the template uses it",
        "variables: 'c' is missing; the template uses it",
        "variables: 'd' is not used by the template; leave it out",
        "variables: 'e' is not used by the template; leave it out",
    ]


def test_a_small_message_makes_no_huge_prompt() -> None:
    told = faults({"template": "$a" * 16_000, "variables": {"a": "x" * 32_000}})
    assert told == {
        "template": "makes a prompt of 512,000,000 characters; at most 32,000 are allowed"
    }


def test_a_template_uses_at_most_fifty_variables() -> None:
    names = [f"v{number}" for number in range(51)]
    told = faults({"template": " ".join(f"${name}" for name in names)})
    assert told == {"template": "uses 51 variables; at most 50 are allowed"}
    fifty = dict.fromkeys(names[:50], "x")
    assert read({"template": " ".join(f"${name}" for name in fifty), "variables": fifty}).prompt


def test_the_work_grows_with_the_template_however_many_names_it_has() -> None:
    def fill(template: str) -> None:
        fill_template({"template": template})

    assert growth(lambda n: "".join(f"$a{number} " for number in range(n)), fill, 1_000) < MOST


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,4}", fullmatch=True)


@given(
    st.text(st.sampled_from("$ {}ab\u00e4"), max_size=12),
    st.dictionaries(NAMES, st.text(max_size=3), max_size=2),
)
def test_a_template_is_filled_exactly_when_it_has_no_fault(
    template: str, variables: dict[str, str]
) -> None:
    given = {"template": template, "variables": variables}
    made = fill_template(given)
    if [*list_template_faults(given)]:
        assert made is given
    else:
        assert made == {"prompt": Template(template).substitute(variables)}
        assert len(str(made["prompt"])) <= MAX_PROMPT_CHARACTERS
