import base64
import json
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from shared.decoding import (
    Envelope,
    PictureData,
    PictureDropped,
    PictureEnded,
    PictureStarted,
    ReplyDecoder,
)
from shared.errors import BrokenReply, UnreadableReply

JSON = "application/json"
SSE = "text/event-stream"


@dataclass
class Received:
    """What a reader of the pieces holds; a picture is `whole` once it has ended."""

    whole: list[bytes] = field(default_factory=list)
    started: int = 0
    dropped: int = 0
    _open: bytes | None = None

    def take(self, pieces: Iterable[object]) -> None:
        for piece in pieces:
            match piece:
                case PictureStarted(index):
                    assert self._open is None
                    assert index == len(self.whole)
                    self._open = b""
                    self.started += 1
                case PictureData(index, data):
                    assert self._open is not None
                    assert index == len(self.whole)
                    assert data
                    self._open += data
                case PictureEnded(index):
                    assert self._open is not None
                    assert index == len(self.whole)
                    self.whole.append(self._open)
                    self._open = None
                case PictureDropped(index):
                    assert index == len(self.whole)
                    self._open = None
                    self.dropped += 1


def chunks(reply: bytes, sizes: list[int]) -> Iterable[bytes]:
    at = 0
    while at < len(reply):
        for size in sizes:
            yield reply[at : at + size]
            at += size


def decode(
    reply: bytes, content_type: str = JSON, sizes: list[int] | None = None, **limits: int
) -> tuple[Received, Envelope]:
    received, decoder = Received(), ReplyDecoder(content_type, **limits)
    for chunk in chunks(reply, sizes or [len(reply) + 1]):
        received.take(decoder.feed(chunk))
    return received, decoder.finish()


def broken(reply: bytes, content_type: str = JSON, sizes: list[int] | None = None) -> Received:
    """Read a reply that must turn out to be broken, and return what came out of it before."""
    received, decoder = Received(), ReplyDecoder(content_type)
    with pytest.raises(BrokenReply):  # noqa: PT012 - any call may be the one that tells
        for chunk in chunks(reply, sizes or [len(reply) + 1]):
            received.take(decoder.feed(chunk))
        decoder.finish()
    return received


def b64(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def as_json(document: object) -> bytes:
    return json.dumps(document).encode()


def event(name: str | None, document: object, *, end: str = "\n") -> bytes:
    lines = [f"event: {name}"] if name else []
    return (end.join([*lines, f"data: {json.dumps(document)}", "", ""])).encode()


def generation(kind: str, **members: JsonValue) -> dict[str, JsonValue]:
    return {"type": f"image_generation.{kind}", **members}


def unescaped(text: str) -> str:
    return text


def solidus(text: str) -> str:
    return text.replace("/", r"\/")


def dotnet(text: str) -> str:
    return text.replace("+", r"\u002B").replace("=", r"\u003D")


def everything(text: str) -> str:
    return "".join(rf"\u{ord(each):04x}" for each in text)


def wrapped(text: str) -> str:
    return r"\n".join(text[at : at + 5] for at in range(0, len(text), 5)) + r"\r\n\t "


def unpadded(text: str) -> str:
    return text.rstrip("=")


ESCAPINGS = (unescaped, solidus, dotnet, everything, wrapped, unpadded)
KEYS = ("b64_json", r"b64\u005fjson", r"\u0062\u0036\u0034\u005f\u006a\u0073\u006f\u006e")

pictures = st.lists(st.binary(max_size=200), min_size=1, max_size=4)
sizes = st.lists(st.integers(1, 70), min_size=1, max_size=20) | st.just([1])
escapings = st.sampled_from(ESCAPINGS)
texts = st.text() | st.sampled_from(
    ["b64_json", '"b64_json":"AAAA"', '\\"b64_json\\":', "\\", "data: x", "#0", '{"b64_json"']
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts.filter(lambda key: key != "b64_json"), inner, max_size=3)
    ),
    max_leaves=8,
)


def written(picture: bytes, key: str, escape: Callable[[str], str], space: str) -> str:
    return f'"{key}"{space}:{space}"{escape(b64(picture))}"'


@st.composite
def replies(draw: st.DrawFn) -> tuple[list[bytes], bytes, dict[str, Any]]:
    """Return pictures, a reply that holds them in any spelling, and its document, marked."""
    made = draw(pictures)
    items, expected = [], []
    for index, picture in enumerate(made):
        key, space = draw(st.sampled_from(KEYS)), draw(st.sampled_from(["", " ", "\n\t "]))
        prompt = draw(texts)
        member = written(picture, key, draw(escapings), space)
        items.append(f'{{"revised_prompt": {json.dumps(prompt)}, {member}}}')
        expected.append({"revised_prompt": prompt, "b64_json": f"#{index}"})
    before, after = draw(values), draw(values)
    dumped = json.dumps(before, ensure_ascii=draw(st.booleans()))
    reply = f'{{"before":{dumped},"data":[{",".join(items)}],"after":{json.dumps(after)}}}'
    document = {"before": before, "data": expected, "after": after}
    return made, reply.encode("utf-8", "surrogatepass"), document


@settings(deadline=None)  # the machine may be busy
@given(replies(), sizes)
def test_any_picture_in_any_spelling_and_chunking_comes_out(
    reply: tuple[list[bytes], bytes, dict[str, Any]], sizes: list[int]
) -> None:
    made, body, document = reply
    received, envelope = decode(body, JSON, sizes)
    assert received.whole == made
    assert envelope == Envelope(document, len(made))


@settings(deadline=None)  # the machine may be busy
@given(st.data(), pictures, sizes)
def test_any_picture_in_any_event_stream_comes_out(
    data: st.DataObject, made: list[bytes], sizes: list[int]
) -> None:
    escape, prompt, named = data.draw(escapings), data.draw(texts), data.draw(st.booleans())
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    stream = ": keep-alive" + 2 * end + "retry: 5" + end
    for picture in made:
        for kind in ("partial_image", "completed"):
            name = f"image_generation.{kind}"
            stream += f"event: {name}{end}" if named else ""
            stream += f'data: {{"prompt":{json.dumps(prompt)},"type":"{name}",'
            stream += written(picture, "b64_json", escape, "") + ',"usage":{"total":7}}' + 2 * end
    stream += "data: [DONE]" + 2 * end
    received, envelope = decode(stream.encode(), SSE, sizes)
    assert received.whole == made
    assert (received.started, received.dropped) == (len(made), 0)
    assert envelope.pictures == len(made)
    assert envelope.document["usage"] == {"total": 7}
    assert envelope.document["prompt"] == prompt


@settings(deadline=None)  # the machine may be busy
@given(replies(), sizes, st.integers(min_value=0))
def test_a_reply_cut_anywhere_is_broken_and_its_whole_pictures_are_kept(
    reply: tuple[list[bytes], bytes, dict[str, Any]], sizes: list[int], at: int
) -> None:
    made, body, _ = reply
    received = broken(body[: at % len(body)], JSON, sizes)
    assert received.whole == made[: len(received.whole)]


@settings(deadline=None)  # the machine may be busy
@given(pictures, st.integers(min_value=0), sizes, st.booleans())
def test_an_event_stream_cut_before_its_last_picture_ends_is_broken(
    made: list[bytes],
    at: int,
    sizes: list[int],
    named: bool,  # noqa: FBT001 - drawn
) -> None:
    name = "image_generation.completed" if named else None
    events = [event(name, generation("completed", b64_json=b64(p))) for p in made]
    start = len(b"".join(events[:-1]))
    if name:
        start += len(f"event: {name}\ndata: ")  # a name alone is no event: nothing is missing
    else:
        start += len("data: ")
    stream = b"".join(events)
    cut = start + 1 + at % (len(stream) - start - 3)
    received = broken(stream[:cut], SSE, sizes)
    assert received.whole == made[: len(received.whole)]
    assert len(received.whole) >= len(made) - 1


def test_a_reply_cut_at_every_place_is_broken() -> None:
    made = [b"first", b"second"]
    body = as_json({"data": [{"b64_json": b64(each)} for each in made], "usage": {"total": 1}})
    for at in range(len(body)):
        received = broken(body[:at])
        assert received.whole == made[: len(received.whole)]
        assert body[:at].count(b'"}') <= len(received.whole)


def test_the_error_body_of_a_provider_is_an_envelope() -> None:
    body: dict[str, JsonValue]
    body = {"error": {"code": "content_filter", "message": 'the "b64_json" of it', "status": 400}}
    assert decode(as_json(body)) == (Received(), Envelope(body, 0))


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
    assert decode(as_json(document), JSON, [1]) == (Received(), Envelope(document, 0))


def test_pictures_are_found_at_any_depth_and_counted_even_when_the_key_comes_twice() -> None:
    body = b'{"a":[{"b":{"b64_json":"QQ=="}}],"b64_json":"Qg==","b64_json":"Qw=="}'
    received, envelope = decode(body)
    assert received.whole == [b"A", b"B", b"C"]
    assert envelope == Envelope({"a": [{"b": {"b64_json": "#0"}}], "b64_json": "#2"}, 3)


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
    [b"", b"  ", b'{"a":1}x', b'{"a":1}{"b":2}', b'{"a":"\xff"}', b"[" * 100_000, b"{'a':1}"],
)
def test_what_is_no_json_is_broken(body: bytes) -> None:
    broken(body)


def test_json_that_is_no_object_is_refused_and_quoted() -> None:
    with pytest.raises(UnreadableReply, match='no JSON object: "Unauthorized"'):
        decode(b'"Unauthorized"')


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_parameters_and_case_of_the_content_type_do_not_matter(content_type: str) -> None:
    assert decode(b"{}", content_type)[1] == Envelope({}, 0)


def test_a_problem_is_json_too() -> None:
    assert decode(b'{"title":"x"}', "application/problem+json")[1].document == {"title": "x"}


def test_another_content_type_is_refused_with_the_start_of_the_body() -> None:
    page = b"<html>\n<h1>502 Bad Gateway</h1>" + b" " * 5_000 + b"end"
    with pytest.raises(UnreadableReply, match=r"text/html.*502 Bad Gateway") as refused:
        decode(page, "text/html; charset=utf-8", [10])
    assert len(str(refused.value)) < 500
    with pytest.raises(UnreadableReply, match=r"of no content type.*nothing"):
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


# Event streams

COMPLETED = generation("completed", b64_json="QQ==", usage={"total_tokens": 9})
PARTIAL = generation("partial_image", b64_json="WlpaWg==", partial_image_index=0)


def test_partial_pictures_are_never_reported() -> None:
    stream = event("image_generation.partial_image", PARTIAL) * 2
    stream += event("image_generation.completed", COMPLETED)
    received, envelope = decode(stream, SSE, [3])
    assert (received.whole, received.started, received.dropped) == ([b"A"], 1, 0)
    assert envelope == Envelope({**COMPLETED, "b64_json": "#0"}, 1)


def test_edits_are_told_as_generations_are() -> None:
    stream = event("image_edit.partial_image", {"b64_json": "Wg=="})
    stream += event("image_edit.completed", {"b64_json": "QQ=="})
    assert decode(stream, SSE)[0].whole == [b"A"]


def test_the_event_line_decides_against_the_type() -> None:
    stream = event("image_generation.partial_image", COMPLETED)
    stream += event("image_generation.completed", {**PARTIAL, "b64_json": "QQ=="})
    assert decode(stream, SSE)[0].whole == [b"A"]


def test_events_of_other_names_do_not_matter() -> None:
    stream = event("keepalive", {"b64_json": "Wg=="}) + b"event: ping\ndata: 12:00\n\n"
    stream += event(None, {"type": "image_generation.queued", "b64_json": "Wg=="})
    stream += event(None, {"status": "working"}) + event("message", COMPLETED)
    received, _ = decode(stream, SSE)
    assert received.whole == [b"A"]
    assert received.dropped == 0


def untold(document: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """Move the picture before the type: an odd server."""
    return {"b64_json": document["b64_json"], **document}


@pytest.mark.parametrize("sizes", [[1], [7], [1000]])
def test_a_picture_told_only_after_it_ends_when_its_event_does(sizes: list[int]) -> None:
    completed, partial = event(None, untold(COMPLETED)), event(None, untold(PARTIAL))
    received, envelope = decode(partial + completed + partial + completed, SSE, sizes)
    assert received.whole == [b"A", b"A"]
    assert (received.started, received.dropped) == (4, 2)
    assert envelope.pictures == 2


def test_a_picture_waits_for_the_end_of_its_event() -> None:
    decoder = ReplyDecoder(SSE)
    stream = event(None, untold(COMPLETED))
    assert decoder.feed(stream[:-1]) == [PictureStarted(0), PictureData(0, b"A")]
    assert decoder.feed(stream[-1:]) == [PictureEnded(0)]


def test_a_draft_that_was_cut_is_dropped_too() -> None:
    stream = b'data: {"b64_json":"Wlpa\nevent: image_generation.partial_image\n\n'
    received, _ = decode(stream + event("image_generation.completed", COMPLETED), SSE, [1])
    assert (received.whole, received.dropped) == ([b"A"], 1)


def test_a_waiting_picture_whose_event_does_not_end_is_broken() -> None:
    received = broken(event(None, untold(COMPLETED))[:-1], SSE)
    assert (received.started, received.whole) == (1, [])


def test_an_event_line_after_its_data_still_decides() -> None:
    data = event(None, {"b64_json": "QQ=="})[:-1]
    stream = data + b"event: image_generation.partial_image\n\n"
    stream += data + b"event: image_generation.completed\n\n"
    received, _ = decode(stream, SSE)
    assert (received.whole, received.dropped) == ([b"A"], 1)


def test_without_any_type_a_picture_counts_unless_it_has_the_index_of_a_partial_one() -> None:
    stream = event(None, {"b64_json": "Wg==", "partial_image_index": 0})
    stream += event(None, {"data": [{"b64_json": "QQ=="}, {"b64_json": "Qg=="}], "usage": {}})
    received, envelope = decode(stream, SSE)
    assert (received.whole, received.dropped) == ([b"A", b"B"], 1)
    assert "usage" in envelope.document


def test_a_type_that_is_no_text_or_within_another_object_tells_nothing() -> None:
    nested = {"meta": {"type": "image_generation.partial_image", "b64_json": "QQ=="}}
    assert decode(event(None, nested), SSE)[0].whole == [b"A"]
    assert decode(event(None, {"type": 5, "b64_json": "QQ=="}), SSE)[0].whole == [b"A"]
    in_a_list = b'data: [{"b64_json":"QQ=="}]\n\n'
    assert broken(in_a_list, SSE).whole == []


def test_two_pictures_in_one_event_are_no_drafts() -> None:
    two = b'data: {"b64_json":"QQ==",\n%bdata: "x":[{"b64_json":"Qg=="}]}\n\n'
    for line, whole in ((b"", 2), (b"event: image_generation.completed\n", 2)):
        received, envelope = decode(two % line, SSE, [1])
        assert (len(received.whole), envelope.pictures) == (whole, 2)
    stream = two % b"event: image_generation.partial_image\n"
    received, _ = decode(stream + event("image_generation.completed", COMPLETED), SSE)
    assert (received.whole, received.dropped) == ([b"A"], 1)


@pytest.mark.parametrize(
    ("stream", "error"),
    [
        (event("error", {"error": {"code": "x"}}), {"code": "x"}),
        (event(None, {"error": {"code": "x"}}), {"code": "x"}),
        (event("error", {"type": "error", "code": "x"}), {"type": "error", "code": "x"}),
        (event(None, {"type": "error", "code": "x"}), {"type": "error", "code": "x"}),
        (event("image_generation.failed", {"error": {"code": "x"}}), {"code": "x"}),
        (b"event: error\ndata: It broke.\n\n", {"message": "It broke."}),
    ],
)
def test_an_error_event_ends_up_in_the_document(stream: bytes, error: dict[str, JsonValue]) -> None:
    assert decode(stream, SSE)[1] == Envelope({"error": error}, 0)


def test_an_error_after_a_picture_stands_beside_it() -> None:
    stream = event("image_generation.completed", COMPLETED) + event("error", {"error": "x"})
    received, envelope = decode(stream, SSE)
    assert received.whole == [b"A"]
    assert envelope.document["error"] == "x"
    assert envelope.document["usage"] == {"total_tokens": 9}


def test_lines_of_data_are_joined_and_a_space_before_them_is_optional() -> None:
    stream = b'\xef\xbb\xbfdata:{"type":"image_generation.completed",\ndata\ndata:\n'
    stream += b'data:  "b64_json":"QQ==",\nevent:image_generation.completed\n'
    stream += b'id: 7\nunknown\ndata: "x":\ndata: 1}\n\n'
    for sizes in ([1], [2], [5], [1000]):
        received, envelope = decode(stream, SSE, sizes)
        assert received.whole == [b"A"]
        assert envelope.document["x"] == 1


def test_a_comment_of_any_length_is_passed_over() -> None:
    stream = b":" + b"data: x" * 10_000 + b"\n" + event("image_generation.completed", COMPLETED)
    assert decode(stream, SSE, [999])[0].whole == [b"A"]


@pytest.mark.parametrize("missing", [1, 2])
def test_the_last_event_counts_without_the_blank_line_after_it(missing: int) -> None:
    stream = event("image_generation.completed", COMPLETED)[:-missing]
    received, envelope = decode(stream, SSE)
    assert (received.whole, envelope.pictures) == ([b"A"], 1)


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        b"data: [DONE]\n\n",
        event("image_generation.partial_image", PARTIAL),
        event("image_generation.partial_image", PARTIAL) + b"data: [DONE]\n\n",
        b"data: nothing\n\n",
        event("image_generation.completed", ["QQ=="]),
    ],
)
def test_a_stream_without_a_completed_event_is_broken(stream: bytes) -> None:
    assert broken(stream, SSE).whole == []


def test_an_empty_chunk_changes_nothing() -> None:
    stream = event("image_generation.completed", COMPLETED, end="\r\n")
    decoder = ReplyDecoder(SSE)
    received = Received()
    for at in range(len(stream)):
        received.take(decoder.feed(stream[at : at + 1]))
        received.take(decoder.feed(b""))
    assert received.whole == [b"A"]
