import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.batches.posted_list import MAX_JOBS, messages_in
from shared.errors import MalformedMessage

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.lists(ANYTHING, min_size=1, max_size=20), st.sampled_from([None, 1]))
def test_each_element_is_its_own_message(elements: list[Any], indent: int | None) -> None:
    body = json.dumps(elements, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    try:
        body.decode()
    except UnicodeDecodeError:
        return  # half a surrogate pair is no text
    assert [json.loads(message) for message in messages_in(body)] == elements


def test_a_message_keeps_its_words_as_they_were_written() -> None:
    assert messages_in(b'\xef\xbb\xbf [ {"n": 1, "n": 2} , {"a":1.50} ] ') == (
        b'{"n": 1, "n": 2}',
        b'{"a":1.50}',
    )


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "does not begin"),
        (b'{"prompt": "a fox"}', "does not begin"),
        (b"[]", "holds 0 jobs"),
        (b"[1", "neither ',' nor the end"),
        (b"[1,", "no JSON list"),
        (b"[1,]", "no JSON list"),
        (b"[1] 2", "neither ',' nor the end"),
        (b"[1 2]", "neither ',' nor the end"),
        (b"[\xff]", "no JSON list"),
        (b"[" * 200_000, "no JSON list"),
        (json.dumps([1] * (MAX_JOBS + 1)).encode(), "holds 101 jobs"),
    ],
)
def test_what_is_no_list_of_jobs_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why):
        messages_in(body)
