"""Server-sent events: the same in any chunking, with lines of any ending and any length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.images_api.sse import EventData, EventEnd, EventName, EventStream
from tests.builders.replies import chunks, sizes

#: Name and data of an event.
type Event = tuple[str | None, bytes]


def events(stream: bytes, cuts: list[int] | None = None) -> list[Event]:
    """Every event of a stream; the parts of one may come in any pieces."""
    reader, found = EventStream(), list[Event]()
    name: str | None = None
    data = b""
    parts = [p for chunk in chunks(stream, cuts or [len(stream) + 1]) for p in reader.feed(chunk)]
    for part in [*parts, *reader.finish()]:
        match part:
            case EventName(said):
                name = said
            case EventData(more):
                assert more
                data += more
            case EventEnd():
                if name is not None or data:
                    found.append((name, data))
                name, data = None, b""
    return found


LINES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))


@given(
    st.lists(st.tuples(LINES.filter(bool), st.lists(LINES, min_size=1, max_size=3)), max_size=4),
    st.sampled_from(["\n", "\r\n", "\r"]),
    sizes,
)
def test_events_come_out_as_they_were_written_in_any_chunking(
    written: list[tuple[str, list[str]]], end: str, cuts: list[int]
) -> None:
    stream = "".join(
        f"event: {name}{end}" + "".join(f"data: {line}{end}" for line in lines) + end
        for name, lines in written
    )
    expected = [(name, "\n".join(lines).encode()) for name, lines in written]
    assert events(stream.encode(), cuts) == expected


@given(st.binary(max_size=200), sizes)
def test_any_bytes_are_read_the_same_in_any_chunking(stream: bytes, cuts: list[int]) -> None:
    assert events(stream, cuts) == events(stream)


@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (b"data: a\ndata: b\n\n", [(None, b"a\nb")]),
        (b"data:a\ndata:  b\n\n", [(None, b"a\n b")]),
        (b"data\ndata\n\n", [(None, b"\n")]),
        (b"data: a\nevent:late\n\n", [("late", b"a")]),
        (b"event: x\nevent: y\ndata: a\n\n", [("y", b"a")]),
        (b"event: x\n\ndata: a\n\n", [("x", b""), (None, b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(None, b"a")]),
        (b"id: 7\nretry: 5\nunknown\n: note\ndatum: b\ndata: a\n\n", [(None, b"a")]),
        (b"\n\n\ndata: a\n\n\n\n", [(None, b"a")]),
        (b"data: a\r\rdata: b\r\n\r\n", [(None, b"a"), (None, b"b")]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("cuts", [[1], [2], [5], [1000]])
def test_a_stream_is_read_by_its_grammar(
    stream: bytes, found: list[Event], cuts: list[int]
) -> None:
    assert events(stream, cuts) == found


@pytest.mark.parametrize("stream", [b"data: a", b"data: a\n", b"data: a\n\n", b"data: a\r\n\r"])
def test_the_last_event_counts_without_the_blank_line_after_it(stream: bytes) -> None:
    assert events(stream) == [(None, b"a")]


def test_a_comment_of_any_length_is_passed_over_and_not_kept() -> None:
    reader = EventStream()
    for _ in range(1000):
        assert list(reader.feed(b": data: x" * 100)) == []
    assert len(reader._line) <= 1024
    assert events(b":" + b"data: x" * 10_000 + b"\ndata: a\n\n", [999]) == [(None, b"a")]


def test_data_is_handed_on_before_its_line_ends() -> None:
    assert list(EventStream().feed(b"data: half of a pict")) == [EventData(b"half of a pict")]


def test_an_empty_chunk_changes_nothing() -> None:
    reader = EventStream()
    first = [*reader.feed(b"data: a\r"), *reader.feed(b""), *reader.feed(b"\n")]
    assert first == [EventData(b"a")]
    assert list(reader.feed(b"\r\n")) == [EventEnd()]
