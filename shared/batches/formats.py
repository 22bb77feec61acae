"""Entries that are elements of a JSON list, found without parsing the whole.

From a row of CSV to a job message: a column a field, in the dialect of `docs/batches.md`.

Comma, semicolon or tab between cells, double quotes around those that hold one, two for a quote
within; the first row names the fields.

Entries that are lines: JSONL, and the rows of CSV.
"""

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import Fault
from ..jobs.fields import quote_value
from ..jobs.job import Job
from ..jobs.tags import TAG_KEY
from .entries import MAX_ENTRY_BYTES, TOO_LONG, EntryBuffer, ManifestEntry

_SPACE: Final = b" \t\r\n"
#: A whole text, or a mark of structure; a quote alone opens a text that is not all there.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"|[][{},"]', re.DOTALL)
_COMMA, _BRACKET = b",", b"]"


def elements(pending: EntryBuffer) -> Iterator[ManifestEntry]:
    """Yield each element of the list, or the one job that the file is."""
    if pending.state.phase == "start":
        yield from _begun(pending)
    scan = _Scan()
    while pending.state.phase == "inside":
        found = scan.find(pending.data)
        if found is None:
            yield from _unfinished(pending)
            return
        mark, at = found
        body = bytes(pending.data[:at])
        if mark == _BRACKET:
            yield from _ended(pending, body, at + 1)
        else:
            yield _element(pending, body, at + 1)
        scan = _Scan()
    if pending.state.phase == "after":
        _pass_space(pending)
        if pending.data:
            pending.stop("something stands after the list; a file holds one list or one job")


def _begun(pending: EntryBuffer) -> Iterator[ManifestEntry]:
    """Step into the list; a file that is no list is one entry, once it is all there."""
    _pass_space(pending)
    if pending.data.startswith(b"["):
        pending.skip(1)
        pending.go(phase="inside")
    elif pending.data and (pending.is_last or len(pending.data) > MAX_ENTRY_BYTES):
        whole = bytes(pending.data)
        yield pending.entry(len(whole), whole.strip())
        pending.go(phase="end")


def _ended(pending: EntryBuffer, body: bytes, size: int) -> Iterator[ManifestEntry]:
    """Step out of the list, then yield its last element: whoever stops there is out of it."""
    last = _element(pending, body, size) if body.strip() else None
    if last is None:
        pending.skip(size)
    pending.go(phase="after")
    if last:
        yield last


def _unfinished(pending: EntryBuffer) -> Iterator[ManifestEntry]:
    """Tell of a list that has no end, or of an element that is too long to wait for."""
    if pending.is_last:
        if pending.data.strip():
            yield _element(pending, bytes(pending.data), len(pending.data))
        pending.stop("the list is not closed: the file ends before its ]")
    elif len(pending.data) > MAX_ENTRY_BYTES:
        pending.stop(f"{TOO_LONG}; nothing from here on was read")


def _element(pending: EntryBuffer, body: bytes, size: int) -> ManifestEntry:
    before = len(body) - len(body.lstrip(_SPACE))
    line = pending.state.line + body.count(b"\n", 0, before)
    return pending.entry(size, body.strip(), line=line)


def _pass_space(pending: EntryBuffer) -> None:
    pending.skip(len(pending.data) - len(pending.data.lstrip(_SPACE)))


@dataclass(slots=True)
class _Scan:
    """The search for the end of one element."""

    at: int = 0
    depth: int = 0

    def find(self, searched: bytearray) -> tuple[bytes, int] | None:
        """Return the mark that ends the element, and where it stands; None if it is not there."""
        for token in _TOKEN.finditer(searched, self.at):
            mark = token.group()
            if mark == b'"':
                return None
            if mark in {b"[", b"{"}:
                self.depth += 1
            elif mark in {_BRACKET, b"}"} and self.depth:
                self.depth -= 1
            elif mark == _BRACKET or (mark == _COMMA and not self.depth):
                return mark, token.start()
        return None


_DELIMITERS: Final = (",", ";", "\t")
#: Between the parts of a cell that holds a list.
_BETWEEN: Final = "|"
_LISTS: Final = frozenset({"models", "size", "locales", "inputs"})
_WHOLE: Final = frozenset({"n", "compression"})
_NUMBERS: Final = frozenset({"max_cost_usd"})
_JSON: Final = frozenset({"finish"})
_TAG: Final = "tag_"
#: Fields that columns can give: a tag is a column of its own, `tag_campaign`.
_FIELDS: Final = tuple(name for name in Job.model_fields if name != "tags")


def delimiter_of(header: str) -> str:
    """Return what stands between the cells: what the header holds most of."""
    return max(_DELIMITERS, key=header.count)


def cells_of(record: str, delimiter: str) -> list[str]:
    """Take a record apart; `ValueError` says what is wrong with its quotes."""
    try:
        rows = list(csv.reader([record], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(f"the row is no CSV: {error}") from error
    return rows[0] if rows else []


def columns_of(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the fields that the header names; `ValueError` names every column that is none."""
    columns = tuple(_column(cell) for cell in cells)
    unknown = [name for name in columns if not _is_known(name)]
    if unknown:
        raise ValueError(
            f"no field of a job is called {', '.join(map(quote_value, unknown))}; a column "
            f"is one of {', '.join(_FIELDS)}, or {_TAG} and a tag's name"
        )
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise ValueError(f"two columns are called {quote_value(twice)}; name each once")
    return columns


def _column(cell: str) -> str:
    name = cell.strip()
    return name.lower() if name.lower() in _FIELDS else name


def _is_known(name: str) -> bool:
    tag = name.removeprefix(_TAG)
    return name in _FIELDS or (tag != name and re.fullmatch(TAG_KEY, tag) is not None)


def message_of(columns: Sequence[str], cells: Sequence[str]) -> bytes:
    """Return a row as a job message; `ValueError` unless it has a cell for each column.

    An empty cell leaves its field out. What is wrong with a value is found when the job is read.
    """
    if len(cells) != len(columns):
        raise ValueError(f"the row has {len(cells)} cells and the header {len(columns)}")
    content: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        if not cell.strip():
            continue
        if tag := name.removeprefix(_TAG) if name not in _FIELDS else "":
            content.setdefault("tags", {})[tag] = cell.strip()
        else:
            content[name] = _value(name, cell)
    return json.dumps(content).encode()


def _value(name: str, cell: str) -> Any:  # noqa: ANN401 (what JSON can hold)
    text = cell if name == "prompt" else cell.strip()
    if name in _WHOLE and re.fullmatch(r"-?[0-9]{1,9}", text):
        return int(text)
    if name in _NUMBERS and re.fullmatch(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", text):
        return float(text)
    if name in _JSON:
        return _from_json(text)
    if name in _LISTS and (_BETWEEN in text or name != "size"):
        return [part.strip() for part in text.split(_BETWEEN)]
    return text


def _from_json(text: str) -> Any:  # noqa: ANN401 (what JSON can hold)
    try:
        return json.loads(text)
    except ValueError:
        return text  # then it is told as what it is: text where an object should be


def lines(pending: EntryBuffer) -> Iterator[ManifestEntry]:
    """Yield each line of JSONL that is not blank."""
    while (line := pending.line()) is not None:
        if pending.is_cut or line.strip():
            yield pending.entry(len(line), line.strip())
        else:
            pending.skip(len(line))


def rows(pending: EntryBuffer) -> Iterator[ManifestEntry]:
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


def _record(pending: EntryBuffer) -> bytes | None:
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


def _row(pending: EntryBuffer, record: bytes) -> ManifestEntry:
    state = pending.state
    try:
        made = message_of(state.columns, cells_of(_text(record), state.delimiter))
    except ValueError as error:
        return pending.entry(len(record), fault=Fault("", str(error)))
    return pending.entry(len(record), made)


def _read_header(pending: EntryBuffer, record: bytes) -> None:
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
