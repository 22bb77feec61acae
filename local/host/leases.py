"""A blob lease that makes one host of several the one that runs a timer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
)
from azure.storage.blob.aio import BlobClient, BlobLeaseClient

from local.host import logs

#: Seconds a lease outlives its holder. The true host's is 60; 15 is the least storage gives.
LEASE_SECONDS = 15

#: Seconds between two tries to get a lease that another host holds. The true host's is 60.
RETRY_SECONDS = 1.0


@asynccontextmanager
async def held(blob: BlobClient) -> AsyncIterator[asyncio.Event]:
    """Wait for the lease and hold it for the block; the event yielded is set when it is lost."""
    lease = await _acquired(blob)
    lost = asyncio.Event()
    renewal = asyncio.create_task(_renew(lease, lost))
    try:
        yield lost
    finally:
        renewal.cancel()
        with suppress(AzureError):
            await lease.release()


async def _acquired(blob: BlobClient) -> BlobLeaseClient:
    while True:
        try:
            # That it exists, or is leased, is what the next line expects.
            with suppress(ResourceExistsError, ResourceModifiedError):
                await blob.upload_blob(b"", overwrite=False)
            return await blob.acquire_lease(LEASE_SECONDS)
        except HttpResponseError as error:
            if error.status_code != 409:  # noqa: PLR2004 - LeaseAlreadyPresent is no trouble
                logs.log.warning("no lease on %s: %s", blob.blob_name, error)
        except AzureError as error:
            logs.log.warning("no lease on %s: %s", blob.blob_name, error)
        await asyncio.sleep(RETRY_SECONDS)


async def _renew(lease: BlobLeaseClient, lost: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(LEASE_SECONDS / 3)
        try:
            await lease.renew()
        except AzureError as error:
            logs.log.warning("the lease was lost: %s", error)
            lost.set()
            return
