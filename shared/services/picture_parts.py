"""Parts of stored pictures: some bytes at a time, so that serving one never holds it whole."""

from ..ports import PicturePart
from .blobs import Blobs


async def read_part(blobs: Blobs, name: str, start: int, length: int) -> PicturePart | None:
    """Return at most `length` bytes from `start` on, none past the end; None if it is no blob."""
    found = await blobs.read(name, doing=f"reading {name!r}", start=start, most=length)
    if found is None:
        return None
    return PicturePart(
        data=found.body,
        start=start,
        total=found.size,
        content_type=found.content_type or "application/octet-stream",
        version=found.version,
    )
