import tracemalloc
from collections.abc import Callable

import pytest
from pydantic import JsonValue

from shared.errors import UnreadableReply
from shared.images_api.decoder import PictureData, PictureStarted, ReplyDecoder, ReplyRest
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
        "QUJD-_JD",
        "QUJ",
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
@pytest.mark.parametrize("sizes", [[1], [4], [100]])
def test_what_is_no_base64_is_refused_and_never_skipped(text: str, sizes: list[int]) -> None:
    body = f'{{"data":[{{"b64_json":"QQ=="}},{{"b64_json":"{text}"}}]}}'.encode()
    if text == "QUJ":  # only the padding is missing
        assert decode(body, JSON, sizes)[0].whole == [b"A", b"AB"]
    else:
        assert broken(body, JSON, sizes).whole == [b"A"]


def test_a_fault_names_the_character_that_is_no_base64() -> None:
    with pytest.raises(UnreadableReply, match="character '!'"):
        decode(b'{"b64_json":"QUJD!UJD"}')


def test_a_fault_is_raised_by_every_call_after_it() -> None:
    decoder = ReplyDecoder(JSON)
    assert decoder.feed(b'{"b64_json":"!!!!"') == [PictureStarted(0)]
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
        b'{"a":"\xff"}',
        b"[" * 100_000,
        b"{'a':1}",
        rb'{"\x":1}',
    ],
)
def test_what_is_no_json_is_broken(body: bytes) -> None:
    broken(body)


def test_json_that_is_no_object_is_refused_and_quoted() -> None:
    with pytest.raises(UnreadableReply, match='not a JSON object: "Unauthorized"'):
        decode(b'"Unauthorized"')


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
    with pytest.raises(UnreadableReply, match=r"without a content type.*nothing"):
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


def test_a_large_picture_passes_in_little_memory() -> None:
    body = as_json({"b64_json": b64(bytes(8_000_000))})
    parts = [body[at : at + 65_536] for at in range(0, len(body), 65_536)]
    decoder, length = ReplyDecoder(JSON), 0
    tracemalloc.start()
    try:
        for part in parts:
            length += sum(len(p.data) for p in decoder.feed(part) if isinstance(p, PictureData))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length == 8_000_000
    assert peak < 10 * 65_536
