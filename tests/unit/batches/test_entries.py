"""The bytes that belong to no entry yet, and where reading stands before them."""

from shared.batches.entries import MAX_ENTRY_BYTES, TOO_LONG, EntryBuffer, ReadingState


def buffer(data: bytes, *, is_last: bool = False) -> EntryBuffer:
    return EntryBuffer(ReadingState(), bytearray(data), is_last=is_last)


def test_a_line_is_returned_once_its_end_is_there() -> None:
    pending = buffer(b"one\ntwo")
    assert pending.line() == b"one\n"
    pending.skip(4)
    assert pending.line() is None
    pending.is_last = True
    assert pending.line() == b"two"
    pending.skip(3)
    assert pending.line() is None


def test_an_entry_moves_the_state_behind_it() -> None:
    pending = buffer(b"a\n\nb\n")
    first, second = pending.entry(3, b"a"), pending.entry(2, b"b")
    assert [(each.number, each.line, each.body) for each in (first, second)] == [
        (1, 1, b"a"),
        (2, 3, b"b"),
    ]
    assert pending.state == ReadingState(offset=5, line=4, entries=2)
    assert pending.data == b""


def test_a_line_that_is_too_long_is_dropped_and_becomes_one_entry_with_a_fault() -> None:
    pending = buffer(b"x" * (MAX_ENTRY_BYTES + 10))
    assert pending.line() is None
    assert (pending.is_cut, len(pending.data)) == (True, 1)
    pending.data += b"y\nz\n"
    line = pending.line()
    assert line == b"xy\n"
    assert pending.entry(len(line)).fault == TOO_LONG
    assert not pending.is_cut
    assert pending.line() == b"z\n"


def test_reading_that_stops_says_where_in_a_few_words() -> None:
    pending = buffer(b"\n\n")
    pending.skip(2)
    pending.stop("x" * 5_000)
    (fault,) = pending.faults
    assert (fault.line, len(fault.message) <= 400) == (3, True)
    assert pending.state.phase == "end"
