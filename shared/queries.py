"""Query parameters, read: what a caller wants listed, and whether it wants links."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from .entries import read_cursor
from .errors import Fault, UnreadableCursor
from .faults import faults_of
from .fields import shown
from .orders import Action, Order
from .problems import Refused, problem
from .records import JobState
from .settings import Settings
from .statuses import FORMS, ORIGINAL
from .tags import TAG_KEY

#: Jobs of one page: without a word about it, and at most.
PAGE_JOBS: Final = 50
MAX_PAGE_JOBS: Final = 200

#: Parameters of a list, `after` aside.
FILTERS: Final = ("limit", "state", "tag", "links")

#: Parameters of an order.
_OF_AN_ORDER: Final = ("opening", "result", "pictures", "reason")
_TRUTHS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class ListQuery:
    """Which jobs a caller wants listed."""

    after: str | None
    limit: int
    state: JobState | None
    #: A name and its value.
    tag: tuple[str, str] | None


def list_query(query: Mapping[str, str]) -> ListQuery:
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
        raise invalid(faults)
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
    faults.append(Fault("limit", f"{shown(text)} is not allowed; use 1 to {MAX_PAGE_JOBS}"))
    return PAGE_JOBS


def _state(text: str | None, faults: list[Fault]) -> JobState | None:
    if text and text not in set(JobState):
        allowed = ", ".join(JobState)
        faults.append(Fault("state", f"{shown(text)} is not allowed; use one of {allowed}"))
        return None
    return JobState(text) if text else None


def _tag(text: str | None, faults: list[Fault]) -> tuple[str, str] | None:
    if not text:
        return None
    name, _, value = text.partition(":")
    if not re.fullmatch(TAG_KEY, name) or not value:
        faults.append(Fault("tag", f"{shown(text)} is no tag; write it like 'campaign:winter'"))
    return name, value


def wants_links(query: Mapping[str, str], settings: Settings) -> bool:
    """Say whether a caller asks for links to pictures; `Refused` where none are given."""
    asked = query.get("links") or "false"
    if asked not in _TRUTHS:
        raise invalid([Fault("links", f"{shown(asked)} is not allowed; use 'true' or 'false'")])
    if _TRUTHS[asked] and not settings.read_link_seconds:
        raise invalid([Fault("links", "no links are given here; see READ_LINK_SECONDS")])
    return _TRUTHS[asked]


def wanted_form(query: Mapping[str, str]) -> str:
    """Read in which form a caller wants a picture; `Refused` where there is no such form."""
    asked = query.get("as") or ORIGINAL
    if re.fullmatch(FORMS, asked):
        return asked
    said = f"{shown(asked)} is not allowed; use 'original', 'exact', 'thumbnail' or, as 'q80.webp',"
    raise invalid([Fault("as", f"{said} the quality and type of a rendition")])


def order_query(action: Action, job_id: str, query: Mapping[str, str]) -> Order:
    """Read what is to be done to a job; `Refused` with every fault."""
    content = {name: query[name] for name in _OF_AN_ORDER if query.get(name)}
    try:
        return Order.model_validate({"control": action, "job_id": job_id, **content})
    except ValidationError as error:
        raise invalid(faults_of(error)) from error


def invalid(faults: list[Fault]) -> Refused:
    """Return the error of a query with these faults."""
    return Refused(problem("invalid_query", "; ".join(map(str, faults)), faults=faults))
