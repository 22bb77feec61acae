"""From a row of CSV to a job message: one field a column, in the dialect of `docs/batches.md`.

Cells are separated by comma, semicolon or tab. Double quotes surround a cell that holds one of
these, and two quotes stand for one within. The first row names the fields.
"""

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from ..jobs.fields import OPTION_NAME, quote_value, read_option
from ..jobs.job import Job
from ..jobs.tags import TAG_KEY

_DELIMITERS: Final = (",", ";", "\t")
#: Between the parts of a cell that holds a list.
_BETWEEN: Final = "|"
_LISTS: Final = frozenset({"models", "size", "locales", "inputs"})
_WHOLE: Final = frozenset({"n", "compression"})
_NUMBERS: Final = frozenset({"max_cost_usd"})
_JSON: Final = frozenset({"finish", "options"})
#: What can be a column of its own, `tag_campaign` or `option_seed`: the field, and a name in it.
_GROUPS: Final = {"tag_": ("tags", TAG_KEY), "option_": ("options", OPTION_NAME)}
#: Fields that columns can give.
_FIELDS: Final = tuple(name for name in Job.model_fields if name != "tags")


def find_delimiter(header: str) -> str:
    """Return what separates the cells: what the header holds most of."""
    return max(_DELIMITERS, key=header.count)


def split_cells(record: str, delimiter: str) -> list[str]:
    """Return the cells of a row; `ValueError` if its quotes are wrong."""
    try:
        rows = list(csv.reader([record], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise ValueError(f"the row is not valid CSV: {error}") from error
    return rows[0] if rows else []


def read_columns(cells: Sequence[str]) -> tuple[str, ...]:
    """Return the fields that the header names; `ValueError` if a column is not a field."""
    columns = tuple(_column(cell) for cell in cells)
    unknown = [name for name in columns if not _is_known(name)]
    if unknown:
        raise ValueError(
            f"no field of a job is called {', '.join(map(quote_value, unknown))}; a column "
            f"is one of {', '.join(_FIELDS)}, or tag_ and a tag's name, or option_ and an option's"
        )
    if "options" in columns and any(_split(name)[0] == "options" for name in columns):
        raise ValueError("options are in columns of their own and in one called 'options'; use one")
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise ValueError(f"two columns are called {quote_value(twice)}; name each once")
    return columns


def _column(cell: str) -> str:
    name = cell.strip()
    return name.lower() if name.lower() in _FIELDS else name


def _is_known(name: str) -> bool:
    return name in _FIELDS or _split(name)[0] != ""


def _split(name: str) -> tuple[str, str]:
    """Return the field and the name within it of `tag_campaign`; empty for another column."""
    for prefix, (field, pattern) in _GROUPS.items():
        key = name.removeprefix(prefix)
        if key != name and name not in _FIELDS and re.fullmatch(pattern, key):
            return field, key
    return "", ""


def row_message(columns: Sequence[str], cells: Sequence[str]) -> bytes:
    """Return a row as a job message; `ValueError` unless it has a cell for each column.

    An empty cell leaves its field out. Values are validated when the job is read.
    """
    if len(cells) != len(columns):
        raise ValueError(f"the row has {len(cells)} cells and the header {len(columns)}")
    content: dict[str, Any] = {}
    for name, cell in zip(columns, cells, strict=True):
        if not cell.strip():
            continue
        field, key = _split(name)
        if field:
            text = cell.strip()
            content.setdefault(field, {})[key] = read_option(text) if field == "options" else text
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
        return text  # the job's own fault says it: text where an object should be
