"""Dead letters, `{yyyy}/{mm}/{dd}/{name}.json`: what the app gave up on, kept for people."""

from dataclasses import dataclass

from ..ports import Blobs


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead letters in their container."""

    blobs: Blobs

    async def put(self, name: str, body: bytes) -> None:
        """Store a dead letter; an equal name is overwritten."""
        await self.blobs.put(name, body)
