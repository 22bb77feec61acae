"""Text in the encodings that callers use, and JSON within bounds, with errors in our words."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.text import MAX_DEPTH, decode_text, parse_json

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_the_encodings_of_common_programs(encoding: str) -> None:
    assert decode_text('{"a": "ü狐"}'.encode(encoding)) == '{"a": "ü狐"}'


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("Küste".encode("latin-1"), "not UTF-8 text: byte 1 is 0xfc; save it as UTF-8"),
        (b"\xff\xfea\x00\x00", "not UTF-16 text: byte 4 is 0x00"),
    ],
)
def test_another_encoding_is_named_with_its_byte(body: bytes, says: str) -> None:
    with pytest.raises(ValueError, match="text: byte") as error:
        decode_text(body)
    assert says in str(error.value)


@given(JSON)
def test_every_json_text_is_read_as_it_was_written(value: Any) -> None:  # noqa: ANN401 (what JSON can hold)
    assert parse_json(json.dumps(value)) == value


@given(JSON, st.integers(0, 40), st.characters())
def test_an_error_is_in_our_words_and_never_repeats_the_text(
    value: Any,  # noqa: ANN401 (what JSON can hold)
    place: int,
    character: str,
) -> None:
    text = json.dumps(value)
    broken = text[:place] + character + text[place + 1 :]
    try:
        parse_json(broken)
    except ValueError as error:
        message = str(error)
        assert type(error) is ValueError  # noqa: PT017 (the library's own is a subclass)
        assert not any(word in message for word in ("Expecting", "Invalid", "Unterminated"))


@pytest.mark.parametrize("deep", ["[" * 10_000, '{"a":' * 33 + "1" + "}" * 33])
def test_depth_is_bounded_before_anything_parses(deep: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply; at most 32 levels"):
        parse_json(deep)
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert parse_json(json.dumps(["[" * 100] * 100))


def test_names_that_stand_twice_are_kept() -> None:
    assert parse_json('{"a": 1, "b": 2, "a": 3}').repeated == {"a"}
