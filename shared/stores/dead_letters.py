"""Dead letters as blobs: what was given up on, for people to read."""

from dataclasses import dataclass

from ..adapters.storage.blobs import Blobs


@dataclass(frozen=True, slots=True)
class BlobDeadLetters:
    """`DeadLetters` in a blob container."""

    blobs: Blobs

    async def put(self, name: str, body: bytes) -> None:
        """Keep a dead letter; an equal name is written over."""
        await self.blobs.put(name, body, doing=f"keeping the dead letter {name!r}")
