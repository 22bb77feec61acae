"""Query parameters, read: what a caller wants listed, and whether it wants links."""

from collections.abc import Mapping
from typing import Final

from .errors import Fault
from .fields import shown
from .problems import Refused, problem
from .settings import Settings

_TRUTHS: Final = {"true": True, "1": True, "false": False, "0": False}


def wants_links(query: Mapping[str, str], settings: Settings) -> bool:
    """Say whether a caller asks for links to pictures; `Refused` where none are given."""
    asked = query.get("links", "false")
    if asked not in _TRUTHS:
        raise invalid([Fault("links", f"{shown(asked)} is not allowed; use 'true' or 'false'")])
    if _TRUTHS[asked] and not settings.read_link_seconds:
        raise invalid([Fault("links", "no links are given here; see READ_LINK_SECONDS")])
    return _TRUTHS[asked]


def invalid(faults: list[Fault]) -> Refused:
    """Return the error of a query with these faults."""
    return Refused(problem("invalid_query", "; ".join(map(str, faults)), faults=faults))
