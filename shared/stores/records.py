"""Job records as blobs, `{job_id}.json`, written only on condition."""

from ..adapters.storage.blobs import Blobs
from ..ports import Versioned
from ..records.record import JobRecord
from .documents import VersionedBlobs


class BlobRecords:
    """`Records` in a blob container."""

    def __init__(self, blobs: Blobs) -> None:
        self._documents = VersionedBlobs(blobs, JobRecord)

    async def create(self, record: JobRecord) -> str:
        """Write a new record and return its version; `AlreadyExists` if the job has one."""
        return await self._documents.create(_name(record.job_id), record, what=_what(record.job_id))

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        """Return the record, or None when there is none."""
        return await self._documents.read(_name(job_id), what=_what(job_id))

    async def replace(self, record: JobRecord, version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        name, what = _name(record.job_id), _what(record.job_id)
        return await self._documents.replace(name, record, version, what=what)


def _name(job_id: str) -> str:
    return f"{job_id}.json"


def _what(job_id: str) -> str:
    return f"record of job {job_id}"
