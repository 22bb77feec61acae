"""The storage account by its SDK: for what is rare, since its import costs more than all the rest.

What every job needs goes through `storage_wire` (docs/decisions/0009).

Clients are made without I/O and without an event loop; connections open with the first request.
The SDK repeats what is safe to repeat. A conditional write that is repeated may find its own first
try there ("it exists", "it changed"): `job_records` and `picture_store` know that.

Links that read one blob for a limited time: a SAS, signed by an identity or by the account key.

In Azure the app's identity fetches a user delegation key (role Storage Blob Delegator) and signs
with that; the key is kept and renewed. Where a connection string brings the account's own key, as
on a laptop, that one signs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Final

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from ...errors import Misconfigured, StoreUnavailable
from .account import StorageAddress
from .rest import StorageTuning

__all__ = [
    "StorageAccount",
    "StorageAddress",
    "StorageTuning",
    "describe_error",
    "error_code",
    "storage_errors",
]


class StorageAccount:
    """The clients of one account."""

    def __init__(
        self,
        address: StorageAddress,
        *,
        credential: AsyncTokenCredential | None = None,
        tuning: StorageTuning | None = None,
    ) -> None:
        self._address = address
        self._credential = credential
        self._tuning = tuning or StorageTuning()

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """The blob service."""
        if text := self._address.connection_string:
            with _malformed():
                return BlobServiceClient.from_connection_string(text, **self._options())
        with _malformed():
            return BlobServiceClient(
                self._address.blob_service_uri or "", self._credential, **self._options()
            )

    @cached_property
    def queues(self) -> QueueServiceClient:
        """The queue service."""
        if text := self._address.connection_string:
            with _malformed():
                return QueueServiceClient.from_connection_string(text, **self._options())
        with _malformed():
            return QueueServiceClient(
                self._address.queue_service_uri or "",
                credential=self._credential,
                **self._options(),
            )

    def container(self, name: str) -> ContainerClient:
        """Return the client of a container."""
        return self.blobs.get_container_client(name)

    async def close(self) -> None:
        """Close what is open."""
        for name in ("blobs", "queues"):
            if client := self.__dict__.pop(name, None):
                await client.close()

    def _options(self) -> dict[str, Any]:
        tuning = self._tuning
        return {
            "retry_total": tuning.retries,
            "retry_connect": tuning.retries,
            "retry_read": tuning.retries,
            "retry_status": tuning.retries,
            "initial_backoff": 0,
            "increment_base": tuning.backoff_base,
            "random_jitter_range": tuning.jitter_seconds,
            "connection_timeout": tuning.connect_seconds,
            "read_timeout": tuning.read_seconds,
            "logging_enable": False,
        }


@contextmanager
def storage_errors(doing: str) -> Iterator[None]:
    """Tell every failure of the SDK as `StoreUnavailable`: what was tried, and what was said.

    The conditional errors that mean something (it exists, it changed, it is not there) are caught
    inside the block by whoever knows what they mean.
    """
    try:
        yield
    except (AzureError, aiohttp.ClientError, OSError) as error:
        raise StoreUnavailable(f"{doing}: {describe_error(error)}") from error


#: What a status means that no retry mends.
_ADVICE: Final = {
    403: "; the app's identity needs the data roles of the account (Storage Blob Data Contributor, "
    "Storage Queue Data Message Sender)",
    404: "; create it first, the app never does",
}


def describe_error(error: Exception) -> str:
    """Return an SDK error in one line, without the XML and the ids that its text carries."""
    if isinstance(error, HttpResponseError) and error.status_code:
        code = error_code(error) or error.reason or type(error).__name__
        return f"{error.status_code} {code}{_ADVICE.get(error.status_code, '')}"
    return f"{type(error).__name__}: {str(error).partition('\n')[0]}"


def error_code(error: Exception) -> str:
    """Return the service's own code of an error, `BlobNotFound` for one; empty if it gave none."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


@contextmanager
def _malformed() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise Misconfigured(
            f"ImageStorage: not the connection string or the URL of an account ({error})"
        ) from error


#: The service takes none that is valid for longer than seven days.
_KEY_LIFE: Final = timedelta(days=7) - timedelta(minutes=30)
#: Clocks differ, and a key that is not yet valid signs nothing.
_SKEW: Final = timedelta(minutes=15)
#: Links end within a day, so a key with this much life left signs any of them.
_LEAST_LEFT: Final = timedelta(days=1, minutes=1)


class SignedLinks:
    """`ReadLinks` to the blobs of one container."""

    def __init__(self, container: ContainerClient, service: BlobServiceClient) -> None:
        self._container = container
        self._service = service
        self._key: UserDelegationKey | None = None
        self._key_until = datetime.min.replace(tzinfo=UTC)

    async def link(self, name: str, *, until: datetime) -> str:
        """Return a URL that reads this blob until then, over https wherever the account has it."""
        url = str(self._container.get_blob_client(name).url).partition("?")[0]
        account_key = getattr(self._service.credential, "account_key", None)
        signature = generate_blob_sas(
            account_name=str(self._service.account_name),
            container_name=str(self._container.container_name),
            blob_name=name,
            account_key=account_key,
            user_delegation_key=None if account_key else await self._delegation_key(),
            permission=BlobSasPermissions(read=True),
            expiry=until,
            protocol="https" if url.startswith("https:") else "https,http",
        )
        return f"{url}?{signature}"

    async def _delegation_key(self) -> UserDelegationKey:
        if not hasattr(self._service.credential, "get_token"):
            raise StoreUnavailable(
                "signing a read link: ImageStorage brings neither an account key nor an identity"
            )
        now = datetime.now(UTC)
        if self._key is None or self._key_until - now < _LEAST_LEFT:
            until = now + _KEY_LIFE
            with storage_errors("fetching a user delegation key"):
                self._key = await self._service.get_user_delegation_key(now - _SKEW, until)
            self._key_until = until
        return self._key
