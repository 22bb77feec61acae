"""Manifests: their formats and ids, and the queue messages that start or continue a batch.

A file in the manifests container starts a batch. Event Grid reports it with
`Microsoft.Storage.BlobCreated` in a queue message, in its own schema or as a CloudEvent. Only the
blob's name and version are used, never its URL: the app reads from its own container alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    FiniteFloat,
    ValidationError,
)

from ..errors import Fault, MalformedMessage
from ..jobs.fields import TENANT_NAME, JobId, quote_value
from ..jobs.parsing import derived_job_id, document
from ..jobs.validation import plain_faults
from ..records.commands import MAX_RUNS

#: The same key makes the same id at any time.
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_CREATED: Final = "Microsoft.Storage.BlobCreated"
#: A data lake reports a file before it has content, and with `FlushWithClose` when it has.
_EMPTY_YET: Final = "CreateFile"
#: Holds a folder for each tenant: the files in it are of that tenant.
_TENANTS: Final = "tenants/"


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
class CreatedBlob:
    """A blob that was created, as Event Grid reports it."""

    container: str
    name: str
    #: Its version then, without quotes; None when the message does not say.
    version: str | None


class Continuation(BaseModel, frozen=True, extra="forbid"):
    """The app's own message: continue a batch. `delay_of_step` says whether it is still valid."""

    batch_id: JobId
    step: int = Field(ge=0, le=MAX_RUNS, validation_alias=AliasChoices("step", "turn"))
    #: How long this step waited, seconds: the next waits longer when nothing has happened.
    waited: FiniteFloat = Field(default=0, ge=0)

    def to_bytes(self) -> bytes:
        """Return the message as it is on the queue."""
        return self.model_dump_json().encode()


def read_notice(body: bytes) -> CreatedBlob | Continuation | None:
    """Read a message of the manifests queue; None for an event that starts nothing.

    Raises `MalformedMessage`.
    """
    content = document(body)
    if "batch_id" in content:
        try:
            return Continuation.model_validate(content)
        except ValidationError as error:
            raise MalformedMessage(plain_faults(error)) from error
    event_type = content.get("eventType", content.get("type"))
    if not isinstance(event_type, str):
        raise MalformedMessage([Fault("", "the message is not an event: no eventType or type")])
    data = content.get("data")
    facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
    if event_type != _CREATED or facts.get("api") == _EMPTY_YET:
        return None
    version = facts.get("eTag", facts.get("etag"))
    container, name = _read_subject(content.get("subject"))
    return CreatedBlob(container, name, unquoted(version) if isinstance(version, str) else None)


def _read_subject(subject: object) -> tuple[str, str]:
    """Return container and name of `/blobServices/default/containers/{container}/blobs/{name}`."""
    if isinstance(subject, str):
        _, _, rest = subject.partition("/containers/")
        container, found, name = rest.partition("/blobs/")
        if found and container and name:
            return container, name
    raise MalformedMessage(
        [Fault("subject", "is not a blob; it must be …/containers/{container}/blobs/{name}")]
    )


def unquoted(version: str) -> str:
    """Return an ETag as Event Grid writes it: storage puts quotes around it."""
    return version.strip('"')


def format_of(name: str) -> Format:
    """Return the format of a manifest; `ValueError` if its extension is not one of a manifest."""
    extension = PurePosixPath(name).suffix.lower()
    if extension not in _EXTENSIONS:
        known = ", ".join(_EXTENSIONS)
        raise ValueError(f"{extension!r} is not the extension of a manifest; use one of {known}")
    return _EXTENSIONS[extension]


def name_in_folder(tenant: str | None, name: str) -> str:
    """Return the name of a file in the folder of its tenant, if it has one.

    Raises `ValueError` if that is not the name of a tenant.
    """
    if tenant is None:
        return name
    placed = f"{_TENANTS}{tenant}/{name}"
    tenant_of_file(placed)
    return placed


def tenant_of_file(name: str) -> str | None:
    """Return the tenant of all jobs of a file, by its folder `tenants/shop/`; None in another one.

    Raises `ValueError` if what follows `tenants/` is not a tenant.
    """
    if not name.startswith(_TENANTS):
        return None
    tenant, _, rest = name.removeprefix(_TENANTS).partition("/")
    if not (rest and re.fullmatch(TENANT_NAME, tenant)):
        raise ValueError(
            f"{quote_value(tenant)} is not the name of a tenant: a file in {_TENANTS} must be in "
            f"the folder of one, like {_TENANTS}shop/foxes.csv; use 1 to 40 of a-z 0-9 -"
        )
    return tenant


def batch_id_of(name: str, version: str, modified_at: datetime) -> str:
    """Return the id of the batch of this version of a manifest: always the same."""
    return derived_job_id(modified_at, f"manifest\n{name}\n{unquoted(version)}")


def list_batch_id(key: str | None, digest: str, tenant: str | None = None) -> str:
    """Return the id of the batch of a list over HTTP: of its idempotency key, or its SHA-256.

    Equal lists and keys of two tenants are two batches.
    """
    of_tenant = "" if tenant is None else f"tenant {tenant}\n"
    return derived_job_id(_EPOCH, f"list\n{of_tenant}{f'key {key}' if key else digest}")


def entry_seed(name: str, version: str, entry: int) -> str:
    """Return the seed of the id of an entry's job that names none: always the same."""
    return f"manifest\n{name}\n{unquoted(version)}\n{entry}"
