import base64
import json
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import UnreadableReply
from shared.images_api.decoder import Base64Stream, ReplyDecoder, ReplyRest
from tests.builders.replies import (
    JSON,
    SSE,
    as_json,
    b64,
    broken,
    decode,
    escapings,
    event,
    generation,
    pictures,
    replies,
    sizes,
    texts,
    written,
)


@given(replies(), sizes)
def test_any_picture_in_any_spelling_and_chunking_comes_out(
    reply: tuple[list[bytes], bytes, dict[str, Any]], sizes: list[int]
) -> None:
    made, body, document = reply
    received, envelope = decode(body, JSON, sizes)
    assert received.whole == made
    assert envelope == ReplyRest(document, len(made))


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
    assert (received.drafts, received.spoiled_drafts) == (made, [])
    assert envelope.pictures == len(made)
    assert envelope.document["usage"] == {"total": 7}
    assert envelope.document["prompt"] == prompt


_DRAFTS = st.binary(max_size=80) | st.sampled_from(
    [b'{"b64_json": "AAAA', b'{"b64_json": "A?AA"}', b'{"b64_json": "A"}', b'{"b64_json": "AAAA"']
).map(lambda text: text * 3)


@given(pictures, st.lists(_DRAFTS, min_size=1, max_size=3), sizes)
@example(made=[b"A"], drafts=[b'{"b64_json": "QUFB"}' + b"x" * 400], sizes=[7])
def test_no_fault_of_a_draft_costs_a_picture(
    made: list[bytes], drafts: list[bytes], sizes: list[int]
) -> None:
    stream = b""
    for picture in made:
        for draft in drafts:
            line = draft.translate(None, b"\r\n")
            stream += b"event: image_generation.partial_image\ndata: " + line + b"\n\n"
        stream += event("image_generation.completed", {"b64_json": b64(picture)})
    received, envelope = decode(stream, SSE, sizes, max_rest_bytes=300)
    whole, _ = decode(stream, SSE, max_rest_bytes=300)
    assert received.whole == made
    assert envelope.pictures == len(made)
    assert received.drafts == whole.drafts
    assert len(received.spoiled_drafts) == len(whole.spoiled_drafts)


@given(replies(), sizes, st.integers(min_value=0))
def test_a_reply_cut_anywhere_is_broken_and_its_whole_pictures_are_kept(
    reply: tuple[list[bytes], bytes, dict[str, Any]], sizes: list[int], at: int
) -> None:
    made, body, _ = reply
    received = broken(body[: at % len(body)], JSON, sizes)
    assert received.whole == made[: len(received.whole)]


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


@given(st.text(st.sampled_from("AQgw+/== \n?-"), max_size=24).map(str.encode), sizes)
@example(text=b"QQ==QQ", sizes=[4, 2])
@example(text=b"QQ== QUFB", sizes=[4, 1, 4])
def test_whether_base64_is_valid_does_not_depend_on_the_chunks(
    text: bytes, sizes: list[int]
) -> None:
    def decode(chunks: Sequence[bytes]) -> bytes | None:
        stream = Base64Stream()
        try:
            return b"".join([*map(stream.feed, chunks), stream.finish()])
        except UnreadableReply:
            return None

    whole, single = decode([text]), decode([bytes([each]) for each in text])
    edges = [*accumulate(sizes, initial=0), max(sum(sizes), len(text))]
    assert decode([text[start:end] for start, end in pairwise(edges)]) == whole == single
    solid = text.translate(bytes.maketrans(b"-_", b"+/"), b" \n")
    try:
        assert whole == base64.b64decode(solid + b"=" * (-len(solid) % 4), validate=True)
    except ValueError:
        assert whole is None


@pytest.mark.parametrize(
    "text",
    [
        "data:image/png,AAAA",
        f"data:{'x' * 300};base64,AAAA",
        "QUFB====QUFB]QUFBQUFBQUFB",
        "QUE=QUFB]QUFB",
        "QQ==]QUFB",
        "QQ]==QUFB",
        "QUFB]QUFBQUF]QUFB==QUFB",
    ],
)
def test_why_a_text_is_no_picture_does_not_depend_on_the_chunks(text: str) -> None:
    reply = as_json({"data": [{"b64_json": text}]})
    whole, _ = decode(reply)
    assert [*whole.spoiled] == [0]
    for size in (1, 2, 3, 7, 64):
        assert decode(reply, sizes=[size])[0].spoiled == whole.spoiled


@pytest.mark.parametrize("blank", [1, 40, 400])
def test_what_is_quoted_of_an_unreadable_reply_does_not_depend_on_the_chunks(blank: int) -> None:
    reply = b" " * blank + b'{"data": [' + b"x, " * 200 + b"]}"
    told = set[str]()
    for size in (1, 7, 1000):
        decoder = ReplyDecoder(JSON)
        for at in range(0, len(reply), size):
            decoder.feed(reply[at : at + size])
        with pytest.raises(UnreadableReply) as caught:
            decoder.finish()
        told.add(str(caught.value))
    assert len(told) == 1


def test_a_data_uri_with_a_wrong_escape_is_no_picture_in_any_chunks() -> None:
    reply = b'{"b64_json": "data:image/png' + rb"\u201c" * 40 + rb'\x;base64,QUFB"}'
    for size in (1, 7, 64, 999):
        assert [*decode(reply, sizes=[size])[0].spoiled] == [0]
