"""Pictures out of storage: as a stream or a file, checked against what the record tells of them."""

import hashlib
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Final

from ..events.data import Image
from .results import DamagedPicture
from .storage import Storage

_WORDS: Final = "the picture {container}/{blob} is not the one that was stored: {why}"


async def picture_of(image: Image, storage: Storage) -> AsyncGenerator[bytes]:
    """Yield a picture's bytes as they arrive.

    `DamagedPicture` after the last of them if they are not those that were stored, `NoSuchBlob`
    before the first if there are none.
    """
    digest, size = hashlib.sha256(), 0
    async for chunk in storage.chunks(image.container, image.blob):
        digest.update(chunk)
        size += len(chunk)
        yield chunk
    if size != image.bytes:
        why = f"it has {size:,} bytes instead of {image.bytes:,}"
        raise DamagedPicture(_WORDS.format(container=image.container, blob=image.blob, why=why))
    if digest.hexdigest() != image.sha256:
        why = f"its SHA-256 is {digest.hexdigest()} instead of {image.sha256}"
        raise DamagedPicture(_WORDS.format(container=image.container, blob=image.blob, why=why))


def keep(chunks: Iterator[bytes], path: Path) -> None:
    """Write a picture's bytes into a file that is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
