"""Read errors, links and headers of a reply, in all known spellings; nothing here raises.

An error may be wrapped: an error within an error, a list, JSON within a text. Every search takes
time in proportion to the length of the reply.
"""

import json
import math
import re
from collections import deque
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, Literal

from pydantic import BaseModel, Field, JsonValue

from ..redaction import redacted
from ..vocabulary import clip

# No pattern may scan the same text twice: what stops at its own first character is linear.
_VIOLATIONS = re.compile(r"safety_violations=\[([^\[\]]*)\]")
_TAGS = re.compile("<[^<>]*>")
_NOT_WORDS = re.compile("[^a-z0-9.]+")
_NOT_CODES = re.compile("[^a-z0-9]+")
_MODERATION = frozenset({"moderation_details", "moderation"})
#: Members that repeat the request; what they say is the caller's.
_ECHOES = frozenset({"prompt", "revised_prompt", "input", "b64_json", "url"})
_LONGEST_CODE = 64
_MOST_CATEGORIES, _LONGEST_CATEGORY = 20, 100
_LONGEST = 1000  # characters of a message that are kept
_LONGEST_PROMPT = 4_096  # bytes of a revised prompt that are kept in the record
_LARGEST = 10**9  # a larger number is not an error code

type Stage = Literal["input", "output"]
_STAGES: Final[Mapping[JsonValue, Stage]] = {"input": "input", "output": "output"}


class Moderation(BaseModel, frozen=True):
    """What a content filter objected to."""

    stage: Stage | None = Field(
        description="`input`: refused before anything was made; `output`: a picture was made and "
        "refused; null: the reply does not say."
    )
    categories: tuple[str, ...] = Field(description="In the provider's words.")


def find_error(document: JsonValue) -> Mapping[str, JsonValue]:
    """Return the `error` of a document, empty if it has none."""
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, str) and error:
        return {"message": error}
    return error if isinstance(error, dict) else {}


def find_wrapped_error(document: JsonValue) -> Mapping[str, JsonValue]:
    """Return the outermost object of an error that has a message or a code, empty without one."""
    top: JsonValue = dict(find_error(document)) or document
    for _, each in _list_members({"": top}, unpack=True):
        if isinstance(each, dict) and (to_text(each.get("message")) or to_text(each.get("code"))):
            return each
    return {}


def find_codes(document: JsonValue) -> Mapping[str, str]:
    """Return every text that may be a code, as written, by its lower-case letters and digits.

    Codes are found by their value because they have many names: `code`, `type`, `reason`.
    """
    texts = (text for text in _list_texts(document) if len(text) <= _LONGEST_CODE)
    codes: dict[str, str] = {}
    for text in texts:
        codes.setdefault(_NOT_CODES.sub("", text.lower()), text)
    return codes


def find_words(document: JsonValue, text: str) -> str:
    """Return the words of all texts of an error, in lower case, with their full stops.

    `text` is the body that is not JSON; HTML is read without its tags.
    """
    texts = [text] if document is None else _list_texts(document)
    plain = (_NOT_WORDS.sub(" ", _TAGS.sub(" ", each).lower()) for each in texts)
    return " . ".join(each.strip() for each in plain)


def find_moderation(document: JsonValue, message: str) -> Moderation | None:
    """Return the stage and the categories of a refusal; None if the reply has neither.

    OpenAI's `moderation_details` has both (five public code bases; not confirmed for Azure).
    Categories are also in the message, and where a member is `filtered`. Filters are found by that
    member because their results have many names: `content_filter_result`, `content_filter_results`,
    `prompt_filter_results`, in `innererror`, `inner_error` or an item.
    """
    names = [name.strip() for list_ in _VIOLATIONS.findall(message) for name in list_.split(",")]
    stage: Stage | None = None
    for name, value in _list_members(document, unpack=True):
        if not isinstance(value, dict):
            continue
        if value.get("filtered") is True:
            names.append(name)
        if name in _MODERATION:
            told = to_text(value.get("moderation_stage")) or to_text(value.get("stage"))
            stage = stage or _STAGES.get(told.lower())
            listed = value.get("categories")
            names += map(to_text, listed if isinstance(listed, list) else [])
    lines = (to_one_line(name)[:_LONGEST_CATEGORY] for name in names)
    categories = tuple(dict.fromkeys(filter(None, lines)))[:_MOST_CATEGORIES]
    return Moderation(stage=stage, categories=categories) if stage or categories else None


def has_picture(document: JsonValue) -> bool:
    """Return whether the document has a picture, or the placeholder of one."""
    return any(
        isinstance(value, str)
        and ((name == "b64_json" and bool(value)) or (name == "url" and value.startswith("#")))
        for name, value in _list_members(document)
    )


def find_links(document: JsonValue) -> tuple[str, ...]:
    """Return the URLs of the items that link their picture and do not hold it, in order."""
    urls = (item.get("url") for item in _list_items(document) if not item.get("b64_json"))
    return tuple(url for url in urls if isinstance(url, str) and url and not url.startswith("#"))


def find_withheld(document: JsonValue) -> tuple[str, ...]:
    """Return the reasons that items without a picture and without a link give, in order."""
    reasons = []
    for item in _list_items(document):
        if not (item.get("b64_json") or item.get("url")):
            moderation = find_moderation(item, "")
            filtered = ", ".join(moderation.categories) if moderation else ""
            reasons.append(to_one_line(to_text(find_error(item).get("message")) or filtered))
    return tuple(filter(None, reasons))


def _list_items(document: JsonValue) -> Iterator[dict[str, JsonValue]]:
    items = document.get("data") if isinstance(document, dict) else None
    yield from (
        item for item in (items if isinstance(items, list) else ()) if isinstance(item, dict)
    )


def find_revised_prompts(document: JsonValue) -> dict[int, str]:
    """Return the prompts that the service made of the one sent, by the index of their picture.

    The placeholder of a picture has its index; a linked picture has the place of its item.
    """
    items = document.get("data", document) if isinstance(document, dict) else None
    found: dict[int, str] = {}
    for place, item in enumerate(items if isinstance(items, list) else [items]):
        text = item.get("revised_prompt") if isinstance(item, dict) else None
        if isinstance(item, dict) and isinstance(text, str) and text:
            mark = re.fullmatch(r"#([0-9]{1,2})", to_text(item.get("b64_json")))
            found[int(mark[1]) if mark else place] = clip(text, _LONGEST_PROMPT)
    return found


def _list_texts(document: JsonValue) -> Iterator[str]:
    """Yield every text of an error, except what repeats the request."""
    for name, value in _list_members({"": document}, unpack=True):
        if isinstance(value, str) and name not in _ECHOES:
            yield value


def _list_members(document: JsonValue, *, unpack: bool = False) -> Iterator[tuple[str, JsonValue]]:
    """Yield every member at any depth, items of lists without a name.

    Without recursion because the depth is not limited. `unpack` reads texts that are JSON, too.
    """
    left = deque([document])
    while left:
        at = left.popleft()
        if isinstance(at, dict):
            yield from at.items()
            left.extend(value for name, value in at.items() if name not in _ECHOES)
        elif isinstance(at, list):
            yield from (("", each) for each in at)
            left.extend(at)
        elif unpack and isinstance(at, str) and at.lstrip()[:1] in {"{", "["}:
            left.append(_parse_json(at))


def _parse_json(text: str) -> JsonValue:
    try:
        document: JsonValue = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document


def to_text(value: JsonValue) -> str:
    """Return a text, or a number such as a code as text; "" for anything else."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return value if isinstance(value, str) else ""


def to_one_line(text: str) -> str:
    """Return a text on one line, valid in JSON and logs, without secrets."""
    return redacted(" ".join(text[:_LONGEST].encode(errors="replace").decode().split()))


#: Longest wait accepted from a reply, in seconds. Azure sometimes says 86,400 for a quota per
#: minute; a call after one hour costs nothing if it is rejected.
LONGEST_WAIT = 3600.0
#: In the order of preference of Azure's support.
_REQUEST_IDS = ("apim-request-id", "x-request-id", "x-ms-request-id")
_LONGEST_ID = 128


def read_request_id(headers: Mapping[str, str]) -> str | None:
    """Return the provider's id of the request, for its support."""
    fields = _lower_names(headers)
    ids = (to_one_line(fields.get(name, "")) for name in _REQUEST_IDS)
    return next((each[:_LONGEST_ID] for each in ids if each), None)


def read_retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """Return the seconds to wait, 0 to `LONGEST_WAIT`; None if the reply has no such header.

    `retry-after-ms` has precedence over `retry-after`, which is seconds or a date. A date is
    compared with the `date` of the same reply, so that two clocks are not mixed, else with `now`.
    """
    fields = _lower_names(headers)
    text = fields.get("retry-after", "")
    milliseconds = _parse_number(fields.get("retry-after-ms", ""))
    wait = _parse_number(text) if milliseconds is None else milliseconds / 1000
    if wait is None:
        then, since = _parse_date(text), _parse_date(fields.get("date", "")) or now
        if then is None or since is None:
            return None
        wait = (then - since).total_seconds()
    return min(max(wait, 0.0), LONGEST_WAIT)


def _lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _parse_number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parse_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)
