"""Dead letters as blobs: what was given up on, for people to read."""

from typing import Final

from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import ContainerClient

from .storage_accounts import storage_errors

_JSON: Final = ContentSettings(content_type="application/json")


class BlobDeadLetters:
    """`DeadLetters` in a blob container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def put(self, name: str, body: bytes) -> None:
        """Keep a dead letter; an equal name is written over."""
        with storage_errors(f"keeping the dead letter {name!r}"):
            await self._container.upload_blob(name, body, overwrite=True, content_settings=_JSON)
