"""What the JSON of a reply says of an error, in the spellings seen; nothing here raises.

What the headers of a reply say to us: how long to wait, and which request it was.
"""

import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import JsonValue

_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]*)\]")
_LONGEST = 1000  # characters of a message that are kept

_LARGEST = 10**9  # a number beyond is no code


def find_error(document: JsonValue) -> Mapping[str, JsonValue]:
    """Return the `error` of a document, empty if it has none."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) else {}


def find_codes(error: Mapping[str, JsonValue]) -> set[str]:
    """Return the error's code and that of the error within it, in lower case."""
    inner = (error.get(name) for name in ("innererror", "inner_error"))
    told = [error, *(each for each in inner if isinstance(each, dict))]
    return {to_text(each.get("code")).lower() for each in told}


def find_categories(document: JsonValue, message: str) -> tuple[str, ...]:
    """Return what was found: in E1's message, and wherever a filter says `filtered`.

    Filters are told by that member, for their results go by many names: `content_filter_result`,
    `content_filter_results`, `prompt_filter_results`, in `innererror`, `inner_error` or an item.
    """
    told = [name.strip() for list_ in _VIOLATIONS.findall(message) for name in list_.split(",")]
    filtered = (
        name
        for name, value in _members(document)
        if isinstance(value, dict) and value.get("filtered") is True
    )
    return tuple(dict.fromkeys(filter(None, map(to_one_line, (*told, *filtered)))))


def has_picture(document: JsonValue) -> bool:
    """Tell whether a picture, or the mark left in its place, is in the document."""
    return any(
        name == "b64_json" and isinstance(value, str) and bool(value)
        for name, value in _members(document)
    )


def find_links(document: JsonValue) -> tuple[str, ...]:
    """Return the addresses of pictures that a document links, in order; none if it has pictures."""
    items = document.get("data") if isinstance(document, dict) else None
    if not isinstance(items, list) or has_picture(document):
        return ()
    urls = (item.get("url") for item in items if isinstance(item, dict))
    return tuple(url for url in urls if isinstance(url, str) and url)


def _members(document: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """Give every member at any depth; no recursion, for the depth is a stranger's."""
    left = deque([document])
    while left:
        at = left.popleft()
        if isinstance(at, dict):
            yield from at.items()
            left.extend(at.values())
        elif isinstance(at, list):
            left.extend(at)


def to_text(value: JsonValue) -> str:
    """Return a text, or a number such as a code written as one; nothing of anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return value if isinstance(value, str) else ""


def to_one_line(text: str) -> str:
    """Give a stranger's text in one line that any JSON or log can hold."""
    return " ".join(text[:_LONGEST].encode(errors="replace").decode().split())


#: Longest wait taken from a reply, in seconds. Azure has been seen to say 86,400 for a quota that
#: counts by the minute; asking again after an hour costs one unpaid call.
LONGEST_WAIT = 3600.0
#: In the order of their use to Azure's support.
_REQUEST_IDS = ("apim-request-id", "x-request-id", "x-ms-request-id")
_LONGEST_ID = 128


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's name for the request, for its support."""
    told = _lower(headers)
    found = (told[name].strip() for name in _REQUEST_IDS if told.get(name, "").strip())
    return next((each[:_LONGEST_ID] for each in found), None)


def read_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, 0 to `LONGEST_WAIT`; None if the reply does not say.

    `retry-after-ms` goes before `retry-after`, which is seconds or a date. A date is measured
    from the reply's own `date`, so that no two clocks are compared, and from `now` without one.
    """
    told = _lower(headers)
    wait = _number(told.get("retry-after-ms", ""))
    if wait is not None:
        return _clamped(wait / 1000)
    text = told.get("retry-after", "")
    wait = _number(text)
    if wait is not None:
        return _clamped(wait)
    then, since = _date(text), _date(told.get("date", "")) or now
    if then is None or since is None:
        return None
    return _clamped((then - since).total_seconds())


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _clamped(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)
