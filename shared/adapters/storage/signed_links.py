"""Links that read one blob for a limited time: a SAS, signed by an identity or by the account key.

In Azure the app's identity gets a user delegation key (role Storage Blob Delegator) and signs with
that; the key is kept and renewed. On a laptop the account key of the connection string signs.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from ...errors import StoreUnavailable
from .account import StorageAddress
from .rest import StorageClient

if TYPE_CHECKING:
    from azure.storage.blob import UserDelegationKey

#: The service takes no key that is valid for longer than seven days.
_KEY_LIFE: Final = timedelta(days=7) - timedelta(minutes=30)
#: Clocks differ, and a key that is not yet valid signs nothing.
_SKEW: Final = timedelta(minutes=15)
#: Links end within a day, so a key with this much life left signs any of them.
_LEAST_LEFT: Final = timedelta(days=1, minutes=1)
_SECONDS: Final = "%Y-%m-%dT%H:%M:%SZ"


class SignedBlobLinks:
    """`SignedLinks` to the blobs of one container."""

    def __init__(self, address: StorageAddress, client: StorageClient, container: str) -> None:
        self._address = address
        self._client = client
        self._container = container
        self._key: UserDelegationKey | None = None
        self._key_until = datetime.min.replace(tzinfo=UTC)

    async def link(self, name: str, *, until: datetime) -> str:
        """Return a URL that reads this blob until then, over https wherever the account has it."""
        # Half a second the first time: in a thread, so that replies under way go on meanwhile.
        sdk = await asyncio.to_thread(import_module, "azure.storage.blob")
        url = f"{self._address.url('blob')}/{self._container}/{quote(name, safe='/~')}"
        account_key = self._address.account_key
        signature = sdk.generate_blob_sas(
            account_name=self._address.account_name,
            container_name=self._container,
            blob_name=name,
            account_key=account_key,
            user_delegation_key=None if account_key else await self._delegation_key(),
            permission=sdk.BlobSasPermissions(read=True),
            expiry=until,
            protocol="https" if url.startswith("https:") else "https,http",
        )
        return f"{url}?{signature}"

    async def _delegation_key(self) -> "UserDelegationKey":
        """Return a key that is valid long enough.

        https://learn.microsoft.com/rest/api/storageservices/get-user-delegation-key
        """
        if self._address.connection_string:
            raise StoreUnavailable(
                "signing a read link: ImageStorage brings neither an account key nor an identity"
            )
        now = datetime.now(UTC)
        if self._key is None or self._key_until - now < _LEAST_LEFT:
            until = now + _KEY_LIFE
            start, expiry = f"{now - _SKEW:{_SECONDS}}", f"{until:{_SECONDS}}"
            response = await self._client.send(
                "POST",
                f"{self._address.url('blob')}/",
                doing="getting a user delegation key",
                query={"restype": "service", "comp": "userdelegationkey"},
                headers={"content-type": "application/xml"},
                body=f"<KeyInfo><Start>{start}</Start><Expiry>{expiry}</Expiry></KeyInfo>".encode(),
            )
            self._key, self._key_until = _delegation_key(response.body), until
        return self._key


def _delegation_key(body: bytes) -> "UserDelegationKey":
    from xml.etree import ElementTree as ET  # noqa: PLC0415 (few links are signed)

    from azure.storage.blob import UserDelegationKey  # noqa: PLC0415 (loaded by `link`)

    root, key = ET.fromstring(body), UserDelegationKey()  # type: ignore[no-untyped-call]  # noqa: S314 (has no types; the storage account's own reply)
    for name in ("oid", "tid", "start", "expiry", "service", "version"):
        setattr(key, f"signed_{name}", root.findtext(f"Signed{name.title()}"))
    key.value = root.findtext("Value")
    return key
