import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.errors import BrokenReply, UnreadableReply
from shared.images_api.decoder import PictureData, PreviewEvent, ReplyDecoder, ReplyRest
from tests.builders.replies import (
    JSON,
    SSE,
    Received,
    as_json,
    b64,
    broken,
    decode,
    event,
    generation,
    sizes,
)


def test_the_error_body_of_a_provider_is_an_envelope() -> None:
    body: dict[str, JsonValue]
    body = {"error": {"code": "content_filter", "message": 'the "b64_json" of it', "status": 400}}
    assert decode(as_json(body)) == (Received(), ReplyRest(body, 0))


def test_pictures_are_found_at_any_depth_and_counted_even_when_the_key_comes_twice() -> None:
    body = b'{"a":[{"b":{"b64_json":"QQ=="}}],"b64_json":"Qg==","b64_json":"Qw=="}'
    received, envelope = decode(body)
    assert received.whole == [b"A", b"B", b"C"]
    assert envelope == ReplyRest({"a": [{"b": {"b64_json": "#0"}}], "b64_json": "#2"}, 3)


def test_an_empty_string_is_a_picture_without_bytes() -> None:
    assert decode(b'{"b64_json":""}')[0].whole == [b""]


def test_a_byte_order_mark_and_white_space_around_the_reply_are_no_fault() -> None:
    received, envelope = decode(b'\xef\xbb\xbf \n{"b64_json":" Q\nQ "}\r\n ', JSON, [1])
    assert received.whole == [b"A"]
    assert envelope.pictures == 1


@pytest.mark.parametrize(
    "text",
    [
        "QUJD!UJD",
        "QUJD-!JD",
        "data:image/png,QUJD",
        "data:image/png;charset=utf-8,QUJD",
        "data:",
        "data:image/png;base64",
        "data:image/png;base64,QUJD,QUJD",
        f"data:{'x' * 500};base64,QUJD",
        "QUJDQ",
        "QQ==QUJD",
        "QQ==Q",
        "Q===",
        "=",
        "====",
        "Q=Q=",
        "QUJDÄUJD",
        r"QUJD\u00c4UJD",
        r"QUJD\\/JD",
        r"QUJD\"UJD",
        r"QUJD\xUJD",
        r"QUJD\u00",
        r"QUJD\ud800",
    ],
)
@pytest.mark.parametrize("sizes", [[1], [4], [1000]])
def test_what_is_no_base64_spoils_one_picture_and_is_never_skipped(
    text: str, sizes: list[int]
) -> None:
    body = f'{{"data":[{{"b64_json":"{text}"}},{{"b64_json":"QQ=="}}],"usage":1}}'.encode()
    received, rest = decode(body, JSON, sizes)
    assert (received.whole, [*received.spoiled]) == ([b"A"], [0])
    assert (rest.pictures, rest.document["usage"]) == (2, 1)


@given(st.text("AQ=-_ ,:!d", max_size=12), st.sampled_from(["", "data:;base64,"]), sizes)
def test_whether_a_text_is_base64_does_not_depend_on_how_it_is_cut(
    text: str, prefix: str, cuts: list[int]
) -> None:
    body = as_json({"b64_json": prefix + text})
    whole, cut = decode(body)[0], decode(body, JSON, cuts)[0]
    assert (cut.whole, [*cut.spoiled]) == (whole.whole, [*whole.spoiled])


def test_a_fault_names_the_character_that_is_no_base64() -> None:
    assert "character '!'" in decode(b'{"b64_json":"QUJD!UJD"}')[0].spoiled[0]


def test_a_data_uri_in_a_link_is_a_picture_and_another_link_stays_one() -> None:
    links = ["https://x.example/a.png", "data:image/png;base64,QQ==", "dat", "DATA:;base64,Qg=="]
    received, rest = decode(as_json({"data": [{"url": link} for link in links]}), JSON, [1])
    assert received.whole == [b"A", b"B"]
    left = [links[0], "#0", "dat", "#1"]
    assert rest == ReplyRest({"data": [{"url": link} for link in left]}, 2)


def test_a_fault_is_raised_by_every_call_after_it() -> None:
    decoder = ReplyDecoder(max_rest_bytes=20)
    assert decoder.feed(b'{"b64_json":"' + b'","x":"' + b"y" * 20) != []
    with pytest.raises(UnreadableReply):
        decoder.feed(b"}")
    with pytest.raises(UnreadableReply):
        decoder.finish()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_chunks_are_any_kind_of_bytes(kind: Callable[[bytes], bytes]) -> None:
    decoder = ReplyDecoder(JSON)
    assert decoder.feed(kind(b'{"b64_json":"QQ=="}'))[1] == PictureData(0, b"A")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  ",
        b'{"a":1}x',
        b'{"a":1}{"b":2}',
        b"[" * 100_000,
        b"{'a':1}",
        rb'{"\x":1}',
    ],
)
def test_what_is_no_json_is_broken(body: bytes) -> None:
    broken(body)


def test_a_body_that_is_neither_json_nor_events_is_refused_and_quoted() -> None:
    with pytest.raises(UnreadableReply, match=r'neither JSON nor an event stream.*"Unauthorized"'):
        decode(b'"Unauthorized"')


@pytest.mark.parametrize("body", [b'{"a":1}x', b"{'a':1}", b"[" * 100_000 + b"]"])
def test_what_is_whole_and_no_json_is_not_taken_for_a_cut_reply(body: bytes) -> None:
    with pytest.raises(UnreadableReply, match="not JSON"):
        decode(body)


def test_a_list_of_items_and_bytes_that_are_no_utf_8_are_read() -> None:
    received, rest = decode(b'[{"b64_json":"QQ==","revised_prompt":"\xff"}]')
    assert received.whole == [b"A"]
    item: JsonValue = {"b64_json": "#0", "revised_prompt": "\N{REPLACEMENT CHARACTER}"}
    assert rest == ReplyRest({"data": [item]}, 1)


@pytest.mark.parametrize("name", [SSE, "text/json", "application/octet-stream", "image/png", ""])
def test_a_body_is_what_it_is_whatever_it_is_called(name: str) -> None:
    assert decode(b' {"b64_json":"QQ=="}', name, [1])[0].whole == [b"A"]
    stream = event(None, {"type": "image_generation.completed", "b64_json": "QQ=="})
    assert decode(b"\xef\xbb\xbf: hello\n" + stream, name, [1])[0].whole == [b"A"]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_parameters_and_case_of_the_content_type_do_not_matter(content_type: str) -> None:
    assert decode(b"{}", content_type)[1] == ReplyRest({}, 0)


def test_a_problem_is_json_too() -> None:
    assert decode(b'{"title":"x"}', "application/problem+json")[1].document == {"title": "x"}


def test_another_content_type_is_refused_with_the_start_of_the_body() -> None:
    page = b"<html>\n<h1>502 Bad Gateway</h1>" + b" " * 5_000 + b"end"
    with pytest.raises(UnreadableReply, match=r"text/html.*502 Bad Gateway") as refused:
        decode(page, "text/html; charset=utf-8", [10])
    assert len(str(refused.value)) < 500
    with pytest.raises(BrokenReply, match=r"cut off or empty: nothing"):
        decode(b"", "")


def test_what_is_kept_beside_the_pictures_is_bounded() -> None:
    picture = bytes(5_000)
    body = as_json({"b64_json": b64(picture), "x": "y" * 500})
    assert decode(body, max_rest_bytes=600)[0].whole == [picture]
    with pytest.raises(UnreadableReply, match="more than 400 bytes outside"):
        decode(body, max_rest_bytes=400)
    stream = event("image_generation.completed", generation("completed", x="y" * 500))
    assert decode(stream, SSE, max_rest_bytes=600)[1].pictures == 0
    with pytest.raises(UnreadableReply, match="more than"):
        decode(2 * stream, SSE, max_rest_bytes=600)


@pytest.mark.parametrize("kind", [None, "partial_image"])
def test_a_large_picture_passes_in_little_memory(kind: str | None) -> None:
    body = as_json({"b64_json": b64(bytes(8_000_000))})
    body = b"event: %b\ndata: %b\n\n" % (kind.encode(), body) if kind else body
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    decoder, length = ReplyDecoder(JSON), 0
    tracemalloc.start()
    try:
        for part in parts:
            for piece in decoder.feed(part):
                inner = piece.of_draft if isinstance(piece, PreviewEvent) else piece
                length += len(inner.data) if isinstance(inner, PictureData) else 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length == 8_000_000
    assert peak < 10 * 65_536
