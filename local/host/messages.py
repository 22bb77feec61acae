"""Queue messages between storage and app: encoding, metadata, output rules."""

import base64
import binascii
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from azure.storage.queue import QueueMessage

from local.host.protos import TypedData

#: A text that Newtonsoft reads as a date.
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?")


class Undecodable(ValueError):
    """The text of a message is not in the encoding of `messageEncoding`."""


class BadOutput(ValueError):
    """The value of an output cannot be sent."""


def decode(text: str, encoding: str) -> bytes:
    """Return the body of a stored message."""
    if encoding == "none":
        return text.encode()
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Undecodable(f"not valid base64: {error}") from None


def encode(body: bytes, encoding: str) -> str:
    """Return a body as it is stored."""
    if encoding == "none":
        return body.decode()
    return base64.b64encode(body).decode()


def trigger_data(body: bytes, *, binary: bool) -> TypedData:
    """Return the trigger's parameter: text, or bytes for a binary binding."""
    return TypedData(bytes=body) if binary else TypedData(string=body.decode(errors="replace"))


def metadata(message: QueueMessage, body: bytes, *, binary: bool) -> dict[str, TypedData]:
    """Return the trigger metadata of a message, overwritten by the properties of a JSON body.

    The real host adds the top-level properties of a JSON object to its binding data. Names are
    case-insensitive: `{"id": 7}` becomes the message's Id. Arrays and nulls are skipped.
    """
    text = body.decode(errors="replace")
    found = {
        "QueueTrigger": TypedData(string=text),
        "DequeueCount": TypedData(json=json.dumps(message.dequeue_count or 0)),
        "ExpirationTime": _moment(message.expires_on),
        "Id": TypedData(string=message.id),
        "InsertionTime": _moment(message.inserted_on),
        "NextVisibleTime": _moment(message.next_visible_on),
        "PopReceipt": TypedData(string=message.pop_receipt),
        "sys": TypedData(json=_sys()),
    }
    if binary:
        return found
    names = {name.lower(): name for name in found}
    for name, value in _properties(text).items():
        found[names.setdefault(name.lower(), name)] = value
    return found


def _properties(text: str) -> dict[str, TypedData]:
    if not (text.strip().startswith("{") and text.strip().endswith("}")):
        return {}
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return {
        name: _property(value)
        for name, value in document.items()
        if value is not None and not isinstance(value, list)
    }


def _property(value: Any) -> TypedData:  # noqa: ANN401 - any JSON
    """Return a property as .NET converts it: an object, or text."""
    if isinstance(value, dict):
        return TypedData(json=json.dumps(value))
    if isinstance(value, bool):
        return TypedData(string=str(value))
    if isinstance(value, str) and _DATE.fullmatch(value):
        return TypedData(string=datetime.fromisoformat(value).strftime("%m/%d/%Y %H:%M:%S"))
    return TypedData(string=value if isinstance(value, str) else json.dumps(value))


def _moment(moment: datetime | None) -> TypedData:
    return TypedData() if moment is None else TypedData(json=json.dumps(moment.isoformat()))


def _sys() -> str:
    return json.dumps({"UtcNow": datetime.now(UTC).isoformat(), "RandGuid": str(uuid.uuid4())})


def output_bodies(value: TypedData) -> list[bytes]:
    """Return the messages that a queue output makes of its value.

    Bytes stay as they are. Text in brackets or braces is parsed as JSON: an array becomes a message
    per element, an object is formatted again, and invalid JSON is rejected
    (Azure/azure-functions-host#9581).
    """
    kind = value.WhichOneof("data")
    if kind is None:
        return []
    content = getattr(value, kind)
    match kind:
        case "bytes":
            return [content]
        case "json":
            return _elements(json.loads(content))
        case "string":
            return _of_text(content)
    return [str(content).encode()]


def _of_text(text: str) -> list[bytes]:
    bare = text.strip()
    if bare[:1] + bare[-1:] not in {"[]", "{}"}:
        return [text.encode()]
    try:
        return _elements(json.loads(bare))
    except ValueError as error:
        raise BadOutput(f"the text looks like JSON but is not valid ({error}): use bytes") from None


def _elements(document: Any) -> list[bytes]:  # noqa: ANN401 - any JSON
    elements = document if isinstance(document, list) else [document]
    return [
        (item if isinstance(item, str) else json.dumps(item, indent=2, ensure_ascii=False)).encode()
        for item in elements
    ]
