import pytest
from pydantic import JsonValue

from shared.images_api.decoder import (
    PictureData,
    PictureEnded,
    PictureStarted,
    ReplyDecoder,
    ReplyRest,
)
from shared.images_api.replies import has_picture
from tests.builders.replies import SSE, broken, decode, event, generation

COMPLETED = generation("completed", b64_json="QQ==", usage={"total_tokens": 9})
PARTIAL = generation("partial_image", b64_json="WlpaWg==", partial_image_index=0)


def test_partial_pictures_are_drafts_and_never_results() -> None:
    stream = event("image_generation.partial_image", PARTIAL) * 2
    stream += event("image_generation.completed", COMPLETED)
    received, envelope = decode(stream, SSE, [3])
    assert (received.whole, received.started, received.dropped) == ([b"A"], 1, 0)
    assert received.drafts == [b"ZZZZ", b"ZZZZ"]
    assert envelope == ReplyRest({**COMPLETED, "b64_json": "#0"}, 1)


def test_a_draft_whose_event_ends_within_it_is_spoiled() -> None:
    cut = b'event: image_generation.partial_image\ndata: {"b64_json": "WlpaWg\n\n'
    received, _ = decode(cut + event("image_generation.completed", COMPLETED), SSE)
    assert received.whole == [b"A"]
    assert received.spoiled_drafts == ["The event of a draft ends within it."]


def test_a_draft_that_is_cut_after_the_picture_costs_nothing() -> None:
    partial = event("image_generation.partial_image", PARTIAL)
    received, _ = decode(event("image_generation.completed", COMPLETED) + partial[:-6], SSE)
    assert received.whole == [b"A"]


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
    in_a_list = b'data: [{"type":"image_generation.partial_image","b64_json":"QQ=="}]\n\n'
    assert decode(in_a_list, SSE)[0].whole == [b"A"]


def test_a_spoiled_picture_costs_only_itself_and_words_between_events_cost_nothing() -> None:
    spoiled = event("image_generation.completed", {"b64_json": "!"})
    unnamed = event(None, {"b64_json": "?"})
    alive = b"data: still at work\n\n"
    stream = spoiled + alive + unnamed + event("image_generation.completed", COMPLETED)
    received, rest = decode(stream, SSE, [3])
    assert (received.whole, [*received.spoiled]) == ([b"A"], [0, 1])
    assert rest.pictures == 3


def test_two_pictures_in_one_event_are_no_drafts() -> None:
    two = b'data: {"b64_json":"QQ==",\n%bdata: "x":[{"b64_json":"Qg=="}]}\n\n'
    for line, whole in ((b"", 2), (b"event: image_generation.completed\n", 2)):
        received, envelope = decode(two % line, SSE, [1])
        assert (len(received.whole), envelope.pictures) == (whole, 2)
    stream = two % b"event: image_generation.partial_image\n"
    received, _ = decode(stream + event("image_generation.completed", COMPLETED), SSE)
    assert (received.whole, received.dropped) == ([b"A"], 1)


@pytest.mark.parametrize(
    "unreadable",
    [
        b'event: image_generation.completed\ndata: {"b64_json":"QQ==",}\n\n',
        b'data: {"b64_json":"QQ==","x":{"b64_json":"QQ==",}}\n\n',
    ],
)
def test_pictures_stay_when_what_is_around_them_is_not_json(unreadable: bytes) -> None:
    received, rest = decode(unreadable + event("image_generation.completed", COMPLETED), SSE)
    assert rest.pictures == len(received.whole)
    assert set(received.whole) == {b"A"}
    alone, rest = decode(unreadable, SSE)
    assert (rest.pictures, has_picture(rest.document)) == (len(alone.whole), True)


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
    assert decode(stream, SSE)[1] == ReplyRest({"error": error}, 0)


def test_an_error_after_a_picture_stands_beside_it() -> None:
    stream = event("image_generation.completed", COMPLETED) + event("error", {"error": "x"})
    received, envelope = decode(stream, SSE)
    assert received.whole == [b"A"]
    assert envelope.document["error"] == "x"
    assert envelope.document["usage"] == {"total_tokens": 9}


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
    ],
)
def test_a_stream_without_a_completed_event_is_broken(stream: bytes) -> None:
    assert broken(stream, SSE).whole == []
