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

#: Seconds until a lease expires in Azure, and until a host tries again to acquire it.
LEASE_SECONDS = 60

#: The least that storage gives, seconds.
SHORTEST_LEASE = 15


@asynccontextmanager
async def hold_lease(blob: BlobClient, seconds: int) -> AsyncIterator[asyncio.Event]:
    """Acquire the lease for the block; the yielded event is set when the lease is lost."""
    lease = await _acquire(blob, seconds)
    lost = asyncio.Event()
    renewal = asyncio.create_task(_renew(lease, seconds, lost))
    try:
        yield lost
    finally:
        renewal.cancel()
        with suppress(AzureError):
            await lease.release()


async def _acquire(blob: BlobClient, seconds: int) -> BlobLeaseClient:
    while True:
        try:
            # It may exist, or be leased.
            with suppress(ResourceExistsError, ResourceModifiedError):
                await blob.upload_blob(b"", overwrite=False)
            return await blob.acquire_lease(seconds)
        except HttpResponseError as error:
            if error.status_code != 409:  # noqa: PLR2004 - LeaseAlreadyPresent is expected
                logs.log.warning("no lease on %s: %s", blob.blob_name, error)
        except AzureError as error:
            logs.log.warning("no lease on %s: %s", blob.blob_name, error)
        await asyncio.sleep(seconds)


async def _renew(lease: BlobLeaseClient, seconds: int, lost: asyncio.Event) -> None:
    while True:
        await asyncio.sleep(seconds / 3)
        try:
            await lease.renew()
        except AzureError as error:
            logs.log.warning("the lease was lost: %s", error)
            lost.set()
            return
