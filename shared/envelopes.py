"""From the bytes of a queue message to the JSON object that should be a job.

Taken: JSON as it is or in base64, with or without a byte order mark; the job bare or as the data of
a CloudEvent. Refused whole, as `MalformedMessage`: what holds no single JSON object.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Never

from .errors import Fault, MalformedMessage
from .fields import is_traceparent, shown

#: A queue message as stored (platform.md section 6).
MAX_MESSAGE_BYTES: Final = 65_536
#: A job in a CloudEvent is five levels deep.
_MAX_DEPTH: Final = 32
_MAX_DIGITS: Final = 40
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


type Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """What should be a job, as it was written, and what its envelope said."""

    content: dict[str, Any]
    #: Where the content says something twice.
    repeated: tuple[Place, ...] = ()
    #: Source and id of the CloudEvent; empty for a bare job.
    seed: str = ""
    #: The CloudEvent's own time.
    time: datetime = _EPOCH
    traceparent: str | None = None


class _Object(dict[str, Any]):
    """A JSON object that remembers which of its names stood there more than once."""

    repeated: frozenset[str] = frozenset()


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    made = _Object(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.repeated = frozenset(name for name in made if names.count(name) > 1)
    return made


def _malformed(message: str) -> Never:
    raise MalformedMessage([Fault("", message)])


def document(body: bytes) -> _Object:
    """Return the JSON object in the bytes, plain or base64; `MalformedMessage` if there is none."""
    if len(body) > MAX_MESSAGE_BYTES:
        _malformed(
            f"the message has {len(body):,} bytes and {MAX_MESSAGE_BYTES:,} are the most; "
            "put a long prompt into a blob and name it in prompt_blob"
        )
    try:
        text = body.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        _malformed(f"the message is no UTF-8 text: byte {error.start} is 0x{body[error.start]:02x}")
    if not text:
        _malformed("the message is empty; it must hold a job as a JSON object")
    if not text.startswith(("{", "[", '"')):
        text = _from_base64(text) or text
    return _parsed(text, "the message")


def _from_base64(text: str) -> str | None:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8-sig").strip()
    except (binascii.Error, ValueError):
        return None


def _parsed(text: str, what: str) -> _Object:
    """Return the text's JSON object; stricter than `json`: no NaN, no endless numbers or depth."""
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_no_number, parse_int=_short_int
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        _malformed(f"{what} is neither a JSON object nor base64 of one: {error.msg} at {where}")
    except RecursionError:
        _malformed(f"{what} is nested too deeply; {_MAX_DEPTH} levels are the most")
    except ValueError as error:
        _malformed(f"{what} is no JSON: {error}")
    if not isinstance(value, _Object):
        _malformed(f"{what} holds {_kind(value)}; it must hold one job as a JSON object")
    if _is_too_deep(value):
        _malformed(f"{what} is nested too deeply; {_MAX_DEPTH} levels are the most")
    return value


def _kind(value: object) -> str:
    return "text" if isinstance(value, str) else shown(value)


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON number")


def _short_int(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"it holds a number of {len(digits):,} digits")
    return int(digits)


def _is_too_deep(value: object) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [child for parent in level for _, child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: object) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _repeated(value: object, *parents: str | int) -> Iterator[Place]:
    """Yield the place of every name that stands in its object more than once."""
    if isinstance(value, _Object):
        yield from ((*parents, name) for name in value if name in value.repeated)
    for name, child in _children(value):
        yield from _repeated(child, *parents, name)


def opened(body: bytes) -> Letter:
    """Take the job out of its message, and out of its CloudEvent (1.0, structured) if in one."""
    written = document(body)
    if "specversion" not in written:
        return Letter(written, tuple(_repeated(written)))
    if written["specversion"] != "1.0":
        _malformed(f"specversion {shown(written['specversion'])} is not '1.0'")
    for name in ("id", "source", "type"):
        if not (isinstance(written.get(name), str) and written[name]):
            _malformed(f"the CloudEvent has no {name}; its id, source and type must be text")
    traceparent = written.get("traceparent")
    content = _data(written)
    return Letter(
        content=content,
        repeated=tuple(_repeated(content)),
        seed=json.dumps([written["source"], written["id"]]),
        time=_moment(written.get("time")),
        # A broken trace is no reason to refuse a job: it starts a new one (W3C, section 4.3).
        traceparent=traceparent if is_traceparent(traceparent) else None,
    )


def _data(document: _Object) -> _Object:
    data, encoded = document.get("data"), document.get("data_base64")
    if isinstance(data, _Object):
        return data
    if data is not None:
        _malformed(f"the CloudEvent's data is {_kind(data)}; it must be the job, a JSON object")
    if not isinstance(encoded, str):
        _malformed("the CloudEvent has no data; it must be the job, a JSON object")
    text = _from_base64(encoded)
    if text is None:
        _malformed("the CloudEvent's data_base64 is not base64 of UTF-8 text")
    return _parsed(text, "the CloudEvent's data_base64")


def _moment(value: object) -> datetime:
    """Return the event's own time: the same however often it is sent, so its job's id is too."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else _EPOCH
    except ValueError:
        return _EPOCH
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)
