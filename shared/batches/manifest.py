"""A manifest: a file dropped into a container starts a batch; this is how we are told of it.

Event Grid says so with `Microsoft.Storage.BlobCreated` in a queue message, in its own schema or as
a CloudEvent. Only the blob's name and version are taken from it, never its URL: what is read is
read from our own container.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import Fault, MalformedMessage
from ..jobs.fields import JobId
from ..jobs.parsing import derived_job_id, document

_CREATED: Final = "Microsoft.Storage.BlobCreated"
#: A data lake announces a file before it has content; `FlushWithClose` tells when it has.
_EMPTY_YET: Final = "CreateFile"


class Format(StrEnum):
    """How a manifest is written: its extension says so."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


_EXTENSIONS: Final = {
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
}


@dataclass(frozen=True, slots=True)
class DroppedFile:
    """A blob that was created."""

    container: str
    name: str
    #: Its version then, without quotes; None when the message does not say.
    version: str | None


class Continuation(BaseModel):
    """Our own message: go on with a batch. A message of an earlier turn has been overtaken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: JobId
    turn: int = Field(ge=0)
    #: How long this turn waited, seconds: the next waits longer when nothing has happened.
    waited: float = Field(default=0, ge=0)

    def to_bytes(self) -> bytes:
        """Return the message as it stands on the queue."""
        return self.model_dump_json().encode()


def read_notice(body: bytes) -> DroppedFile | Continuation | None:
    """Read a message of the manifests queue; None for an event that starts nothing.

    Raises `MalformedMessage`.
    """
    content = document(body)
    if "batch_id" in content:
        try:
            return Continuation.model_validate(content)
        except ValidationError as error:
            raise MalformedMessage(
                [Fault(str(fault["loc"][0]), fault["msg"]) for fault in error.errors()]
            ) from error
    kind = content.get("eventType", content.get("type"))
    if not isinstance(kind, str):
        raise MalformedMessage([Fault("", "the message is no event: it has no eventType or type")])
    data = content.get("data")
    told: Mapping[str, Any] = data if isinstance(data, dict) else {}
    if kind != _CREATED or told.get("api") == _EMPTY_YET:
        return None
    version = told.get("eTag", told.get("etag"))
    container, name = _place(content.get("subject"))
    return DroppedFile(container, name, unquoted(version) if isinstance(version, str) else None)


def _place(subject: object) -> tuple[str, str]:
    """Read `/blobServices/default/containers/{container}/blobs/{name}`."""
    if isinstance(subject, str):
        _, _, rest = subject.partition("/containers/")
        container, found, name = rest.partition("/blobs/")
        if found and container and name:
            return container, name
    raise MalformedMessage(
        [Fault("subject", "is no blob; it must be …/containers/{container}/blobs/{name}")]
    )


def unquoted(version: str) -> str:
    """Return an ETag as Event Grid writes it: storage puts quotes around it."""
    return version.strip('"')


def format_of(name: str) -> Format:
    """Return the format of a manifest; `ValueError` if its extension is of none."""
    extension = PurePosixPath(name).suffix.lower()
    if extension not in _EXTENSIONS:
        known = ", ".join(_EXTENSIONS)
        raise ValueError(f"the extension {extension!r} is of no manifest; use one of {known}")
    return _EXTENSIONS[extension]


def batch_id_of(name: str, version: str, modified_at: datetime) -> str:
    """Return the id of the batch that this version of the manifest starts: always the same."""
    return derived_job_id(modified_at, f"manifest\n{name}\n{unquoted(version)}")


def entry_seed(name: str, version: str, entry: int) -> str:
    """Return what the id of an entry's job is made from, unless it names one: always the same."""
    return f"manifest\n{name}\n{unquoted(version)}\n{entry}"
