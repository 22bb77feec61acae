"""From a row of CSV to a job message: one field a column, in the dialect of `docs/batches.md`.

RFC 4180, and what Excel and pandas write: commas, semicolons or tabs, a line `sep=;` above the
header, empty columns at the end, `2.0` for whole numbers, and decimal commas between semicolons.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from ..errors import Fault, InvalidJob
from ..jobs.fields import (
    MAX_PROMPT_CHARACTERS,
    OPTION_NAME,
    TAG_KEY,
    VARIABLE_NAME,
    quote_value,
    read_option,
)
from ..jobs.job import Job
from ..jobs.text import parse_json

_DELIMITERS: Final = (",", ";", "\t")
#: Every field, and a tag a column.
MAX_COLUMNS: Final = 256
#: Names that a message lists.
_MAX_LISTED: Final = 5
#: Between the parts of a cell that holds a list.
_BETWEEN: Final = "|"
_LISTS: Final = frozenset({"models", "size", "locales", "inputs"})
_NUMBERS: Final = frozenset({"n", "compression", "previews", "max_cost_usd"})
#: Up to the digits of a float, and small ones as pandas and Excel write them: `1e-05`.
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,308}(\.[0-9]{0,20})?([eE]-[0-9]{1,2})?")
_JSON: Final = frozenset({"finish", "options"})
#: What can be a column of its own, such as `tag_campaign`: the field, and a name in it.
_GROUPS: Final = {
    "tag_": ("tags", TAG_KEY),
    "option_": ("options", OPTION_NAME),
    "variable_": ("variables", VARIABLE_NAME),
}
#: Fields that columns can give.
_FIELDS: Final = tuple(name for name in Job.model_fields if name not in {"tags", "variables"})
#: The column whose cell is the template of its row and of those below, until the next cell.
_BATCH_TEMPLATE: Final = "prompt_template"
#: Cells whose spaces count.
_PROMPTS: Final = frozenset({"prompt", "template", _BATCH_TEMPLATE})

NEVER_CLOSED: Final = "a quote that opens a cell in this row is never closed"
#: A cell without quotes around it; a quote inside is a character like any other.
_PLAIN: Final = {mark: re.compile(rf"[^{mark}\r\n]*+".encode()) for mark in _DELIMITERS}
_QUOTED: Final = re.compile(rb'(?:[^"]++|"")*+', re.DOTALL)
_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


def find_delimiter(header: bytes) -> str:
    """Return what separates the cells: what the header holds most of."""
    return max(_DELIMITERS, key=lambda mark: header.count(mark.encode()))


def read_separator(line: bytes) -> str | None:
    """Return what the line `sep=;` of Excel names; None if it is not such a line."""
    found = re.fullmatch(rb'"?sep=(.)"?', line.strip(b" \r\n"), re.IGNORECASE)
    if found is None:
        return None
    separator = found[1].decode(errors="replace")
    if separator not in _DELIMITERS:
        raise ValueError(f"sep={separator} is not supported; use a comma, a semicolon or a tab")
    return separator


def split_row(
    data: bytes | bytearray, delimiter: str, end: int, *, is_last: bool
) -> tuple[list[bytes], int] | None:
    """Return the cells of the first row, and its length with its line end.

    A quote opens a cell only at its start. Only the bytes before `end` are read; None if the row
    may go on behind them, which it can't with `is_last`. Raises `ValueError` for wrong quotes.
    """
    cells, at, mark = list[bytes](), 0, delimiter.encode()
    while True:
        quoted = data[at : at + 1] == b'"'
        at += quoted
        inside = (_QUOTED if quoted else _PLAIN[delimiter]).match(data, at, end)
        cell = inside[0] if inside else b""
        at += len(cell)
        if quoted:
            if at < end:
                at += 1
            elif is_last:
                raise ValueError(NEVER_CLOSED)
            cell = cell.replace(b'""', b'"')
        cells.append(bytes(cell))
        line_end = _LINE_END.match(data, at, end)
        if line_end or at == end:
            return (cells, line_end.end() if line_end else at) if line_end or is_last else None
        if data[at : at + 1] != mark:
            raise ValueError(
                "text follows a closing quote; inside a quoted cell, write each quote twice"
            )
        at += 1


def read_columns(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the fields that the header names, "" for a column without a name.

    Raises `ValueError` if a column is not a field. Nameless columns at the end are left out.
    """
    columns = [_column(cell) for cell in cells]
    while columns and not columns[-1]:
        columns.pop()
    if len(columns) > MAX_COLUMNS:
        raise ValueError(f"there are {len(columns):,} columns; at most {MAX_COLUMNS} are allowed")
    unknown = [name for name in columns if name and not _is_known(name)]
    if unknown:
        more = f" and {len(unknown) - _MAX_LISTED} more" if len(unknown) > _MAX_LISTED else ""
        raise ValueError(
            f"no field of a job is called {', '.join(map(quote_value, unknown[:_MAX_LISTED]))}"
            f"{more}; a column is one of {', '.join(_FIELDS)}, {_BATCH_TEMPLATE}, or tag_ and a "
            "tag's name, or option_ and an option's, or variable_ and a variable's"
        )
    if {"template", _BATCH_TEMPLATE} <= {*columns}:
        raise ValueError("there are columns called 'template' and 'prompt_template'; use one")
    if "options" in columns and any(_split(name)[0] == "options" for name in columns):
        raise ValueError("options are in columns of their own and in one called 'options'; use one")
    seen = set[str]()
    for name in filter(None, columns):
        if name in seen:
            raise ValueError(f"two columns are called {quote_value(name)}; name each once")
        seen.add(name)
    return tuple(columns)


def _column(cell: str) -> str:
    name = cell.strip()
    return name.lower() if _is_field(name.lower()) else name


def _is_known(name: str) -> bool:
    return _is_field(name) or _split(name)[0] != ""


def _is_field(name: str) -> bool:
    return name in _FIELDS or name == _BATCH_TEMPLATE


def _split(name: str) -> tuple[str, str]:
    """Return the field and the name within it of `tag_campaign`; empty for another column."""
    for prefix, (field, pattern) in _GROUPS.items():
        key = name.removeprefix(prefix)
        if key != name and name not in _FIELDS and re.fullmatch(pattern, key):
            return field, key
    return "", ""


def find_template(columns: Sequence[str], cells: Sequence[str]) -> str | None:
    """Return the template that a row gives to itself and to the rows below, if it gives one."""
    given = dict(zip(columns, cells, strict=False)).get(_BATCH_TEMPLATE, "")
    return given if given.strip() and len(given) <= MAX_PROMPT_CHARACTERS else None


def row_message(
    columns: Sequence[str], cells: Sequence[str], delimiter: str = ",", template: str = ""
) -> bytes:
    """Return a row as a job message; `ValueError` unless it has a cell for each column.

    An empty cell leaves its field out. `template` is the one of a row above. Values are validated
    when the job is read, except JSON, which raises `InvalidJob`.
    """
    width = len(columns)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        told = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
        raise ValueError(f"the row has {told} and the header {width}")
    members, groups = dict[str, str](), dict[str, dict[str, Any]]()
    if template:
        members["template"] = json.dumps(template, ensure_ascii=False)
    for place, (name, cell) in enumerate(zip(columns, cells, strict=False), start=1):
        if not cell.strip():
            continue
        if not name:
            raise ValueError(f"cell {place} has a value, and its column has no name in the header")
        field, key = _split(name)
        if field:
            text = cell.strip()
            groups.setdefault(field, {})[key] = read_option(text) if field == "options" else text
        else:
            field = "template" if name == _BATCH_TEMPLATE else name
            members[field] = _json_text(name, cell, delimiter)
    for name, group in groups.items():
        members[name] = json.dumps(group, ensure_ascii=False)
    inside = ", ".join(f'"{name}": {text}' for name, text in members.items())
    return f"{{{inside}}}".encode()


def _json_text(name: str, cell: str, delimiter: str) -> str:
    """Return the value of a cell as JSON text."""
    text = cell if name in _PROMPTS else cell.strip()
    if name in _NUMBERS:
        return _number(text, delimiter) or json.dumps(text, ensure_ascii=False)
    if name in _JSON:
        try:
            parse_json(text)
        except ValueError as error:
            raise InvalidJob([Fault(name, f"is not valid JSON: {error}")]) from None
        return text  # as it stands: names that it has twice are found when the job is read
    if name in _LISTS and (_BETWEEN in text or name != "size"):
        return json.dumps([part.strip() for part in text.split(_BETWEEN)], ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False)


def _number(text: str, delimiter: str) -> str | None:
    """Return a number as JSON has it, whole if it is whole; None if the text is not a number."""
    if delimiter != ",":
        text = text.replace(",", ".", 1)
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    if found.lastindex is None:
        return str(int(text))
    value = float(text)
    return str(int(value)) if value.is_integer() else repr(value)
