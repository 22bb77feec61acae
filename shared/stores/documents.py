"""Small JSON documents as blobs, written only on condition.

Every write carries an id of its own in the blob's metadata. When a conditional write is refused,
the id of what stands there tells whether it was our own first try, whose answer got lost and which
was repeated, or somebody else's write. Comparing contents could not: two claims of one task may be
equal to the letter, and only one of them holds the task.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError

from ..adapters.storage.blobs import IF_NEW, Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import AlreadyExists, StaleVersion, UnreadableRecord
from ..jobs.validation import plain_faults
from ..ports import Versioned

_WRITE_ID: Final = "write_id"
#: The statuses of a condition that does not hold.
_REFUSED: Final = frozenset({409, 412})


@dataclass(frozen=True, slots=True)
class VersionedBlobs[T: BaseModel]:
    """Documents of one kind in a container; `what` says in errors which one it is."""

    blobs: Blobs
    model: type[T]

    async def create(self, name: str, document: T, *, what: str) -> str:
        """Write a new document and return its version; `AlreadyExists` if there is one."""
        try:
            return await self._written(name, document, IF_NEW, f"creating the {what}")
        except _Refused as refused:
            raise AlreadyExists(f"the {what} is there already") from refused

    async def read(self, name: str, *, what: str) -> Versioned[T] | None:
        """Return the document, None when there is none; `UnreadableRecord` if it is another."""
        blob = await self.blobs.read(name, doing=f"reading the {what}")
        if blob is None:
            return None
        try:
            return Versioned(self.model.model_validate_json(blob.body), blob.version)
        except ValidationError as error:
            faults = "; ".join(map(str, plain_faults(error)))
            raise UnreadableRecord(
                f"the {what} is none that this version understands: {faults}"
            ) from error

    async def replace(self, name: str, document: T, version: str, *, what: str) -> str:
        """Write the document if it still has `version`; `StaleVersion` if it does not."""
        try:
            return await self._written(name, document, if_still(version), f"writing the {what}")
        except _Refused as refused:
            raise StaleVersion(f"the {what} has changed") from refused

    async def _written(
        self, name: str, document: T, condition: Mapping[str, str], doing: str
    ) -> str:
        write_id = uuid.uuid4().hex
        try:
            return await self.blobs.put(
                name,
                document.model_dump_json().encode(),
                doing=doing,
                metadata={_WRITE_ID: write_id},
                condition=condition,
            )
        except StorageRefusal as refusal:
            if refusal.status not in _REFUSED:
                raise
            found = await self.blobs.find(name, doing=doing)
            if found and found.metadata.get(_WRITE_ID) == write_id:
                return found.version
            raise _Refused from refusal


class _Refused(Exception):
    """The condition of a write did not hold, and not because of its own first try."""
