"""Request headers, read: which versions a caller has, which bytes it wants, what it sends."""

import re
from dataclasses import dataclass
from typing import Final

#: Types of a body that may hold a job. A web page of another site can send none of them without
#: being asked whether it may, so that a signed-in browser cannot be made to order pictures.
JSON_TYPES: Final = ("application/json", "application/cloudevents+json")

_ETAG: Final = re.compile(r'(?:W/)?"[^"]*"')
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
#: Longer numbers are of no picture.
_MAX_DIGITS: Final = 15


def is_json(content_type: str | None) -> bool:
    """Say whether a body of this type may hold a job."""
    return (content_type or "").partition(";")[0].strip().lower() in JSON_TYPES


def has_version(if_none_match: str | None, version: str) -> bool:
    """Say whether a caller's `If-None-Match` names this version (RFC 9110: compared weakly)."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    return version.removeprefix("W/") in {
        found.removeprefix("W/") for found in _ETAG.findall(if_none_match)
    }


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes a caller asks for; without an end, as many as it is given."""

    start: int
    end: int | None


def byte_range(text: str | None) -> ByteRange | None:
    """Read a `Range` of one part; None for what may be passed over (RFC 9110, 14.2).

    `bytes=-500`, the last bytes, is passed over too: no picture is read from its end.
    """
    found = _RANGE.fullmatch((text or "").replace(" ", ""))
    if not found or not found[1] or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    start, end = int(found[1]), int(found[2]) if found[2] else None
    return None if end is not None and end < start else ByteRange(start, end)
