"""A blob lease: of several hosts, its holder runs the timer."""

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

#: Seconds until a lease expires. The real host uses 60; 15 is the minimum of storage.
LEASE_SECONDS = 15

#: Seconds between two tries to acquire a lease. The real host uses 60.
RETRY_SECONDS = 1.0


@asynccontextmanager
async def hold_lease(blob: BlobClient) -> AsyncIterator[asyncio.Event]:
    """Acquire the lease for the block; the yielded event is set when the lease is lost."""
    lease = await _acquire(blob)
    lost = asyncio.Event()
    renewal = asyncio.create_task(_renew(lease, lost))
    try:
        yield lost
    finally:
        renewal.cancel()
        with suppress(AzureError):
            await lease.release()


async def _acquire(blob: BlobClient) -> BlobLeaseClient:
    while True:
        try:
            # It may exist, or be leased.
            with suppress(ResourceExistsError, ResourceModifiedError):
                await blob.upload_blob(b"", overwrite=False)
            return await blob.acquire_lease(LEASE_SECONDS)
        except HttpResponseError as error:
            if error.status_code != 409:  # noqa: PLR2004 - LeaseAlreadyPresent is expected
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
