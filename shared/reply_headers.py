"""What the headers of a reply say to us: how long to wait, and which request it was."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: Longest wait taken from a reply, in seconds. Azure has been seen to say 86,400 for a quota that
#: counts by the minute; asking again after an hour costs one unpaid call.
LONGEST_WAIT = 3600.0
#: In the order of their use to Azure's support.
_REQUEST_IDS = ("apim-request-id", "x-request-id", "x-ms-request-id")
_LONGEST_ID = 128


def request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's name for the request, for its support."""
    told = _lower(headers)
    found = (told[name].strip() for name in _REQUEST_IDS if told.get(name, "").strip())
    return next((each[:_LONGEST_ID] for each in found), None)


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
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
