"""Find the entries of a manifest in its bytes, as they arrive: JSON, JSONL or CSV.

Reading takes no I/O and little memory, and can go on from any entry in another process.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from ..errors import Fault, InvalidJob, MalformedMessage
from ..jobs.text import find_encoding
from .csv_rows import (
    NEVER_CLOSED,
    find_delimiter,
    find_template,
    read_columns,
    read_separator,
    row_message,
    split_row,
)
from .entries import MAX_ENTRY_BYTES, TOO_LONG, EntryBuffer, FileFault, ManifestEntry, ReadingState
from .manifest import Format

#: Jobs of a list over HTTP: as many as one request can accept while its caller waits.
MAX_JOBS: Final = 100
#: Bytes of a list over HTTP.
MAX_LIST_BYTES: Final = 1 << 20

_SPACE: Final = b" \t\r\n"
#: A string, or a character of structure; a lone quote begins a string whose end is not there yet.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{},"]', re.DOTALL)
_COMMA, _BRACKET = b",", b"]"


def _json_entries(buffer: EntryBuffer) -> Iterator[ManifestEntry]:
    """Yield each element of the list, or the one job that the file is."""
    if buffer.state.phase == "start":
        yield from _enter_list(buffer)
    while buffer.state.phase == "inside":
        found = _find_end(buffer.data)
        if found is None:
            yield from _wait_for_end(buffer)
            return
        mark, at = found
        body = bytes(buffer.data[:at])
        if mark == _BRACKET:
            yield from _leave_list(buffer, body, at + 1)
        else:
            yield _element(buffer, body, at + 1)
    if buffer.state.phase == "after":
        _skip_space(buffer)
        if buffer.data:
            buffer.stop("there is more after the list; a file holds one list or one job")


def _enter_list(buffer: EntryBuffer) -> Iterator[ManifestEntry]:
    """Step into the list; a file that is not a list is one entry, once it is complete."""
    _skip_space(buffer)
    if buffer.data.startswith(b"["):
        buffer.skip(1)
        buffer.update(phase="inside")
    elif buffer.data and (buffer.is_last or len(buffer.data) > MAX_ENTRY_BYTES):
        whole = bytes(buffer.data)
        yield buffer.entry(len(whole), whole.strip())
        buffer.update(phase="end")


def _leave_list(buffer: EntryBuffer, body: bytes, size: int) -> Iterator[ManifestEntry]:
    """Step out of the list before its last element is yielded: reading may stop there."""
    last = _element(buffer, body, size) if body.strip() else None
    if last is None:
        buffer.skip(size)
    buffer.update(phase="after")
    if last:
        yield last


def _wait_for_end(buffer: EntryBuffer) -> Iterator[ManifestEntry]:
    """Wait for more bytes of an element; stop at the end, or when there are too many."""
    if buffer.is_last:
        if buffer.data.strip():
            yield _element(buffer, bytes(buffer.data), len(buffer.data))
        buffer.stop("the list is not closed: the file ends before its ]")
    elif len(buffer.data) > MAX_ENTRY_BYTES:
        buffer.stop(f"{TOO_LONG}; nothing from here on was read")


def _find_end(data: bytearray) -> tuple[bytes, int] | None:
    """Return the mark that ends the next element, and its place; None if it is not there yet."""
    depth = 0
    for token in _TOKEN.finditer(data):
        mark = token.group()
        if mark == b'"':
            return None
        if mark in {b"[", b"{"}:
            depth += 1
        elif mark in {_BRACKET, b"}"} and depth:
            depth -= 1
        elif mark == _BRACKET or (mark == _COMMA and not depth):
            return mark, token.start()
    return None


def _element(buffer: EntryBuffer, body: bytes, size: int) -> ManifestEntry:
    before = len(body) - len(body.lstrip(_SPACE))
    line = buffer.state.line + body.count(b"\n", 0, before)
    return buffer.entry(size, body.strip(), line=line)


def _skip_space(buffer: EntryBuffer) -> None:
    buffer.skip(len(buffer.data) - len(buffer.data.lstrip(_SPACE)))


def _lines(buffer: EntryBuffer) -> Iterator[ManifestEntry]:
    """Yield each line of JSONL that is not blank."""
    while (line := buffer.line()) is not None:
        if buffer.is_cut or line.strip():
            yield buffer.entry(len(line), line.strip())
        else:
            buffer.skip(len(line))


def _rows(buffer: EntryBuffer) -> Iterator[ManifestEntry]:
    """Yield each row of CSV after the first one, which names the columns."""
    while buffer.state.phase != "end" and (row := _next_row(buffer)):
        if not (row.fault or any(map(str.strip, row.cells))):
            buffer.skip(row.size)
        elif buffer.state.columns:
            yield _row_entry(buffer, row)
        else:
            _read_header(buffer, row)


@dataclass(frozen=True, slots=True)
class _Row:
    """The bytes that a row takes, and its cells or what is wrong with it."""

    size: int
    cells: Sequence[str] = ()
    fault: str = ""


def _next_row(buffer: EntryBuffer) -> _Row | None:
    """Return the next row with the line breaks inside its quotes; None while it is not complete.

    A row with wrong quotes is its first line alone: a stray quote spoils one row, not the file.
    """
    line = buffer.line()
    if line is None:
        return None
    if buffer.is_cut or len(line) > MAX_ENTRY_BYTES:
        return _Row(len(line), fault=TOO_LONG.message)
    delimiter = buffer.state.delimiter or find_delimiter(line)
    end = min(len(buffer.data), MAX_ENTRY_BYTES)
    is_last = buffer.is_last and end == len(buffer.data)
    try:
        found = split_row(buffer.data, delimiter, end, is_last=is_last)
    except ValueError as error:
        return _Row(len(line), fault=str(error))
    if found is None:
        return _Row(len(line), fault=NEVER_CLOSED) if end == MAX_ENTRY_BYTES else None
    cells, size = found
    try:
        return _Row(size, [cell.decode() for cell in cells])
    except UnicodeDecodeError:
        return _Row(
            size, fault=f"{_not_text(bytes(buffer.data[:size]))}; save the file as CSV UTF-8"
        )


def _not_text(row: bytes) -> str:
    """Return which byte of the row is not UTF-8."""
    try:
        row.decode()
    except UnicodeDecodeError as error:
        return f"the row is not UTF-8 text: byte {error.start} is 0x{row[error.start]:02x}"
    return "the row is not UTF-8 text"


def _row_entry(buffer: EntryBuffer, row: _Row) -> ManifestEntry:
    if row.fault:
        return buffer.entry(row.size, fault=Fault("", row.fault))
    state = buffer.state
    buffer.update(template=find_template(state.columns, row.cells) or state.template)
    try:
        made = row_message(state.columns, row.cells, state.delimiter, state.template)
    except ValueError as error:
        return buffer.entry(row.size, fault=Fault("", str(error)))
    except InvalidJob as error:
        return buffer.entry(row.size, fault=error.faults[0])
    return buffer.entry(row.size, made)


def _read_header(buffer: EntryBuffer, row: _Row) -> None:
    if row.fault:
        buffer.stop(f"the header can't be read: {row.fault}")
        return
    header = bytes(buffer.data[: row.size])
    known = buffer.state.delimiter
    try:
        separator = None if known else read_separator(header)
        columns = () if separator else read_columns(row.cells)
    except ValueError as error:
        buffer.stop(str(error))
        return
    buffer.skip(row.size)
    buffer.update(columns=columns, delimiter=known or separator or find_delimiter(header))


_READERS: Final = {Format.JSON: _json_entries, Format.JSONL: _lines, Format.CSV: _rows}


class ManifestReader:
    """Read a manifest: `feed` bytes and `take` entries in turn; `end` before the last take.

    After each entry, `state` is where the next one begins: reading can go on from there in another
    process.
    """

    def __init__(self, written: Format, state: ReadingState | None = None) -> None:
        self._find = _READERS[written]
        self._buffer = EntryBuffer(state or ReadingState())

    @property
    def state(self) -> ReadingState:
        """Where the next entry begins."""
        return self._buffer.state

    @property
    def wanted(self) -> int:
        """The offset of the next byte to feed."""
        return self._buffer.wanted

    @property
    def is_over(self) -> bool:
        """Whether there are no more entries, whatever is fed."""
        at_end = self._buffer.is_last and not (self._buffer.data or self._buffer.raw)
        return self.state.phase == "end" or (at_end and self.state.phase != "inside")

    @property
    def faults(self) -> tuple[FileFault, ...]:
        """What is wrong with the file as a whole."""
        return tuple(self._buffer.faults)

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the file."""
        self._buffer.raw += data

    def end(self) -> None:
        """Note that the file has no more bytes."""
        self._buffer.is_last = True

    def take(self) -> Iterator[ManifestEntry]:
        """Yield every complete entry; a new call goes on after the last one."""
        self._buffer.decode()
        yield from self._find(self._buffer)


def read_list(body: bytes) -> list[ManifestEntry]:
    """Return the entries of a list that came over HTTP; `MalformedMessage` if it is not one."""
    encoding, mark = find_encoding(body)
    if not body[mark:].decode(encoding, "replace").lstrip().startswith("["):
        raise _malformed("the body is not a JSON list of jobs: it does not begin with '['")
    reader = ManifestReader(Format.JSON)
    reader.feed(body)
    reader.end()
    entries = list(islice(reader.take(), MAX_JOBS + 1))
    if len(entries) > MAX_JOBS:
        raise _malformed(f"the list holds more than {MAX_JOBS} jobs; split it")
    if reader.faults:
        raise _malformed("; ".join(map(str, reader.faults)))
    if not entries:
        raise _malformed("the list holds no job")
    return entries


def _malformed(message: str) -> MalformedMessage:
    return MalformedMessage([Fault("", message)])
