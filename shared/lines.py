"""Entries that are lines: JSONL, and the rows of CSV."""

from collections.abc import Iterator

from .csv_rows import cells_of, columns_of, delimiter_of, message_of
from .errors import Fault
from .manifest_entries import MAX_ENTRY_BYTES, ManifestEntry, Pending


def lines(pending: Pending) -> Iterator[ManifestEntry]:
    """Yield each line of JSONL that is not blank."""
    while (line := pending.line()) is not None:
        if pending.is_cut or line.strip():
            yield pending.entry(len(line), line.strip())
        else:
            pending.skip(len(line))


def rows(pending: Pending) -> Iterator[ManifestEntry]:
    """Yield each row of CSV; the first one names the columns and is no entry."""
    while pending.state.phase != "end" and (record := _record(pending)) is not None:
        if pending.is_cut:
            yield pending.entry(len(record))
        elif not record.strip(f" \r\n{pending.state.delimiter}".encode()):
            pending.skip(len(record))
        elif pending.state.columns:
            yield _row(pending, record)
        else:
            _read_header(pending, record)


def _record(pending: Pending) -> bytes | None:
    """Return the next row, line breaks within quotes included; None while it is not all there.

    A row is at its end where its quotes are even. Where they never are, its first line alone is
    taken for it: a stray quote spoils one row and not the file.
    """
    first: bytes | None = None
    size = quotes = 0
    while size <= MAX_ENTRY_BYTES:
        line = pending.line(size)
        if line is None:
            return first if pending.is_last else None
        first = first or line
        size += len(line)
        quotes += line.count(b'"')
        if quotes % 2 == 0 or pending.is_cut:
            return bytes(pending.data[:size])
    return first


def _row(pending: Pending, record: bytes) -> ManifestEntry:
    state = pending.state
    try:
        made = message_of(state.columns, cells_of(_text(record), state.delimiter))
    except ValueError as error:
        return pending.entry(len(record), fault=Fault("", str(error)))
    return pending.entry(len(record), made)


def _read_header(pending: Pending, record: bytes) -> None:
    try:
        text = _text(record)
        delimiter = delimiter_of(text)
        columns = columns_of(cells_of(text, delimiter))
    except ValueError as error:
        pending.stop(str(error))
        return
    pending.skip(len(record))
    pending.go(columns=columns, delimiter=delimiter)


def _text(record: bytes) -> str:
    """Return a row as text; `ValueError` says why it is none."""
    try:
        text = record.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"the row is no UTF-8 text: its byte {error.start} is none") from error
    if text.count('"') % 2:
        raise ValueError("a quote that opens in this row is never closed")
    return text
