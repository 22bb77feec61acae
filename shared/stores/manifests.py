"""Manifests in their container, read by ranges of one version."""

from dataclasses import dataclass
from http import HTTPStatus

from ..adapters.storage.blobs import Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import StaleVersion, StoreUnavailable
from ..ports import FoundManifest


@dataclass(frozen=True, slots=True)
class BlobManifests:
    """`Manifests` in a blob container."""

    blobs: Blobs

    async def find(self, name: str) -> FoundManifest | None:
        """Tell how a manifest stands, None when there is none of this name."""
        found = await self.blobs.find(name, doing="looking for a manifest")
        if found is None:
            return None
        if found.modified_at is None:
            raise StoreUnavailable("looking for a manifest: the answer has no Last-Modified")
        return FoundManifest(found.version, found.size, found.modified_at)

    async def read(self, name: str, version: str, *, start: int, length: int) -> bytes:
        """Return bytes of this version; `StaleVersion` when it was changed or deleted."""
        gone = "the manifest was changed or deleted"
        try:
            found = await self.blobs.read(
                name,
                doing="reading a manifest",
                start=start,
                most=length,
                condition=if_still(f'"{version}"'),
            )
        except StorageRefusal as refusal:
            if refusal.status == HTTPStatus.PRECONDITION_FAILED:
                raise StaleVersion(gone) from refusal
            raise
        if found is None:
            raise StaleVersion(gone)
        return found.body
