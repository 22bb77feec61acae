"""Links to pictures, opened with the first one asked for: no job needs them, nor their SDK."""

import asyncio
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING

from ..identity import EntraCredential
from .account import StorageAddress

if TYPE_CHECKING:
    from .sdk import SignedLinks, StorageAccount


class LazySignedLinks:
    """`ReadLinks` to the blobs of one container."""

    def __init__(
        self, address: StorageAddress, credential: EntraCredential, container: str
    ) -> None:
        self._address = address
        self._credential = credential
        self._container = container
        self._account: StorageAccount | None = None
        self._links: SignedLinks | None = None

    async def link(self, name: str, *, until: datetime) -> str:
        """Return a URL that reads this blob until then."""
        if self._links is None:
            # Half a second: in a thread, so that replies under way are taken in meanwhile.
            await asyncio.to_thread(import_module, ".sdk", __package__)
        return await (self._links or self._opened()).link(name, until=until)

    async def close(self) -> None:
        """Close what is open."""
        if self._account:
            await self._account.close()

    def _opened(self) -> "SignedLinks":
        # ruff: noqa: PLC0415 (see the module's docstring)
        from .sdk import SignedLinks, StorageAccount

        self._account = StorageAccount(self._address, credential=self._credential)
        self._links = SignedLinks(self._account.container(self._container), self._account.blobs)
        return self._links
