"""Job records as blobs, `{job_id}.json`, written only on condition.

Every write carries an id of its own in the blob's metadata. When a conditional write is refused,
the id of what stands there tells whether it was our own first try, whose answer got lost and which
the SDK repeated, or somebody else's write. Comparing contents could not: two claims of one task
may be equal to the letter, and only one of them holds the task.
"""

import uuid
from typing import Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient, ContainerClient
from pydantic import ValidationError

from ..errors import AlreadyExists, StaleVersion, UnreadableRecord
from ..ports import Versioned
from ..records import JobRecord
from .storage_accounts import error_code, storage_errors

_JSON: Final = ContentSettings(content_type="application/json")
_WRITE_ID: Final = "write_id"


class BlobRecords:
    """`Records` in a blob container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def create(self, record: JobRecord) -> str:
        """Write a new record and return its version; `AlreadyExists` if the job has one."""
        blob, write_id = self._blob(record.job_id), uuid.uuid4().hex
        with storage_errors(f"creating the record of job {record.job_id}"):
            try:
                written = await blob.upload_blob(
                    record.model_dump_json().encode(),
                    overwrite=False,
                    content_settings=_JSON,
                    metadata={_WRITE_ID: write_id},
                )
            except ResourceExistsError as error:
                if version := await _version_of(blob, write_id):
                    return version
                raise AlreadyExists(f"job {record.job_id} has a record already") from error
            return str(written["etag"])

    async def read(self, job_id: str) -> Versioned[JobRecord] | None:
        """Return the record, or None when there is none."""
        with storage_errors(f"reading the record of job {job_id}"):
            try:
                stream = await self._blob(job_id).download_blob()
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return None
                raise
            body, version = await stream.readall(), str(stream.properties.etag)
        try:
            return Versioned(JobRecord.model_validate_json(body), version)
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
        blob, write_id = self._blob(record.job_id), uuid.uuid4().hex
        with storage_errors(f"writing the record of job {record.job_id}"):
            try:
                written = await blob.upload_blob(
                    record.model_dump_json().encode(),
                    overwrite=True,
                    etag=version,
                    match_condition=MatchConditions.IfNotModified,
                    content_settings=_JSON,
                    metadata={_WRITE_ID: write_id},
                )
            except ResourceModifiedError as error:
                if found := await _version_of(blob, write_id):
                    return found
                raise StaleVersion(f"the record of job {record.job_id} has changed") from error
            return str(written["etag"])

    def _blob(self, job_id: str) -> BlobClient:
        return self._container.get_blob_client(f"{job_id}.json")


async def _version_of(blob: BlobClient, write_id: str) -> str | None:
    """Return the version of the blob if the write of this id made it."""
    try:
        found = await blob.get_blob_properties()
    except ResourceNotFoundError:
        return None
    return str(found.etag) if found.metadata.get(_WRITE_ID) == write_id else None
