"""What a single field of a job may hold, and what its fault says."""

import re
import unicodedata
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.jobs.fields import (
    BLOB_NAME,
    INPUT_NAME,
    BlobName,
    InputName,
    Locale,
    Moment,
    check_prompt,
    is_job_id,
    quote_value,
    read_option,
)
from shared.jobs.job import Job
from tests.builders.messages import LOCALES, PROMPT, faults, read


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("job_id", "a/b", "job_id", "'a/b' is not allowed; use 1 to 64 of A-Z"),
        ("job_id", "-a", "job_id", "'-a'"),
        ("job_id", "a" * 65, "job_id", "…'"),
        ("job_id", "a\n", "job_id", r"'a\n'"),
        ("prompt", "", "prompt", "is empty"),
        ("prompt", " \n", "prompt", "is empty"),
        ("prompt", "x" * 32_001, "prompt", "has 32,001 characters; at most 32,000"),
        ("prompt", "a\x00b", "prompt", "U+0000 at position 1"),
        ("prompt", "a\x9fb", "prompt", "U+009F at position 1"),
        ("prompt", "a\ud800", "prompt", "U+D800 at position 1"),
        ("model", "gpt image", "model", "'gpt image'"),
        ("models", ["a", "a"], "models", "'a' appears twice"),
        ("models", ["a", "b c"], "models[1]", "'b c'"),
        ("size", "1024y1024", "size", "'1024y1024' is not a valid size"),
        ("size", ["16:9", "y"], "size[1]", "'y' is not a valid size"),
        ("size", ["16:9", "16:9"], "size", "'16:9' appears twice"),
        ("size", " " * 41 + "1k", "size", "too long for a size"),
        ("locales", ["de", "DE"], "locales", "'de' appears twice"),
        ("locales", ["german"], "locales[0]", "'german' is not allowed; use a BCP 47 tag"),
        ("inputs", ["../a"], "inputs[0]", "'../a' is not a valid blob name"),
        ("inputs", ["a", "/b"], "inputs[1]", "'/b' is not a picture to edit; give the name of"),
        ("inputs", ["a", "/b/"], "inputs[1]", "must not start or end with '/'"),
        ("reply_to", "Events", "reply_to", "'Events' is not allowed; use 3 to 63"),
        ("reply_to", "a--b", "reply_to", "'a--b'"),
        ("deadline", "tomorrow", "deadline", "'tomorrow' is not an ISO 8601 time"),
        ("deadline", "2026-11-30T18:00:00", "deadline", "has no time zone"),
        ("deadline", 1_790_000_000, "deadline", "1790000000 is not a time"),
        ("deadline", "0001-01-01T00:00:00+14:00", "deadline", "outside the calendar"),
        ("traceparent", "00-0-0-00", "traceparent", "W3C traceparent"),
        ("traceparent", "00-" + "0" * 32 + "-" + "b" * 16 + "-01", "traceparent", "W3C"),
        ("traceparent", "ff-" + "a" * 32 + "-" + "b" * 16 + "-01", "traceparent", "W3C"),
    ],
)
def test_a_value_out_of_bounds_is_named_with_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]


@pytest.mark.parametrize(
    "name", ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a./b", "b.", "a\\b", "a\x07", "a" * 513]
)
def test_an_unsafe_blob_name_is_refused(name: str) -> None:
    assert "is not a valid blob name" in faults({"prompt_blob": name})["prompt_blob"]


def test_a_deadline_may_be_a_moment_in_code() -> None:
    moment = datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    job = Job(job_id="a", prompt="x", deadline=moment)
    assert job.deadline == moment
    assert job.to_json() == b'{"job_id":"a","prompt":"x","deadline":"2026-12-01T00:00:00Z"}'


def test_locales_are_kept_in_their_usual_case() -> None:
    job = read(PROMPT | {"locales": ["PT-br", "ZH-hant-tw", "DE-ch-1996", "ES-419"]})
    assert job.locales == ("pt-BR", "zh-Hant-TW", "de-CH-1996", "es-419")


LETTERS = st.sampled_from("ab./\\\x07 ") | st.characters(exclude_categories=["Cs"])


@given(st.text(LETTERS, max_size=12))
def test_the_schema_of_a_blob_name_accepts_what_its_check_does(name: str) -> None:
    for field, pattern in ((BlobName, BLOB_NAME), (InputName, INPUT_NAME)):
        try:
            TypeAdapter(field).validate_python(name)
        except ValidationError:
            assert not re.search(in_ecma(pattern), name)
        else:
            assert re.search(in_ecma(pattern), name)


def in_ecma(pattern: str) -> str:
    """The pattern as JSON Schema reads it: `$` is the end alone, not a line feed before it."""
    return pattern.replace("$", r"\Z")


@given(st.text(max_size=200) | st.integers() | st.none() | st.booleans() | st.lists(st.text()))
def test_a_value_is_quoted_short_and_on_one_line(value: object) -> None:
    quoted = quote_value(value)
    assert 0 < len(quoted) <= 60
    assert len(quoted.splitlines()) == 1


@given(LOCALES, st.sampled_from([str.upper, str.lower, str.swapcase]))
def test_a_locale_in_any_case_is_the_same_locale(locale: str, change: Any) -> None:  # noqa: ANN401 (a method of str)
    adapter = TypeAdapter(Locale)
    assert adapter.validate_python(change(locale)) == adapter.validate_python(locale) == locale


@given(st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 (made aware)
def test_a_moment_is_kept_in_utc(moment: datetime) -> None:
    adapter: TypeAdapter[datetime] = TypeAdapter(Moment)
    written = moment.isoformat()
    read_back = adapter.validate_python(written)
    assert read_back.utcoffset() == timedelta()
    assert read_back == datetime.fromisoformat(written)  # its offset, not its zone


@pytest.mark.parametrize(
    ("value", "answer"), [("fox-1", True), ("f/x", False), ("", False), (7, False), (None, False)]
)
def test_only_text_of_the_right_form_can_be_an_id(value: object, answer: bool) -> None:  # noqa: FBT001 (a table's column)
    assert is_job_id(value) is answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("42", 42), ("-1.5", -1.5), ("2e3", 2000.0), ("true", True), ("low", "low")],
        *[(each, each) for each in ("null", "[1]", "1_0", "+1", "01", "NaN", "Infinity", "٣")],
        *[(each, each) for each in ("[" * 100_000, '{"a":' * 50_000, "9" * 5_000)],
    ],
    ids=lambda value: str(value)[:9],
)
def test_an_option_written_as_text_is_a_number_a_boolean_or_the_text(
    text: str, value: object
) -> None:
    assert read_option(text) == value
    assert type(read_option(text)) is type(value)


def test_options_are_part_of_what_a_job_is() -> None:
    job = read({**PROMPT, "job_id": "a", "options": {"seed": 42, "web_grounding": True}})
    assert job.options == {"seed": 42, "web_grounding": True}
    assert job.fingerprint != read({**PROMPT, "job_id": "a"}).fingerprint
    assert read(job.to_json()) == job
    assert read({**PROMPT, "options": {}}).fingerprint == read(PROMPT).fingerprint


def test_a_prompt_may_hold_every_character_but_controls_and_halves_of_one() -> None:
    def is_allowed(character: str) -> bool:
        try:
            return check_prompt(f"fox{character}") == f"fox{character}"
        except ValueError:
            return False

    refused = [place for place in range(0x110000) if not is_allowed(chr(place))]
    assert refused == [
        place
        for place in range(0x110000)
        if unicodedata.category(chr(place)) in {"Cc", "Cs"} and chr(place) not in "\n\r\t"
    ]
