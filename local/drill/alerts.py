"""The alerts of `infra/modules/alerts.bicep`, and their queries over rows of telemetry.

Only the operators of these queries are known: any other one raises ValueError, so that an alert
that this module would misread is found.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local.drill.monitor import Row
from local.stack.stack import ROOT

BICEP: Final = ROOT / "infra" / "modules" / "alerts.bicep"

_ALERT: Final = re.compile(
    r"name: '(?P<name>[^']+)'\s+text: '(?P<text>[^']+)'\s+query: '(?P<query>[^']+)'\s+"
    r"severity: (?P<severity>\d)\s+threshold: (?P<threshold>\w+)\s+window: '(?P<window>\w+)'"
)
_DESCRIPTION: Final = re.compile(
    r"^ +description: '(?P<text>[^']*\$\{alert\.name\}[^']*)'", re.MULTILINE
)
_WINDOW: Final = re.compile(r"P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?")
_MINUTES: Final = {"days": 1440, "hours": 60, "minutes": 1}

type Columns = Mapping[str, Any]
type Test = Callable[[Columns], bool]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert: it fires while the value of its query exceeds its threshold."""

    name: str
    #: What the operator reads, with the link to the runbook.
    text: str
    query: str
    #: 0 (critical) to 4.
    severity: int
    threshold: float
    #: Minutes of telemetry that the query sees.
    window: int

    def fires(self, rows: Iterable[Row]) -> bool:
        """Return whether it fires for these rows, which are those of its window."""
        value = evaluate(self.query, rows)
        return value is not None and value > self.threshold


def read_alerts(bicep: str, parameters: Mapping[str, float]) -> tuple[Alert, ...]:
    """Return the alerts of a Bicep file; a threshold is a number or the name of a parameter."""
    (description,) = _DESCRIPTION.findall(bicep)
    found = []
    for match in _ALERT.finditer(bicep):
        text = description
        for name in ("text", "name"):
            text = text.replace(f"${{alert.{name}}}", match[name])
        threshold = match["threshold"]
        found.append(
            Alert(
                name=match["name"],
                text=text,
                query=match["query"],
                severity=int(match["severity"]),
                threshold=float(parameters.get(threshold, threshold)),
                window=_read_window(match["window"]),
            )
        )
    return tuple(found)


def _read_window(text: str) -> int:
    """Return the minutes of an ISO 8601 duration."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"window {text!r}: not a duration such as PT15M")
    return sum(int(match[unit] or 0) * minutes for unit, minutes in _MINUTES.items())


def evaluate(query: str, rows: Iterable[Row]) -> float | None:
    """Return the column Value of a query's only row; None where it is null."""
    table, *steps = (part.strip() for part in query.split(" | "))
    found: Sequence[Columns] = [each.columns for each in rows if each.table == table]
    for step in steps:
        verb, _, rest = step.partition(" ")
        found = _STEPS[verb](rest, found) if verb in _STEPS else _refuse(step)
    (last,) = found
    value: float | None = last["Value"]
    return value


def _refuse(text: str) -> Any:  # noqa: ANN401 (it returns nothing)
    raise ValueError(f"{text!r}: not part of the queries of alerts; add it to {__name__}")


def _filter(condition: str, rows: Sequence[Columns]) -> Sequence[Columns]:
    tests = [_read_test(each) for each in condition.split(" and ")]
    return [row for row in rows if all(test(row) for test in tests)]


_STRING: Final = re.compile(r'"([^"]*)"')
_CONDITION: Final = re.compile(
    r'(?P<column>tostring\(Properties\.\w+\)|\w+) (?P<verb>==|!=|in|has) (?P<value>"[^"]*"|\(.+\))'
)


def _read_test(condition: str) -> Test:
    match = _CONDITION.fullmatch(condition)
    if match is None:
        return _refuse(condition)  # type: ignore[no-any-return] # it returns nothing
    column, values = match["column"], _STRING.findall(match["value"])
    match match["verb"]:
        case "==" | "in":
            return lambda row: _read_text(row, column) in values
        case "!=":
            return lambda row: _read_text(row, column) not in values
        case _:  # whole words, in any case of letters
            words = re.compile(rf"\b{re.escape(values[0])}\b", re.IGNORECASE)
            return lambda row: words.search(_read_text(row, column)) is not None


def _read_text(row: Columns, column: str) -> str:
    """Return the text of a column; empty if it is missing, as in KQL."""
    label = re.fullmatch(r"tostring\(Properties\.(\w+)\)", column)
    return str((row["Properties"] if label else row).get(label[1] if label else column, ""))


_AGGREGATE: Final = re.compile(r"(\w+) = (sum|max|count)\((\w*)\)")


def _summarize(aggregate: str, rows: Sequence[Columns]) -> Sequence[Columns]:
    """Return one row, also for no rows: the maximum of none is null."""
    match = _AGGREGATE.fullmatch(aggregate)
    if match is None:
        return _refuse(aggregate)  # type: ignore[no-any-return] # it returns nothing
    name, function, column = match.groups()
    values = [row[column] if column else 1 for row in rows]
    return [{name: max(values, default=None) if function == "max" else sum(values)}]


_IFF: Final = re.compile(r"(\w+) = iff\((\w+) == (\d+), (\d+), (\d+)\)")


def _project(column: str, rows: Sequence[Columns]) -> Sequence[Columns]:
    match = _IFF.fullmatch(column)
    if match is None:
        return _refuse(column)  # type: ignore[no-any-return] # it returns nothing
    name, other, number, then, otherwise = match.groups()
    return [{name: int(then if row[other] == int(number) else otherwise)} for row in rows]


_STEPS: Final = {"where": _filter, "summarize": _summarize, "project": _project}
