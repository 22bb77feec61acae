"""Manifests in their container, read by ranges of one version."""

from dataclasses import dataclass
from datetime import datetime

from ..errors import StaleVersion, StoreUnavailable
from ..ports import Blobs


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest's version (ETag), its size, and when it was written."""

    version: str
    bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Manifests:
    """The container that files are dropped into."""

    blobs: Blobs

    async def find(self, name: str) -> FoundManifest | None:
        """Return the properties of a manifest; None when it does not exist of this name."""
        found = await self.blobs.find(name)
        if found is None:
            return None
        if found.modified_at is None:
            raise StoreUnavailable(f"{name!r}: storage did not say when it was written")
        return FoundManifest(found.version, found.size, found.modified_at)

    async def read(self, name: str, version: str, *, start: int, length: int) -> bytes:
        """Return bytes of this version; `StaleVersion` when it was changed or deleted."""
        condition = version if version.startswith('"') else f'"{version}"'
        found = await self.blobs.read(name, start=start, length=length, if_version=condition)
        if found is None:
            raise StaleVersion(f"the manifest {name!r} was deleted")
        return found.body
