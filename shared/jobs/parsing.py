"""Read a message and return its job, or all faults.

A message is JSON in UTF-8 or UTF-16, plain, in base64 or in quotes. It is a job, or a CloudEvent
with the job as its data. Unknown fields are faults in a job and ignored in a CloudEvent.
"""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Never

from pydantic import BaseModel, TypeAdapter, ValidationError

from ..errors import Fault, InvalidJob, MalformedMessage, NotAllowed
from .fields import QueueName, TenantName, Url, is_job_id, is_traceparent, quote_value, read_moment
from .job import DEFAULT_TENANT, Job, find_conflicts
from .text import JsonObject, decode_text, parse_json
from .validation import in_order, limit_faults, path, plain_faults, top_field, validation_faults

#: A queue message as stored (platform.md section 6).
MAX_MESSAGE_BYTES: Final = 65_536
#: Base64 of base64 in quotes, and one more.
_MAX_WRAPPINGS: Final = 3
#: How Python prints bytes: `b'{"a": 1}'`, in ASCII.
_PYTHON_BYTES: Final = re.compile(r"""b(['"])((?:(?!\1)[ -[\]-~]|\\[ -~])*+)\1""")
_ESCAPE: Final = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)")
_ESCAPED: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t"}
_URL_SAFE: Final = str.maketrans("-_", "+/")
#: Shorter text without spaces may be a word; characters.
_SURELY_BASE64: Final = 16
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a queue, or the body of a request."""

    body: bytes
    #: The same at each delivery. A job without an id gets one derived from this and `inserted_at`.
    message_id: str
    inserted_at: datetime
    #: Attributes of a binary CloudEvent over HTTP, whose data is the body; else empty.
    event: Mapping[str, str] = MappingProxyType({})
    #: The tenant that its sender is bound to; None where any tenant may be named.
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The content of a message, which should be a job or a command, and the event around it."""

    content: dict[str, Any]
    #: Paths of the names that the content has more than once.
    repeated: tuple[str, ...] = ()
    #: Source and id of the CloudEvent; empty for a bare job.
    seed: str = ""
    #: The CloudEvent's own time.
    time: datetime = _EPOCH
    traceparent: str | None = None
    #: The extension of this name; whatever it is, its field checks it.
    tenant: Any = None

    @property
    def is_command(self) -> bool:
        """Whether it says that it is a command; everything else is a job."""
        return "command" in self.content


def _malformed(message: str) -> Never:
    raise MalformedMessage([Fault("", message)])


def document(body: bytes, max_bytes: int = MAX_MESSAGE_BYTES) -> JsonObject:
    """Return the JSON object in the bytes, whatever is wrapped around it; or `MalformedMessage`."""
    if len(body) > max_bytes:
        _malformed(
            f"the message has {len(body):,} bytes; at most {max_bytes:,} are allowed; "
            "put a long prompt into a blob and name it in prompt_blob"
        )
    try:
        text = decode_text(body)
    except ValueError as error:
        _malformed(f"the message {error}")
    if not text.strip():
        _malformed("the message is empty; it must be a job as a JSON object")
    return _parsed(text, "the message")


def _parsed(text: str, what: str) -> JsonObject:
    """Return the JSON object in the text, without what clients wrap around it."""
    try:
        for _ in range(_MAX_WRAPPINGS):
            text = _unwrap(text.strip()) or text
        value = parse_json(text)
    except ValueError as error:
        _malformed(f"{what} is neither a JSON object nor base64 of one: {error}")
    if not isinstance(value, JsonObject):
        _malformed(f"{what} contains {_kind(value)}; it must be one job as a JSON object")
    return value


def _unwrap(text: str) -> str | None:
    """Return the text in base64, in a JSON string or in a Python literal; None if it is neither."""
    if text.startswith(("{", "[")):
        return None
    if text.startswith('"'):
        inner = parse_json(text)
        is_wrapping = isinstance(inner, str) and (inner.startswith("{") or _unwrap(inner.strip()))
        return inner if is_wrapping else None
    if printed := _PYTHON_BYTES.fullmatch(text):
        return decode_text(_ESCAPE.sub(_unescape, printed[2].encode()))
    return _from_base64(text)


def _unescape(escape: re.Match[bytes]) -> bytes:
    name = escape[1]
    return bytes.fromhex(name[1:].decode()) if len(name) > 1 else _ESCAPED.get(name, name)


def _from_base64(text: str) -> str | None:
    """Return the text in base64, padded or not, URL-safe or not; None if it is not base64.

    Raises `ValueError` for base64 of what is not text.
    """
    solid = "".join(text.split()).translate(_URL_SAFE).rstrip("=")
    try:
        body = base64.b64decode(solid + "=" * (-len(solid) % 4), validate=True)
    except ValueError:
        return None
    try:
        return decode_text(body)
    except ValueError as error:
        if " " in text or len(text) < _SURELY_BASE64:
            return None
        raise ValueError(f"what it holds in base64 {error}") from None


def _kind(value: object) -> str:
    return "text" if isinstance(value, str) else quote_value(value)


def _children(value: object) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def find_repeated(value: object, *parents: str | int) -> tuple[str, ...]:
    """Return the path of every name that its object has more than once."""
    return tuple(_list_repeated(value, *parents))


def _list_repeated(value: object, *parents: str | int) -> Iterator[str]:
    if isinstance(value, JsonObject):
        yield from (path((*parents, name)) for name in value if name in value.repeated)
    for name, child in _children(value):
        yield from _list_repeated(child, *parents, name)


def repetition_faults(names: Sequence[str]) -> list[Fault]:
    """Return a fault for each name that the message has more than once."""
    return limit_faults(
        names, lambda name: Fault(name, "appears twice in the message; set it once")
    )


def open_envelope(message: Message, max_bytes: int = MAX_MESSAGE_BYTES) -> Envelope:
    """Return the content of a message: plain, or in a CloudEvent 1.0, structured or binary."""
    body = document(message.body, max_bytes)
    written: Mapping[str, Any] = message.event or body
    if "specversion" not in written:
        return Envelope(body, find_repeated(body))
    if written["specversion"] != "1.0":
        _malformed(f"specversion {quote_value(written['specversion'])} is not '1.0'")
    for name in ("id", "source", "type"):
        if not (isinstance(written.get(name), str) and written[name]):
            _malformed(f"the CloudEvent has no {name}; its id, source and type must be text")
    traceparent = written.get("traceparent")
    content = body if message.event else _data(body)
    return Envelope(
        content=content,
        repeated=find_repeated(content),
        seed=json.dumps([written["source"], written["id"]]),
        time=_moment(written.get("time")),
        # A broken trace does not reject a job: the job starts a new one (W3C, section 4.3).
        traceparent=traceparent if is_traceparent(traceparent) else None,
        tenant=written.get("tenant"),
    )


def _data(document: JsonObject) -> JsonObject:
    data, encoded = document.get("data"), document.get("data_base64")
    if isinstance(data, JsonObject):
        return data
    if data is not None:
        _malformed(f"the CloudEvent's data is {_kind(data)}; it must be the job, a JSON object")
    if not isinstance(encoded, str):
        _malformed("the CloudEvent has no data; it must be the job, a JSON object")
    what = "the CloudEvent's data_base64"
    try:
        text = _from_base64(encoded)
    except ValueError as error:
        _malformed(f"{what} is not the job: {error}")
    if text is None:
        _malformed(f"{what} is not base64 of UTF-8 text")
    return _parsed(text, what)


def _moment(value: object) -> datetime:
    """Return the time of the event, or the epoch: the id of its job is derived from it."""
    try:
        moment = read_moment(value) if isinstance(value, str) else _EPOCH
    except (ValueError, OverflowError):
        return _EPOCH
    return moment if moment.utcoffset() is not None else moment.replace(tzinfo=UTC)


def read_job(message: Message, max_bytes: int = MAX_MESSAGE_BYTES) -> Job:
    """Return the job of a message; raises `MalformedMessage` or `InvalidJob`."""
    return job_in(open_envelope(message, max_bytes), message)


def job_in(envelope: Envelope, message: Message) -> Job:
    """Return the job in an envelope; raise `InvalidJob` with all faults.

    A job without an id gets the same one at every delivery: from the time and id of the message, or
    the time, source and id of the CloudEvent, so that an event that is sent twice is one job.
    """
    content = dict(envelope.content)
    if envelope.traceparent and content.get("traceparent") is None:
        content["traceparent"] = envelope.traceparent
    if envelope.tenant is not None and content.get("tenant") is None:
        content["tenant"] = envelope.tenant
    if message.tenant is not None:
        named = content.get("tenant")
        if named not in (None, message.tenant):
            fault = f"{quote_value(named)} is not yours; use {message.tenant!r}, or leave it out"
            raise NotAllowed([Fault("tenant", fault)])
        content["tenant"] = message.tenant
    origin = (message.inserted_at, message.message_id)
    if envelope.seed:
        origin = (envelope.time, envelope.seed)
    return build_job(content, made_id=derived_job_id(*origin), repeated=envelope.repeated)


def reply_queue(envelope: Envelope | None, allows: Callable[[str], bool]) -> str | None:
    """Return the queue that a rejected message names in `reply_to`, if it is valid and `allows`.

    The name was not checked before, because the message has no valid job.
    """
    try:
        queue = TypeAdapter(QueueName).validate_python(envelope and envelope.content["reply_to"])
    except (KeyError, ValidationError):
        return None
    return queue if allows(queue) else None


def callback_url(envelope: Envelope | None, allows: Callable[[str], bool]) -> str | None:
    """Return the URL that a rejected message names in `callback`, if it is valid and `allows`."""
    try:
        url = TypeAdapter(Url).validate_python(envelope and envelope.content["callback"])
    except (KeyError, ValidationError):
        return None
    return url if allows(url) else None


def tenant_of(envelope: Envelope | None, sender: str | None = None) -> str | None:
    """Return the tenant that a rejected message is about, if it can be read.

    It is the one that the sender is bound to, or that the message names. A command names none.
    """
    if sender is not None or envelope is None:
        return sender
    if "command" in envelope.content or "tenant" in envelope.repeated:
        return None
    named = envelope.content.get("tenant")
    named = envelope.tenant if named is None else named
    try:
        return DEFAULT_TENANT if named is None else TypeAdapter(TenantName).validate_python(named)
    except ValidationError:
        return None


def read_model[T: BaseModel](model: type[T], body: bytes) -> T:
    """Return a message that the app wrote; raise `MalformedMessage` with all faults."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise MalformedMessage(plain_faults(error)) from error


def build_job(content: Mapping[str, Any], *, made_id: str, repeated: Sequence[str] = ()) -> Job:
    """Return the job with these fields; raise `InvalidJob` with all faults.

    A field that is None counts as left out; a job without an id gets `made_id`. `repeated` has the
    paths of names that the message has twice.
    """
    fields = {
        name: value
        for name, value in content.items()
        if value is not None or name not in Job.model_fields
    }
    fields.setdefault("job_id", made_id)
    faults = repetition_faults(repeated)
    try:
        job = Job.model_validate(fields)
        if not faults:
            return job
    except ValidationError as error:
        faults += validation_faults(error, Job)
        faulty = frozenset(top_field(fault) for fault in faults)
        faults += find_conflicts(fields, faulty=faulty)
    own_id = content.get("job_id")
    readable = own_id if is_job_id(own_id) and "job_id" not in repeated else None
    raise InvalidJob(in_order(faults, Job), job_id=readable)


def derived_job_id(inserted_at: datetime, seed: str) -> str:
    """Return a UUIDv7 (RFC 9562) with random bits from `seed`: equal inputs give equal ids."""
    milliseconds = max(0, int(inserted_at.timestamp() * 1000)) & ((1 << 48) - 1)
    noise = int.from_bytes(hashlib.sha256(seed.encode("utf-8", "backslashreplace")).digest()[:10])
    bits = milliseconds << 80 | noise
    bits = bits & ~(0xF << 76) | 0x7 << 76
    bits = bits & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=bits))
