"""What a reply or a failure means for the job: ten kinds, and one table of what each implies.

The kinds are those of the images endpoints of Microsoft Foundry. A refusal is recognised by its
code, never by words of its message, with one exception: a resource that is blocked as a whole
answers 403 with the code of every other 403, and only "temporarily blocked" sets it apart.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Literal

from pydantic import JsonValue

from ..errors import CallFailed, NotSent, UnreadableReply
from ..vocabulary import FailureCode
from .replies import (
    find_categories,
    find_codes,
    find_error,
    has_picture,
    read_request_id,
    read_retry_after,
    to_one_line,
    to_text,
)

type Charged = Literal["no", "yes", "unknown"]
type FeedbackKind = Literal["accepted", "throttled", "blocked", "misconfigured", "nothing"]


class OutcomeKind(StrEnum):
    """The kinds of outcome of a paid call."""

    DONE = "done"
    #: 200 without a picture: seen where moderation says nothing.
    NO_IMAGE = "no_image"
    REFUSED = "refused"
    INVALID = "invalid"
    UNAUTHORISED = "unauthorised"
    THROTTLED = "throttled"
    #: The whole resource is blocked for pictures, whatever the prompt.
    BLOCKED = "blocked"
    MISCONFIGURED = "misconfigured"
    NOT_SENT = "not_sent"
    #: It may have been made, and paid.
    UNKNOWN = "unknown"


class Next(StrEnum):
    """What happens after an outcome."""

    STORE = "store"
    FAIL = "fail"
    RETRY_LATER = "retry_later"
    OTHER_DEPLOYMENT_OR_LATER = "other_deployment_or_later"
    #: By the job's `on_unknown`.
    RESOLVE_UNKNOWN = "resolve_unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a kind of outcome implies."""

    next: Next
    #: Whether the call was paid for. What nobody documents is "unknown".
    charged: Charged
    #: Why the task fails, if it does.
    code: FailureCode
    #: What it says of the quota pool: a refused prompt was accepted by the pool.
    feedback: FeedbackKind


_LATER: Final = Next.OTHER_DEPLOYMENT_OR_LATER
_REJECTED: Final = FailureCode.PROVIDER_REJECTED
MEANINGS: Final[Mapping[OutcomeKind, Meaning]] = MappingProxyType(
    {
        OutcomeKind.DONE: Meaning(Next.STORE, "yes", FailureCode.FEWER_IMAGES, "accepted"),
        OutcomeKind.NO_IMAGE: Meaning(Next.FAIL, "unknown", FailureCode.NO_IMAGE, "accepted"),
        OutcomeKind.REFUSED: Meaning(Next.FAIL, "no", FailureCode.CONTENT_REFUSED, "accepted"),
        OutcomeKind.INVALID: Meaning(Next.FAIL, "no", _REJECTED, "accepted"),
        # The next call has a new token; if that does not help, an operator must act.
        OutcomeKind.UNAUTHORISED: Meaning(_LATER, "no", _REJECTED, "misconfigured"),
        OutcomeKind.THROTTLED: Meaning(_LATER, "no", _REJECTED, "throttled"),
        OutcomeKind.BLOCKED: Meaning(_LATER, "no", _REJECTED, "blocked"),
        # An operator is alerted, and the jobs wait.
        OutcomeKind.MISCONFIGURED: Meaning(_LATER, "no", _REJECTED, "misconfigured"),
        OutcomeKind.NOT_SENT: Meaning(Next.RETRY_LATER, "no", _REJECTED, "nothing"),
        OutcomeKind.UNKNOWN: Meaning(
            Next.RESOLVE_UNKNOWN, "unknown", FailureCode.OUTCOME_UNKNOWN, "nothing"
        ),
    }
)

#: Code of a reply that linked its picture, which could not be had from there.
PICTURE_LINKED: Final = "picture_linked"

#: Content moderation, in lower case: gpt-image, DALL-E, the text filter, MAI.
_REFUSALS = frozenset(
    {
        "moderation_blocked",
        "content_policy_violation",
        "contentfilter",
        "content_filter",
        "content_safety_violation",
        "responsibleaipolicyviolation",
    }
)
_OK, _REDIRECT, _BAD, _BROKEN = 200, 300, 400, 500
#: The other 4xx are invalid requests, and every 5xx is unknown: behind a gateway's error a picture
#: may have been made.
_KINDS: Final[Mapping[int, OutcomeKind]] = MappingProxyType(
    {
        401: OutcomeKind.UNAUTHORISED,
        403: OutcomeKind.MISCONFIGURED,  # network, firewall, role
        404: OutcomeKind.MISCONFIGURED,  # no such deployment, or not at this URL
        408: OutcomeKind.UNKNOWN,
        429: OutcomeKind.THROTTLED,
    }
)
#: An event stream has answered 200 before its error came: what the status would have been.
_STATUS_OF = MappingProxyType(
    {
        "rate_limit_exceeded": 429,
        "too_many_requests": 429,
        "image_generation_user_error": 400,
        "invalid_request_error": 400,
    }
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one paid call."""

    kind: OutcomeKind
    #: The provider's code; `http_{status}`, or ours, where it gives none.
    code: str
    message: str
    charged: Charged
    #: Seconds the provider asks us to wait.
    retry_after: float | None = None
    request_id: str | None = None
    #: What a moderation found, in the provider's words.
    categories: tuple[str, ...] = ()

    @property
    def next(self) -> Next:
        """What happens now."""
        return MEANINGS[self.kind].next


def of_reply(
    status: int,
    headers: Mapping[str, str],
    document: JsonValue = None,
    text: str = "",
    *,
    now: datetime | None = None,
) -> Outcome:
    """Classify a reply that came whole, by its status and its JSON (its `text` if not JSON).

    `document` may be a `ReplyRest`'s; that it has fewer pictures than were asked for is for the
    caller to see, in `ReplyRest.pictures`. `now` (aware) is only for a `retry-after` that is a
    date in a reply without one of its own.
    """
    error = find_error(document)
    if status >= _BAD and not error and isinstance(document, dict):
        error = document  # API Management puts code and message at the top
    message = to_text(error.get("message")) or text
    kind, ours = _kind(status, document, error, message)
    return Outcome(
        kind=kind,
        code=to_one_line(to_text(error.get("code"))) or ours,
        message=to_one_line(message) or ours,
        charged=MEANINGS[kind].charged,
        retry_after=read_retry_after(headers, now=now),
        request_id=read_request_id(headers),
        categories=find_categories(document, message),
    )


def of_linked(why: str | None, headers: Mapping[str, str]) -> Outcome:
    """Classify a reply that linked its pictures; `why` one of them could not be had, if so."""
    kind = OutcomeKind.NO_IMAGE if why else OutcomeKind.DONE
    return Outcome(
        kind=kind,
        code=PICTURE_LINKED if why else "done",
        message=to_one_line(why or "done"),
        charged="yes",
        request_id=read_request_id(headers),
    )


def of_failure(error: CallFailed, *, headers: Mapping[str, str] | None = None) -> Outcome:
    """Classify a call without a complete reply; `headers` if it got as far as that.

    Pictures that were whole before the failure are the caller's to keep.
    """
    match error:
        case NotSent():
            kind, code = OutcomeKind.NOT_SENT, "not_sent"
        case UnreadableReply():
            kind, code = OutcomeKind.NO_IMAGE, "unreadable_reply"
        case _:
            kind, code = OutcomeKind.UNKNOWN, "broken_reply"
    return Outcome(
        kind=kind,
        code=code,
        message=to_one_line(str(error)) or code,
        charged=MEANINGS[kind].charged,
        request_id=read_request_id(headers or {}),
    )


def _kind(
    status: int, document: JsonValue, error: Mapping[str, JsonValue], message: str
) -> tuple[OutcomeKind, str]:
    """Return the kind, and the code of a reply that has none."""
    moderated = not _REFUSALS.isdisjoint(find_codes(error))
    ours = f"http_{status}"
    if _OK <= status < _REDIRECT:
        if has_picture(document):
            return OutcomeKind.DONE, "done"
        if not error:
            return OutcomeKind.NO_IMAGE, "no_image"
        status = _BAD if moderated else _told_status(error)
    if moderated and _BAD <= status < _BROKEN:
        return OutcomeKind.REFUSED, ours
    if status == HTTPStatus.FORBIDDEN and "temporarily blocked" in message.lower():
        return OutcomeKind.BLOCKED, ours
    return _of_status(status), ours


def _of_status(status: int) -> OutcomeKind:
    if status in _KINDS:
        return _KINDS[status]
    if _REDIRECT <= status < _BAD:
        return OutcomeKind.MISCONFIGURED  # the URL is not the endpoint's
    return OutcomeKind.INVALID if _BAD <= status < _BROKEN else OutcomeKind.UNKNOWN


def _told_status(error: Mapping[str, JsonValue]) -> int:
    """Return the status that an error would have had, had it come before the 200 of a stream."""
    for member in ("status", "code", "type"):
        told = to_text(error.get(member)).lower()
        if told in _STATUS_OF:
            return _STATUS_OF[told]
        if re.fullmatch("[45][0-9]{2}", told):
            return int(told)
    return HTTPStatus.INTERNAL_SERVER_ERROR
