"""Strings of one member, cut out of a JSON text of any spelling as it passes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BrokenReply, UnreadableReply
from shared.images_api.json_extractor import (
    EXCERPT_BYTES,
    MEMBERS,
    Boundary,
    JsonExtractor,
    excerpt,
)
from tests.builders.replies import chunks, sizes, texts, values

MEMBER = "b64_json"
BASE64 = st.text("ABCDEFGHabcdefgh0123456789+/=", max_size=40)


def extract(
    text: bytes, cuts: list[int] | None = None, *, most: int = 100_000
) -> tuple[list[bytes], dict[str, Any]]:
    """The strings that were diverted, and the document that is left."""
    extractor, found = JsonExtractor(max_rest_bytes=most), list[bytes]()
    is_open = False
    for chunk in chunks(text, cuts or [len(text) + 1]):
        for piece in extractor.feed(chunk):
            if isinstance(piece, Boundary):
                is_open = piece is Boundary.START
                if is_open:
                    found.append(b"")
            else:
                assert is_open
                found[-1] += bytes(piece)
    return found, extractor.finish()


def cut_out(value: Any, found: list[str]) -> Any:  # noqa: ANN401 (any JSON)
    """The same by way of `json`: what the extractor must give."""
    if isinstance(value, list):
        return [cut_out(each, found) for each in value]
    if isinstance(value, dict):
        made = {}
        for name, each in value.items():
            if isinstance(each, str) and name in MEMBERS and starts_like_one(name, each):
                made[name] = f"#{len(found)}"
                found.append(each)
            else:
                made[name] = cut_out(each, found)
        return made
    return value


def starts_like_one(name: str, text: str) -> bool:
    return text.lower().encode("utf-8", "surrogatepass").startswith(MEMBERS[name])


DOCUMENTS = st.dictionaries(
    texts,
    st.recursive(
        values
        | BASE64.map(lambda text: {MEMBER: text})
        | BASE64.map(lambda text: {"url": f"Data:;base64,{text}"})
        | texts.map(lambda text: {"url": text}),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
).filter(lambda document: all(text.isascii() for text in strings_of(document)))


def strings_of(document: Any) -> list[str]:  # noqa: ANN401 (any JSON)
    """The strings that a document holds under the member's name."""
    found: list[str] = []
    cut_out(document, found)
    return found


@given(DOCUMENTS, st.booleans(), st.sampled_from([None, 2]), sizes)
def test_the_strings_are_those_that_json_finds_in_any_spelling_and_chunking(
    document: dict[str, Any],
    ascii_only: bool,  # noqa: FBT001 (drawn)
    indent: int | None,
    cuts: list[int],
) -> None:
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    expected: list[str] = []
    rest = cut_out(document, expected)
    found, left = extract(text.encode("utf-8", "surrogatepass"), cuts)
    assert found == [each.encode() for each in expected]
    assert left == rest


@pytest.mark.parametrize(
    "document",
    [
        {"b64_json": None, "next": "AAAA"},
        {"b64_json": 5, "next": "AAAA"},
        {"b64_json": ["AAAA"]},
        {"b64_json": {"x": "AAAA"}},
        {"member": "b64_json", "next": "AAAA"},
        {"list": ["b64_json", "AAAA"]},
        {"b64_jso": "AAAA", "xb64_json": "BBBB", "B64_JSON": "CCCC"},
        {'b64_json":"AAAA': '"b64_json":"AAAA"'},
        {"\\b64_json": "AAAA", "b64_json\\": "BBBB"},
    ],
)
def test_what_only_looks_like_a_picture_is_left_alone(document: dict[str, Any]) -> None:
    assert extract(json.dumps(document).encode(), [1]) == ([], document)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"b64_json":"QQ', "The reply is cut off in a string, after 0 complete pictures."),
        (
            b'{"b64_json":"QQ==","x":"y',
            "The reply is cut off in a string, after 1 complete pictures.",
        ),
        (b'{"b64_json":"QQ=="', "The reply is cut off, after 1 complete pictures: "),
        (b"", "The reply is cut off, after 0 complete pictures: nothing"),
        (b"{]", "The reply is not JSON, after 0 complete pictures: {]"),
        (b"1", "The reply is not a JSON object: 1"),
    ],
)
def test_what_is_no_whole_object_is_reported(text: bytes, said: str) -> None:
    with pytest.raises(BrokenReply) as caught:
        extract(text)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("text", [b'{"b64_json":"\\u00c4"}', b'{"b64_json":"\\x"}'])
@pytest.mark.parametrize("cuts", [[1], [100]])
def test_an_escape_that_no_base64_has_is_handed_on(text: bytes, cuts: list[int]) -> None:
    found, rest = extract(text, cuts)
    assert set(found[0]) - set(b"ABCDEFGH=")
    assert rest == {"b64_json": "#0"}


@pytest.mark.parametrize("backslashes", range(1, 8))
def test_backslashes_before_the_end_of_a_picture_mean_the_same_in_any_chunks(
    backslashes: int,
) -> None:
    text = b'{"b64_json":"QUJD%b","x":"y"}' % (b"\\" * (backslashes * 2))
    whole, rest = extract(text)
    assert rest == {"b64_json": "#0", "x": "y"}
    for cut in range(1, len(text)):
        found, same = extract(text, [cut])
        assert (b"".join(found), same) == (b"".join(whole), rest)


def test_the_rest_is_bounded_and_the_strings_are_not() -> None:
    document = {"x": "y" * 50, MEMBER: "A" * 10_000}
    text = json.dumps(document).encode()
    assert extract(text, most=100)[0] == [b"A" * 10_000]
    with pytest.raises(UnreadableReply, match="more than 60 bytes outside its pictures"):
        extract(text, most=60)


@pytest.mark.parametrize(
    ("before", "kind"),
    [
        (b'{"type":"completed","b64_json":"', "completed"),
        (b'{"meta":{"type":"inner"},"b64_json":"', ""),
        (b'{"type":5,"b64_json":"', ""),
        (b'{"data":[{"type":"inner","b64_json":"', ""),
        (b'{"b64_json":"', ""),
    ],
)
def test_a_member_is_known_only_from_the_top_and_from_before(before: bytes, kind: str) -> None:
    extractor = JsonExtractor(max_rest_bytes=1000)
    assert list(extractor.feed(before)) == [Boundary.START]
    assert extractor.read_member("type") == kind


def test_an_excerpt_is_short_and_of_one_line() -> None:
    assert excerpt(b" a\n\n b ") == "a b"
    assert excerpt(b"") == "nothing"
    assert len(excerpt(b"x" * 10_000)) == EXCERPT_BYTES
    assert excerpt(b"\xff") == "\N{REPLACEMENT CHARACTER}"
