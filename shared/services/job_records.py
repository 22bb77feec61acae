"""Job records as blobs, `{job_id}.json`, written only on condition.

Every write carries an id of its own in the blob's metadata. When a conditional write is refused,
the id of what stands there tells whether it was our own first try, whose answer got lost and which
the SDK repeated, or somebody else's write. Comparing contents could not: two claims of one task
may be equal to the letter, and only one of them holds the task.
"""

import uuid
from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from ..errors import AlreadyExists, StaleVersion, UnreadableRecord
from ..ports import Versioned
from ..records import JobRecord
from .blobs import IF_NEW, Blobs, if_still
from .storage_wire import StorageRefusal

_WRITE_ID: Final = "write_id"
#: The statuses of a condition that does not hold.
_REFUSED: Final = frozenset({409, 412})


class BlobRecords:
    """`Records` in a blob container."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def create(self, record: JobRecord) -> str:
        """Write a new record and return its version; `AlreadyExists` if the job has one."""
        job_id = record.job_id
        try:
            return await self._written(record, IF_NEW, f"creating the record of job {job_id}")
        except _Refused as refused:
            raise AlreadyExists(f"job {job_id} has a record already") from refused

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        """Return the record, or None when there is none."""
        doing = f"reading the record of job {job_id}"
        blob = await self._blobs.read(_name(job_id), doing=doing)
        if blob is None:
            return None
        try:
            return Versioned(JobRecord.model_validate_json(blob.body), blob.version)
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}"
                for fault in error.errors(include_url=False, include_input=False)
            )
            raise UnreadableRecord(
                f"the record of job {job_id} is none that this version understands: {faults}"
            ) from error

    async def replace(self, record: JobRecord, version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        job_id = record.job_id
        try:
            condition = if_still(version)
            return await self._written(record, condition, f"writing the record of job {job_id}")
        except _Refused as refused:
            raise StaleVersion(f"the record of job {job_id} has changed") from refused

    async def _written(self, record: JobRecord, condition: Mapping[str, str], doing: str) -> str:
        name, write_id = _name(record.job_id), uuid.uuid4().hex
        try:
            return await self._blobs.put(
                name,
                record.model_dump_json().encode(),
                doing=doing,
                metadata={_WRITE_ID: write_id},
                condition=condition,
            )
        except StorageRefusal as refusal:
            if refusal.status not in _REFUSED:
                raise
            found = await self._blobs.find(name, doing=doing)
            if found and found.metadata.get(_WRITE_ID) == write_id:
                return found.version
            raise _Refused from refusal


class _Refused(Exception):
    """The condition of a write did not hold, and not because of its own first try."""


def _name(job_id: str) -> str:
    return f"{job_id}.json"
