"""From a row of CSV to a job message: a column a field, in the dialect of `docs/batches.md`.

Comma, semicolon or tab between cells, double quotes around those that hold one, two for a quote
within; the first row names the fields.
"""

import csv
import json
import re
from collections.abc import Sequence
from typing import Any, Final

from .fields import shown
from .jobs import Job
from .tags import TAG_KEY

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
            f"no field of a job is called {', '.join(shown(name) for name in unknown)}; a column "
            f"is one of {', '.join(_FIELDS)}, or {_TAG} and a tag's name"
        )
    if twice := next((name for name in columns if columns.count(name) > 1), None):
        raise ValueError(f"two columns are called {shown(twice)}; name each once")
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
