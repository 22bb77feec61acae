"""Links that read one blob for a limited time: a SAS, signed by an identity or by the account key.

In Azure the app's identity fetches a user delegation key (role Storage Blob Delegator) and signs
with that; the key is kept and renewed. Where a connection string brings the account's own key, as
on a laptop, that one signs.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from ..errors import StoreUnavailable
from .storage_accounts import storage_errors

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
