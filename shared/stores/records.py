"""Job records, `{job_id}.json`: the truth about every job, and the entries that reuse finds."""

import contextlib
from collections.abc import Callable

from pydantic import AwareDatetime

from ..errors import RecordGone, StaleVersion, UnreadableRecord
from ..jobs.fields import StoredModel
from ..ports import Blobs, Clock, Versioned
from ..records.record import JobRecord
from ..vocabulary import record_name
from .documents import Documents, until_written


class JobRecords:
    """The records in their container, written only on condition."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self.blobs, self.clock = blobs, clock

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


class ReuseEntry(StoredModel):
    """The newest job that made the pictures of a key."""

    job_id: str
    made_at: AwareDatetime


class ReuseEntries:
    """The newest job that made the pictures of each key, `reuse/{key}.json`, beside the records."""

    def __init__(self, blobs: Blobs, clock: Clock) -> None:
        self.blobs, self.clock = blobs, clock

    async def read(self, key: str) -> ReuseEntry | None:
        """Return the entry of a key; None without one that this version can read."""
        try:
            stored = await self._documents.read(reuse_name(key))
        except UnreadableRecord:
            return None
        return stored.value if stored else None

    async def put(self, key: str, entry: ReuseEntry) -> None:
        """Write the entry of a key unless a newer job has one; a damaged one is replaced."""
        name = reuse_name(key)

        async def attempt(_is_first: bool) -> None:  # noqa: FBT001 (of `until_written`)
            try:
                stored = await self._documents.read(name)
            except UnreadableRecord:
                await self.blobs.delete(name)
                stored = None
            if stored is None:
                await self._documents.write(name, entry)
            elif stored.value.made_at < entry.made_at:
                await self._documents.write(name, entry, stored.version)

        await until_written(attempt, self.clock, what=f"entry {name}")

    async def remove(self, key: str, job_id: str) -> None:
        """Delete the entry of a key if it names this job."""
        name = reuse_name(key)
        try:
            stored = await self._documents.read(name)
        except UnreadableRecord:
            return
        if stored and stored.value.job_id == job_id:
            with contextlib.suppress(StaleVersion):  # a newer job has the entry now
                await self.blobs.delete(name, if_version=stored.version)

    @property
    def _documents(self) -> Documents[ReuseEntry]:
        return Documents(self.blobs, ReuseEntry)


def reuse_name(key: str) -> str:
    """Return the blob name of the entry of a key."""
    return f"reuse/{key}.json"
