"""Read query parameters and request headers, and who sends them."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import unquote

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
)

from ..config.settings import Settings
from ..errors import Fault, UnreadableCursor
from ..jobs.fields import TAG_KEY, TenantName, quote_value
from ..jobs.validation import limit_faults, validation_faults
from ..records.commands import Action, Command
from ..records.index_entry import JobFilter, read_cursor
from .job_documents import FORMS, ORIGINAL
from .problems import Refused, problem, refused

#: Jobs of one page: the default and the maximum.
PAGE_JOBS: Final = 50
MAX_PAGE_JOBS: Final = 200

#: Parameters of a list, without `after`.
FILTERS: Final = ("limit", *JobFilter.model_fields, "links")

#: Parameters of a command.
_COMMAND_FIELDS: Final = ("run", "result", "pictures", "reason")
_TRUTHS: Final = {"true": True, "false": False}


def _check_cursor(text: str) -> str:
    try:
        read_cursor(text)
    except UnreadableCursor as error:
        raise ValueError(str(error)) from error
    return text


def _split_tag(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    if not re.fullmatch(TAG_KEY, name) or not value:
        raise ValueError(f"{quote_value(text)} is not a tag; write 'campaign:winter'")
    return name, value


#: A function key in the query: the platform reads it.
_KEY: Final = "code"


def check_request(known: Sequence[str], query: Mapping[str, str], body: bytes = b"") -> None:
    """Raise `Refused` for parameters that are not `known`, and for a body where none is read."""
    rule = f"use {' or '.join(known)}" if known else "use none"
    unknown = [name for name in query if name not in known and name != _KEY]
    faults = limit_faults(
        unknown, lambda name: Fault(quote_value(name), f"is not a parameter here; {rule}")
    )
    if body.strip():
        faults.append(Fault("", f"a body of {len(body):,} bytes is not read here; send none"))
    if faults:
        raise invalid_query(faults)


class ListQuery(JobFilter):
    """The jobs that a caller wants to list."""

    after: Annotated[str, AfterValidator(_check_cursor)] | None = None
    limit: int = Field(default=PAGE_JOBS, ge=1, le=MAX_PAGE_JOBS)
    tag: Annotated[tuple[str, str], BeforeValidator(_split_tag)] | None = None


def read_list_query(query: Mapping[str, str]) -> ListQuery:
    """Return the query of a list; `Refused` with every fault."""
    return _read(ListQuery, _given(query, ListQuery.model_fields))


def read_command_query(action: Action, job_id: str, query: Mapping[str, str]) -> Command:
    """Return the command of a request; `Refused` with every fault."""
    return _read(Command, {"command": action, "job_id": job_id, **_given(query, _COMMAND_FIELDS)})


class _Target(BaseModel):
    tenant: TenantName | None = None


def _given(query: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the parameters of these names; the platform can't tell empty from left out."""
    return {name: query[name] for name in names if query.get(name)}


def _read[T: BaseModel](model: type[T], content: Mapping[str, str]) -> T:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise invalid_query(validation_faults(error, model)) from error


def wants_links(query: Mapping[str, str], settings: Settings) -> bool:
    """Return whether a caller requests links to pictures; `Refused` if links are disabled."""
    asked = query.get("links") or "false"
    if asked not in _TRUTHS:
        raise invalid_query(
            [Fault("links", f"{quote_value(asked)} is not allowed; use 'true' or 'false'")]
        )
    if _TRUTHS[asked] and not settings.read_link_seconds:
        raise invalid_query([Fault("links", "links are disabled; set READ_LINK_SECONDS above 0")])
    return _TRUTHS[asked]


def read_form(query: Mapping[str, str]) -> str:
    """Return the form of a picture that a caller requests; `Refused` if there is no such form."""
    asked = query.get("as") or ORIGINAL
    if re.fullmatch(FORMS, asked):
        return asked
    message = (
        f"{quote_value(asked)} is not allowed; use 'original', 'exact', 'thumbnail', 'preview', or "
        "the quality and type of a rendition, like 'q80.webp'"
    )
    raise invalid_query([Fault("as", message)])


def invalid_query(faults: list[Fault]) -> Refused:
    """Return the error of a query with these faults."""
    return Refused(problem("invalid_query", "; ".join(map(str, faults)), faults=faults))


#: Content types of a job. A page of another site can't send them without a CORS preflight, so it
#: can't submit jobs from the browser of a signed-in person.
JSON_TYPES: Final = ("application/json", "application/cloudevents+json")

_ETAG: Final = re.compile(r'(?:W/)?"[^"]*"')
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")
#: No picture needs longer numbers.
_MAX_DIGITS: Final = 15


def is_json(content_type: str | None) -> bool:
    """Return whether a body of this type can contain a job."""
    return read_media_type(content_type) in JSON_TYPES


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Return headers by their names in lower case."""
    return {name.lower(): value for name, value in headers.items()}


def read_media_type(content_type: str | None) -> str:
    """Return a content type without its parameters, in lower case; empty if it is missing."""
    return (content_type or "").partition(";")[0].strip().lower()


def read_event_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes of a binary CloudEvent by its headers; empty if it is not one.

    Values are percent-encoded: CloudEvents HTTP binding 1.0.2, section 3.1.3.2.
    """
    lower = lower_names(headers)
    is_structured = read_media_type(lower.get("content-type")) == JSON_TYPES[1]
    if "ce-specversion" not in lower or is_structured:
        return {}
    return {
        name.removeprefix("ce-"): unquote(value)
        for name, value in lower.items()
        if name.startswith("ce-")
    }


def matches_version(if_none_match: str | None, version: str) -> bool:
    """Return whether `If-None-Match` has this version (RFC 9110: weak comparison)."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    return version.removeprefix("W/") in {
        found.removeprefix("W/") for found in _ETAG.findall(if_none_match)
    }


@dataclass(frozen=True, slots=True)
class ByteRange:
    """The bytes that a caller requests; without an end, as many as the app sends."""

    start: int
    end: int | None


def read_byte_range(text: str | None) -> ByteRange | None:
    """Return a `Range` of one part; None for a range that is ignored (RFC 9110, 14.2).

    `bytes=-500`, the last bytes, is ignored too: pictures are not read from the end.
    """
    found = _RANGE.fullmatch((text or "").replace(" ", ""))
    if not found or not found[1] or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    start, end = int(found[1]), int(found[2]) if found[2] else None
    return None if end is not None and end < start else ByteRange(start, end)


#: The header with a key of `CALLERS`; a function key of the platform has another one.
KEY_HEADER: Final = "x-image-jobs-key"
#: The object id of a signed-in caller, set by the platform: App Service Authentication, "Access
#: user claims in app code" (learn.microsoft.com, 2026). Only a platform that verifies the sign-in
#: removes it from requests of others.
PRINCIPAL_HEADER: Final = "x-ms-client-principal-id"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request; without a tenant, an operator, who may see and do everything."""

    tenant: str | None = None

    def sees(self, tenant: str) -> bool:
        """Return whether jobs and batches of a tenant exist for this caller."""
        return self.tenant in {None, tenant}


def identify_caller(headers: Mapping[str, str], settings: Settings) -> Caller:
    """Return who sends a request; raise `Refused` for nobody in `CALLERS`.

    Without `CALLERS`, callers are not told apart: each one is an operator.
    """
    if not settings.callers:
        return Caller()
    lower = lower_names(headers)
    principal = lower.get(PRINCIPAL_HEADER, "") if settings.trust_sign_in else ""
    given = {"sha256": hash_key(lower.get(KEY_HEADER, "")), "principal": principal}
    found: Caller | None = None
    for entry in settings.callers:  # to the end: the time tells nothing of the keys
        kind = "sha256" if entry.sha256 else "principal"
        expected = (entry.sha256 or entry.principal or "").encode()
        if hmac.compare_digest(expected, given[kind].encode()):
            found = Caller(entry.tenant)
    if found is None:
        raise refused("unknown_caller", f"send a key of this app in the header {KEY_HEADER}")
    return found


def hash_key(key: str) -> str:
    """Return the SHA-256 of a key, as `CALLERS` has it; random keys need no slow hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read_tenant(query: Mapping[str, str], caller: Caller) -> str | None:
    """Return the tenant of all jobs of a request: the caller's own, or one that an operator names.

    Raises `Refused` for a caller that names another tenant than its own.
    """
    named = _read(_Target, _given(query, ("tenant",))).tenant
    if named is None or caller.sees(named):
        return named or caller.tenant
    rule = f"use {caller.tenant!r}, or leave it out"
    raise refused("not_allowed", f"tenant: {named!r} is not yours; {rule}")
