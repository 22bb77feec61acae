"""Query parameters, read: what a caller wants listed, and whether it wants links.

Request headers, read: which versions a caller has, which bytes it wants, what it sends.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from ..config.settings import Settings
from ..errors import Fault, UnreadableCursor
from ..jobs.commands import Action, Command
from ..jobs.fields import quote_value
from ..jobs.tags import TAG_KEY
from ..jobs.validation import validation_faults
from ..records.index_entry import read_cursor
from ..records.record import JobState
from .job_documents import FORMS, ORIGINAL
from .problems import Refused, problem

#: Jobs of one page: without a word about it, and at most.
PAGE_JOBS: Final = 50
MAX_PAGE_JOBS: Final = 200

#: Parameters of a list, `after` aside.
FILTERS: Final = ("limit", "state", "tag", "links")

#: Parameters of an order.
_COMMAND_FIELDS: Final = ("run", "result", "pictures", "reason")
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which jobs a caller wants listed."""

    after: str | None
    limit: int
    state: JobState | None
    #: A name and its value.
    tag: tuple[str, str] | None


def read_list_query(query: Mapping[str, str]) -> ListQuery:
    """Read which jobs a caller wants listed; `Refused` with every fault.

    An empty parameter is one left out: the platform does not tell them apart.
    """
    faults: list[Fault] = []
    wanted = ListQuery(
        after=_after(query.get("after"), faults),
        limit=_limit(query.get("limit"), faults),
        state=_state(query.get("state"), faults),
        tag=_tag(query.get("tag"), faults),
    )
    if faults:
        raise invalid_query(faults)
    return wanted


def _after(text: str | None, faults: list[Fault]) -> str | None:
    if text:
        try:
            read_cursor(text)
        except UnreadableCursor as error:
            faults.append(Fault("after", str(error)))
    return text or None


def _limit(text: str | None, faults: list[Fault]) -> int:
    if not text:
        return PAGE_JOBS
    if re.fullmatch(r"[0-9]{1,6}", text) and 1 <= int(text) <= MAX_PAGE_JOBS:
        return int(text)
    faults.append(Fault("limit", f"{quote_value(text)} is not allowed; use 1 to {MAX_PAGE_JOBS}"))
    return PAGE_JOBS


def _state(text: str | None, faults: list[Fault]) -> JobState | None:
    if text and text not in set(JobState):
        allowed = ", ".join(JobState)
        faults.append(Fault("state", f"{quote_value(text)} is not allowed; use one of {allowed}"))
        return None
    return JobState(text) if text else None


def _tag(text: str | None, faults: list[Fault]) -> tuple[str, str] | None:
    if not text:
        return None
    name, _, value = text.partition(":")
    if not re.fullmatch(TAG_KEY, name) or not value:
        faults.append(
            Fault("tag", f"{quote_value(text)} is no tag; write it like 'campaign:winter'")
        )
    return name, value


def wants_links(query: Mapping[str, str], settings: Settings) -> bool:
    """Say whether a caller asks for links to pictures; `Refused` where none are given."""
    asked = query.get("links") or "false"
    if asked not in _TRUTHS:
        raise invalid_query(
            [Fault("links", f"{quote_value(asked)} is not allowed; use 'true' or 'false'")]
        )
    if _TRUTHS[asked] and not settings.read_link_seconds:
        raise invalid_query([Fault("links", "no links are given here; see READ_LINK_SECONDS")])
    return _TRUTHS[asked]


def read_form(query: Mapping[str, str]) -> str:
    """Read in which form a caller wants a picture; `Refused` where there is no such form."""
    asked = query.get("as") or ORIGINAL
    if re.fullmatch(FORMS, asked):
        return asked
    message = (
        f"{quote_value(asked)} is not allowed; use 'original', 'exact', 'thumbnail', or the "
        "quality and type of a rendition, like 'q80.webp'"
    )
    raise invalid_query([Fault("as", message)])


def read_command_query(action: Action, job_id: str, query: Mapping[str, str]) -> Command:
    """Read what is to be done to a job; `Refused` with every fault."""
    content = {name: query[name] for name in _COMMAND_FIELDS if query.get(name)}
    try:
        return Command.model_validate({"command": action, "job_id": job_id, **content})
    except ValidationError as error:
        raise invalid_query(validation_faults(error)) from error


def invalid_query(faults: list[Fault]) -> Refused:
    """Return the error of a query with these faults."""
    return Refused(problem("invalid_query", "; ".join(map(str, faults)), faults=faults))


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


def matches_version(if_none_match: str | None, version: str) -> bool:
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


def read_byte_range(text: str | None) -> ByteRange | None:
    """Read a `Range` of one part; None for what may be passed over (RFC 9110, 14.2).

    `bytes=-500`, the last bytes, is passed over too: no picture is read from its end.
    """
    found = _RANGE.fullmatch((text or "").replace(" ", ""))
    if not found or not found[1] or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    start, end = int(found[1]), int(found[2]) if found[2] else None
    return None if end is not None and end < start else ByteRange(start, end)
