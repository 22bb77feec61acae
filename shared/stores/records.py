"""Job records, `{job_id}.json`: the truth about every job."""

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import RecordGone
from ..ports import Blobs, Clock, Versioned
from ..records.record import JobRecord
from ..vocabulary import record_name
from .documents import Documents, until_written


@dataclass(frozen=True, slots=True)
class JobRecords:
    """The records in their container, written only on condition."""

    blobs: Blobs
    clock: Clock

    async def create(self, record: JobRecord) -> str:
        """Write a new record and return its version; `AlreadyExists` if the job has one."""
        return await self._documents.write(record_name(record.job_id), record)

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        """Return the record; None when it does not exist."""
        return await self._documents.read(record_name(job_id))

    async def replace(self, record: JobRecord, version: str) -> str:
        """Write the record if it still has `version`; `StaleVersion` if it does not."""
        return await self._documents.write(record_name(record.job_id), record, version)

    async def update(
        self, stored: Versioned[JobRecord], step: Callable[[JobRecord], JobRecord]
    ) -> Versioned[JobRecord]:
        """Take a step from the record and write it, again from each version another writer left.

        The step may raise to stop (`Superseded`, say). Raises `RecordGone` when the record was
        deleted meanwhile.
        """
        job_id = stored.value.job_id

        async def attempt(is_first: bool) -> Versioned[JobRecord]:  # noqa: FBT001 (of `until_written`)
            current = stored if is_first else await self.read(job_id)
            if current is None:
                raise RecordGone(f"the record of {job_id!r} was deleted")
            record = step(current.value)
            if record == current.value:
                return current
            return Versioned(record, await self.replace(record, current.version))

        return await until_written(attempt, self.clock, what=f"record of job {job_id}")

    @property
    def _documents(self) -> Documents[JobRecord]:
        return Documents(self.blobs, JobRecord)
