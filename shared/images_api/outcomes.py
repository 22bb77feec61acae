"""What a reply or a failure means for the job: eleven kinds, and one table of what each implies.

The kinds are those of the images endpoints of Microsoft Foundry and of gateways before them. An
error is about one request (its content, a parameter), about the account or deployment, or about the
service. A code tells that for sure, wherever it stands and whatever the status. Without one, the
words of the message do: a gateway's content filter answers 403 as a firewall does, and a resource
that is blocked as a whole names the content policy as a refused prompt does.

Whether a 5xx, a time-out or a reset is charged is not documented, and duplicates were billed
(foundry-api.md sections 9 and 13): their outcome is unknown, also where the body is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from types import MappingProxyType
from typing import Final, Literal

from pydantic import JsonValue

from ..errors import CallFailed, NoConnection, NoReply, NotSent, UnreadableReply
from ..vocabulary import FailureCode
from .replies import (
    Moderation,
    find_codes,
    find_error,
    find_links,
    find_moderation,
    find_withheld,
    find_words,
    find_wrapped_error,
    has_picture,
    read_request_id,
    read_retry_after,
    to_one_line,
    to_text,
)

#: Whether a call is paid for: surely not, perhaps its input tokens, perhaps all of it, surely.
type Charged = Literal["no", "input", "unknown", "yes"]
type FeedbackKind = Literal[
    "accepted", "throttled", "blocked", "misconfigured", "unavailable", "nothing"
]


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
    #: A picture was made, and storage did not take it.
    NOT_STORED = "not_stored"
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
    #: Azure bills what it has processed, also for a content filter (400), an input limit (400) and
    #: a time-out (408), but not for 401 and 429 (cost management page of Foundry, 2026-11).
    charged: Charged
    #: Why the task fails, if it does.
    code: FailureCode
    #: What it says of the quota pool: a refused prompt was accepted by the pool. An outcome with
    #: `service_failed` says "unavailable".
    feedback: FeedbackKind


_LATER: Final = Next.OTHER_DEPLOYMENT_OR_LATER
_REJECTED: Final = FailureCode.PROVIDER_REJECTED
MEANINGS: Final[Mapping[OutcomeKind, Meaning]] = MappingProxyType(
    {
        OutcomeKind.DONE: Meaning(Next.STORE, "yes", FailureCode.FEWER_IMAGES, "accepted"),
        OutcomeKind.NO_IMAGE: Meaning(Next.FAIL, "unknown", FailureCode.NO_IMAGE, "accepted"),
        OutcomeKind.REFUSED: Meaning(Next.FAIL, "unknown", FailureCode.CONTENT_REFUSED, "accepted"),
        OutcomeKind.INVALID: Meaning(Next.FAIL, "input", _REJECTED, "accepted"),
        # The next call has a new token; if that does not help, an operator must act.
        OutcomeKind.UNAUTHORISED: Meaning(_LATER, "no", _REJECTED, "misconfigured"),
        OutcomeKind.THROTTLED: Meaning(_LATER, "no", _REJECTED, "throttled"),
        OutcomeKind.BLOCKED: Meaning(_LATER, "no", _REJECTED, "blocked"),
        # An operator is alerted, and the jobs wait.
        OutcomeKind.MISCONFIGURED: Meaning(_LATER, "no", _REJECTED, "misconfigured"),
        OutcomeKind.NOT_SENT: Meaning(Next.RETRY_LATER, "no", _REJECTED, "nothing"),
        # Never paid for again: storage would refuse the next picture too.
        OutcomeKind.NOT_STORED: Meaning(Next.FAIL, "yes", FailureCode.STORE_FAILED, "accepted"),
        OutcomeKind.UNKNOWN: Meaning(
            Next.RESOLVE_UNKNOWN, "unknown", FailureCode.OUTCOME_UNKNOWN, "nothing"
        ),
    }
)

#: Why a picture of a reply is not stored: it can't be read, its link can't be followed, or storage
#: did not take it.
UNREADABLE: Final = "unreadable_reply"
PICTURE_LINKED: Final = "picture_linked"
STORE_FAILED: Final = "store_failed"

#: Codes of content moderation, by their lower-case letters and digits: gpt-image, DALL-E, the text
#: filter, MAI, and gateways.
_REFUSALS = frozenset(
    {
        "moderationblocked",
        "contentpolicyviolation",
        "contentfilter",
        "contentfiltered",
        "contentsafety",
        "contentsafetyviolation",
        "contentviolation",
        "contentmoderation",
        "contentblocked",
        "promptblocked",
        "promptfiltered",
        "responsibleaipolicyviolation",
        "safetyviolation",
        "safetyviolations",
    }
)
_REFUSAL_WORDS = (
    *("content safety", "content policy", "content policies", "content management policy"),
    *("content filter", "content moderation", "content violation", "contentfilter"),
    *("safety system", "safety filter", "safety check", "safety policy", "safety policies"),
    *("safety violation", "moderation blocked", "moderation system", "usage policies"),
    *("usage policy", "policy violation", "prohibited content", "prompt injection", "jailbreak"),
    *("responsibleaipolicyviolation", "responsible ai", "inappropriate content"),
    *("harmful content", "unsafe content", "explicit content", "sensitive content"),
    # Web application firewalls.
    *("request is blocked", "request was blocked", "request has been blocked"),
)
_REFUSED_PART = re.compile(
    r"\b(prompt|content|input|image)s?( \w+){0,3} "
    r"(blocked|flagged|rejected|filtered|refused|denied|disallowed|prohibited|violates)\b"
)
#: Codes of an account that may not pay or call any more.
_ACCOUNT = frozenset(
    {
        "billinghardlimitreached",
        "billingnotactive",
        "insufficientquota",
        "insufficientfunds",
        "paymentrequired",
        "accountdeactivated",
        "accessterminated",
    }
)
_ACCOUNT_WORDS = ("billing hard limit", "insufficient quota", "plan and billing")
_WHOLE_BLOCKED = re.compile(
    r"temporarily blocked|\b(resource|account|subscription|organi[sz]ation|tenant) "
    r"(has been|is|was) (blocked|suspended|disabled|deactivated|terminated)"
)
#: A 403 that is about the resource whatever else its words are.
_ACCESS_WORDS = (
    *("firewall", "virtual network", "private endpoint", "public access"),
    *("public network", "data action", "principal", "subscription key", "role assignment"),
)
#: Codes that say what else is wrong with a request, so that its words are not looked at.
_SPECIFIC = ("invalid_", "unknown_", "unsupported_", "missing_")
_UNSPECIFIC = frozenset({"invalid_request", "invalid_request_error", "invalid_prompt"})
#: Statuses of which words tell a refusal.
_WORDED = frozenset({400, 403, 406, 409, 418, 422})
_OK, _REDIRECT, _BAD, _BROKEN = 200, 300, 400, 500
#: The other 4xx are invalid requests, and every 5xx is unknown: behind a gateway's error a picture
#: may have been made.
_KINDS: Final[Mapping[int, OutcomeKind]] = MappingProxyType(
    {
        401: OutcomeKind.UNAUTHORISED,
        402: OutcomeKind.BLOCKED,
        403: OutcomeKind.MISCONFIGURED,  # network, firewall, role
        404: OutcomeKind.MISCONFIGURED,  # no such deployment, or not at this URL
        408: OutcomeKind.UNKNOWN,
        429: OutcomeKind.THROTTLED,
        451: OutcomeKind.REFUSED,
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
    moderation: Moderation | None = None
    #: The service does not work, whatever the request: 5xx, reset, silence, no connection.
    service_failed: bool = False

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
    error = find_wrapped_error(document) if status >= _BAD else find_error(document)
    message = to_text(error.get("message")) or text
    kind, code = _kind(status, document, text, error)
    code = to_one_line(code) or f"http_{status}"
    if not message and kind in {OutcomeKind.DONE, OutcomeKind.NO_IMAGE}:
        message = "; ".join(find_withheld(document))
    if not message and code == f"http_{HTTPStatus.ACCEPTED}":
        message = "202 Accepted: the picture is made later, and the app can't fetch it from there"
    moderation = find_moderation(document, message)
    nothing_made = kind is OutcomeKind.REFUSED and moderation and moderation.stage == "input"
    return Outcome(
        kind=kind,
        code=code,
        message=to_one_line(message) or code,
        charged="input" if nothing_made else MEANINGS[kind].charged,
        retry_after=read_retry_after(headers, now=now),
        request_id=read_request_id(headers),
        moderation=moderation,
        service_failed=kind is OutcomeKind.UNKNOWN,
    )


@dataclass(frozen=True, slots=True)
class Loss:
    """Why one picture of a reply is not stored; `code` is one of the three above."""

    code: str
    reason: str


def of_losses(outcome: Outcome, losses: Mapping[int, Loss], *, stored: int) -> Outcome:
    """Return the outcome of a reply of which these pictures, by their position, are not stored.

    The message says why of each. What storage refused comes before all else: it is not bought again
    even if the reply broke off after it. A whole reply keeps its kind while a picture is stored.
    """
    codes = {loss.code for loss in losses.values()}
    told = [] if outcome.message == outcome.code else [outcome.message]
    told += [f"picture {at + 1}: {loss.reason}" for at, loss in sorted(losses.items())]
    kind, code = outcome.kind, outcome.code
    if STORE_FAILED in codes:
        kind, code = OutcomeKind.NOT_STORED, STORE_FAILED
    elif not codes or kind is not OutcomeKind.DONE:
        return outcome
    elif PICTURE_LINKED in codes or not stored:
        kind, code = OutcomeKind.NO_IMAGE, min(codes)
    return replace(
        outcome, kind=kind, code=code, message=to_one_line("; ".join(told)), charged="yes"
    )


def of_failure(error: CallFailed, *, headers: Mapping[str, str] | None = None) -> Outcome:
    """Classify a call without a complete reply; `headers` if it got as far as that.

    Pictures that were whole before the failure are the caller's to keep.
    """
    match error:
        case NotSent():
            kind, code = OutcomeKind.NOT_SENT, "not_sent"
        case UnreadableReply():
            kind, code = OutcomeKind.NO_IMAGE, UNREADABLE
        case _:
            kind, code = OutcomeKind.UNKNOWN, "broken_reply"
    return Outcome(
        kind=kind,
        code=code,
        message=to_one_line(str(error)) or code,
        charged=MEANINGS[kind].charged,
        request_id=read_request_id(headers or {}),
        service_failed=isinstance(error, NoConnection | NoReply),
    )


def _kind(
    status: int, document: JsonValue, text: str, error: Mapping[str, JsonValue]
) -> tuple[OutcomeKind, str]:
    """Return the kind, and the code that tells it, or ours without one."""
    if _OK <= status < _REDIRECT:
        if has_picture(document) or find_links(document):
            return OutcomeKind.DONE, to_text(error.get("code")) or "done"
        if not error:
            return OutcomeKind.NO_IMAGE, "no_image" if status == _OK else f"http_{status}"
        return _of_error(_told_status(error), document, text, error)
    if status >= _BAD:
        return _of_error(status, document, text, error)
    return _of_status(status), f"http_{status}"


def _of_error(
    status: int | None, document: JsonValue, text: str, error: Mapping[str, JsonValue]
) -> tuple[OutcomeKind, str]:
    """Return the same of an error; `status` is None in a stream whose error does not say it."""
    code = to_text(error.get("code")) or f"http_{status or int(_OK)}"
    codes = find_codes(document)
    for known, kind in ((_ACCOUNT, OutcomeKind.BLOCKED), (_REFUSALS, OutcomeKind.REFUSED)):
        if named := next((codes[each] for each in codes if each in known), None):
            return kind, named
    if status is None or status < _BROKEN:
        told = OutcomeKind.REFUSED if find_moderation(document, "") else None
        told = told or _of_words(status, find_words(document, text), code)
        if told:
            return told, code
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND} and _names_parameter(error):
        return OutcomeKind.INVALID, code
    return _of_status(status or _BROKEN), code


def _of_words(status: int | None, words: str, code: str) -> OutcomeKind | None:
    """Return the kind that the words of an error tell, if they do."""
    if status == HTTPStatus.FORBIDDEN:
        if _has(words, _ACCESS_WORDS):
            return None
        if _WHOLE_BLOCKED.search(words):
            return OutcomeKind.BLOCKED
    if status in {*_WORDED, HTTPStatus.TOO_MANY_REQUESTS} and _has(words, _ACCOUNT_WORDS):
        return OutcomeKind.BLOCKED
    is_specific = code.startswith(_SPECIFIC) and code not in _UNSPECIFIC
    if is_specific or (status is not None and status not in _WORDED):
        return None
    is_refused = _has(words, _REFUSAL_WORDS) or _REFUSED_PART.search(words)
    return OutcomeKind.REFUSED if is_refused else None


def _has(words: str, known: tuple[str, ...]) -> bool:
    return any(each in words for each in known)


def _names_parameter(error: Mapping[str, JsonValue]) -> bool:
    """Tell whether an error is about a parameter of its request, such as an input picture."""
    return to_text(error.get("param")) not in {"", "model"}


def _of_status(status: int) -> OutcomeKind:
    if status in _KINDS:
        return _KINDS[status]
    if _REDIRECT <= status < _BAD:
        return OutcomeKind.MISCONFIGURED  # the URL is not the endpoint's
    return OutcomeKind.INVALID if _BAD <= status < _BROKEN else OutcomeKind.UNKNOWN


def _told_status(error: Mapping[str, JsonValue]) -> int | None:
    """Return the status that an error would have had, had it come before the 200 of a stream.

    None if it does not say.
    """
    for member in ("status", "code", "type"):
        told = to_text(error.get(member)).lower()
        if told in _STATUS_OF:
            return _STATUS_OF[told]
        if re.fullmatch("[45][0-9]{2}", told):
            return int(told)
    return None
