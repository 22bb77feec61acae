"""Tags: names, values, and the room that blob metadata has."""

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.fields import MAX_TAG_BYTES, encode_tags
from tests.builders.messages import PROMPT, faults, messages, read


@pytest.mark.parametrize(
    ("field", "value", "path", "says"),
    [
        ("tags", {"my key": "x"}, "tags['my key']", "'my key' is not allowed"),
        ("tags", {"1a": "x"}, "tags['1a']", "not starting with a digit"),
        ("tags", {"a": "x" * 257}, "tags.a", "has 257 characters"),
        ("tags", {"a": "x\ny"}, "tags.a", "control character"),
        ("tags", {"a": "x", "A": "y"}, "tags", "'a' and 'A' differ only by case"),
        ("tags", {f"t{i}": "" for i in range(21)}, "tags", "has 21 tags; at most 20"),
        ("tags", {f"t{i}": "狐" * 40 for i in range(20)}, "tags", "at most 4,096"),
    ],
)
def test_tags_out_of_bounds_are_named_with_what_would_be_right(
    field: str, value: object, path: str, says: str
) -> None:
    found = faults(PROMPT | {field: value})
    assert list(found) == [path]
    assert says in found[path]


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


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text(max_size=40)))
def test_encoded_tags_read_back_and_are_apart_from_our_own_names(tags: dict[str, str]) -> None:
    metadata = encode_tags({name: _printable(value) for name, value in tags.items()})
    read_back = {name.removeprefix("tag_"): unquote(value) for name, value in metadata.items()}
    assert read_back == {name: _printable(value) for name, value in tags.items()}
    assert all(name.startswith("tag_") for name in metadata)


def _printable(value: str) -> str:
    return value.encode("utf-8", "ignore").decode()


def test_tags_that_fill_the_metadata_to_the_last_byte_are_taken() -> None:
    full = {f"t{number:02}": "x" * 256 for number in range(15)}
    left = MAX_TAG_BYTES - sum(len(k) + len(v) for k, v in encode_tags(full).items())
    rest = {"rest": "x" * (left - len("tag_rest"))}
    assert read(PROMPT | {"tags": full | rest}).tags == full | rest
    assert list(faults(PROMPT | {"tags": full | {"rest": rest["rest"] + "x"}})) == ["tags"]
