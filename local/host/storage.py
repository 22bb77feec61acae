"""The storage clients of the host: one per connection and service, opened on first use."""

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import HttpResponseError, ResourceExistsError
from azure.storage.blob.aio import BlobClient, BlobServiceClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.host.configuration import Connection, Misconfigured, connection

#: Container of the host's blobs, as in Azure.
HOST_CONTAINER = "azure-webjobs-hosts"

#: Time-out of connection and reply in seconds: local storage is near.
_PATIENCE = 10


class Storage:
    """Storage clients by the name of a connection.

    While the file `refusals` exists, storage refuses what it names, as it does while the roles of a
    new deployment spread: {"receive": 403, "renew": 503}.
    """

    def __init__(self, settings: Mapping[str, str], refusals: Path | None = None) -> None:
        self._settings = settings
        self._refusals = refusals
        self._open = AsyncExitStack()
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: BlobServiceClient | None = None

    async def close(self) -> None:
        """Close every client."""
        await self._open.aclose()

    def refuse(self, operation: str) -> None:
        """Raise HttpResponseError with the status that `refusals` names for an operation."""
        try:
            refused = json.loads(self._refusals.read_text()) if self._refusals else {}
        except FileNotFoundError:
            return
        if status := refused.get(operation):
            error = HttpResponseError(f"{operation}: {status}, as {self._refusals} asks")
            error.status_code = status
            raise error

    async def queue(self, connection_name: str, queue: str) -> QueueClient:
        """Return the client of a queue; messages are the raw stored text."""
        if connection_name not in self._queues:
            where = connection(connection_name, self._settings)
            made = partial(QueueServiceClient, connection_timeout=_PATIENCE, read_timeout=_PATIENCE)
            if where.connection_string:
                client = QueueServiceClient.from_connection_string(where.connection_string)
            elif where.queue_url:
                client = made(where.queue_url, credential=await self._credential(where))
            else:
                raise Misconfigured(f"connection {connection_name!r} has no queue service URI")
            self._queues[connection_name] = await self._open.enter_async_context(client)
        return self._queues[connection_name].get_queue_client(queue)

    async def host_blob(self, name: str) -> BlobClient:
        """Return the client of a host blob in `AzureWebJobsStorage`; create its container."""
        if self._blobs is None:
            where = connection("", self._settings)
            if where.connection_string:
                client = BlobServiceClient.from_connection_string(where.connection_string)
            elif where.blob_url:
                client = BlobServiceClient(where.blob_url, await self._credential(where))
            else:
                raise Misconfigured("AzureWebJobsStorage has no blob service URI")
            self._blobs = await self._open.enter_async_context(client)
            with suppress(ResourceExistsError):
                await self._blobs.create_container(HOST_CONTAINER)
        return self._blobs.get_blob_client(HOST_CONTAINER, name)

    async def _credential(self, where: Connection) -> AsyncTokenCredential:
        from azure.identity.aio import (  # noqa: PLC0415 - takes 0.4 s, and a laptop does not need it
            DefaultAzureCredential,
        )

        credential = DefaultAzureCredential(managed_identity_client_id=where.client_id)
        return await self._open.enter_async_context(credential)
