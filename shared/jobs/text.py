"""Read text in the encodings that callers use, and JSON within bounds; errors are in our words.

Every reader of JSON uses `parse_json`, so the same text gets the same answer at each door.
"""

import hashlib
import json
import re
from collections import Counter
from typing import Any, Final, Literal, Never

from .fields import quote_value

type Encoding = Literal["utf-8", "utf-16-le", "utf-16-be"]

#: A job in a CloudEvent is five levels deep.
MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 40
_MARKS: Final[tuple[tuple[bytes, Encoding], ...]] = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)


def find_encoding(start: bytes) -> tuple[Encoding, int]:
    """Return the encoding of a text by its first bytes, and the length of its byte order mark.

    Without a mark, a zero beside the first character means UTF-16: JSON and CSV start with ASCII.
    """
    for mark, encoding in _MARKS:
        if start.startswith(mark):
            return encoding, len(mark)
    zeros = [byte == 0 for byte in start[:2]]
    if any(zeros) and not all(zeros):
        return ("utf-16-be" if zeros[0] else "utf-16-le"), 0
    return "utf-8", 0


def decode_text(body: bytes) -> str:
    """Return text in UTF-8 or UTF-16, without its byte order mark; or raise `ValueError`."""
    encoding, mark = find_encoding(body)
    try:
        return body[mark:].decode(encoding)
    except UnicodeDecodeError as error:
        place = mark + error.start
        found = f"byte {place} is 0x{body[place]:02x}"
        name = encoding.removesuffix("-le").removesuffix("-be").upper()
        raise ValueError(f"is not {name} text: {found}; save it as UTF-8") from None


class JsonObject(dict[str, Any]):
    """A JSON object, and the names that it has more than once."""

    repeated: frozenset[str] = frozenset()


def parse_json(text: str) -> Any:  # noqa: ANN401 (what JSON can hold)
    """Return the value of a JSON text; `ValueError` says what is wrong and where.

    Objects are `JsonObject`s. NaN, long numbers and deep nesting are rejected.
    """
    _check_depth(text)
    try:
        return json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_int=_short_int
        )
    except json.JSONDecodeError as error:
        where = f"at line {error.lineno} column {error.colno}"
        why = _describe_error(text, error)
        raise ValueError(f"{why} {where}") from None


def digest_json(value: object) -> str:
    """Return the SHA-256 of a value as JSON, in hexadecimal; the order of names does not count."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _check_depth(text: str) -> None:
    """Bound the nesting before anything parses: a parser would use up its stack."""
    depth = 0
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    for found in _BRACKET.finditer(text):
        mark = found[0]
        depth += (mark in "[{") - (mark in "]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested too deeply; at most {MAX_DEPTH} levels are allowed")


def _describe_error(text: str, error: json.JSONDecodeError) -> str:
    place = error.pos
    before = text[:place].rstrip()
    match text[place : place + 1]:
        case "":
            return "it ends too early"
        case '"' if error.msg.startswith("Unterminated"):
            return "a text is not closed; its quotes begin"
        case "}" | "]" if before.endswith(","):
            return "no comma is allowed before a closing bracket,"
        case "," if text[place + 1 :].lstrip().startswith(("}", "]")):
            return "no comma is allowed before a closing bracket,"
        case "'":
            return "JSON has double quotes, not single ones,"
        case character if error.msg.startswith("Invalid control"):
            return f"a text contains U+{ord(character):04X}; write it as \\u{ord(character):04x},"
        case character if not before:
            return f"JSON does not begin with {quote_value(character)},"
        case character:
            return f"{quote_value(character)} is not expected"


def _object(pairs: list[tuple[str, Any]]) -> JsonObject:
    made = JsonObject(pairs)
    if len(made) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        made.repeated = frozenset(name for name, count in counts.items() if count > 1)
    return made


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")


def _short_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"it contains a number with {len(digits):,} digits")
    return int(digits)
