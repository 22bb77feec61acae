"""What callers put into storage for a job to use: long prompts, pictures to edit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from ..adapters.storage.blobs import Blob, Blobs, if_still
from ..adapters.storage.rest import StorageRefusal
from ..errors import Fault, InvalidJob, StaleVersion
from ..pictures.inputs import InputHead, locate_input

#: What is read of a picture at once, bytes.
PIECE_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class BlobInputs:
    """`Inputs` in a blob container, and pictures in the one of those that were made here."""

    blobs: Blobs
    images: Blobs
    #: Its name, which stands before theirs: `pictures.inputs.locate_input`.
    images_container: str

    async def read_text(self, name: str, *, max_bytes: int) -> str | None:
        """Return the blob as UTF-8 text, None when there is none; `InvalidJob` if it is too big."""
        blob = await self.blobs.read(name, doing=f"reading the input {name!r}", most=max_bytes + 1)
        return None if blob is None else as_text(name, blob.body, max_bytes)

    async def head(self, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of the blob, None when there is none."""
        place = self._place(name)
        if place is None:
            return None
        blobs, where = place
        blob = await blobs.read(where, doing=f"looking at the input {name!r}", most=most)
        return None if blob is None else InputHead(blob.version, blob.size, blob.body)

    async def read(self, name: str, version: str) -> AsyncIterator[bytes]:
        """Yield the blob piece by piece, each asked for only if the blob is still this version.

        A picture is never held: an answer is read whole, so ranges are small.
        """
        offset, length = 0, 1
        while offset < length:
            blob = await self._piece(name, version, offset)
            length = blob.size
            offset += len(blob.body)
            yield blob.body

    async def _piece(self, name: str, version: str, start: int) -> Blob:
        gone = f"the input {name!r} was changed or removed since its job was taken"
        place = self._place(name)
        if place is None:
            raise StaleVersion(gone)
        blobs, where = place
        try:
            blob = await blobs.read(
                where,
                doing=f"reading the input {name!r}",
                start=start,
                most=PIECE_BYTES,
                condition=if_still(version),
            )
        except StorageRefusal as refusal:
            if refusal.status == HTTPStatus.PRECONDITION_FAILED:
                raise StaleVersion(gone) from refusal
            raise
        if blob is None:
            raise StaleVersion(gone)
        return blob

    def _place(self, name: str) -> tuple[Blobs, str] | None:
        place = locate_input(name, inputs="", images=self.images_container)
        if place is None:
            return None
        container, blob = place
        return (self.images if container else self.blobs), blob


def as_text(name: str, body: bytes, max_bytes: int) -> str:
    """Return an input's bytes as text; `InvalidJob` if there are too many or they are no UTF-8."""
    if len(body) > max_bytes:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is longer than {max_bytes:,} bytes")])
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is not UTF-8 text: {error}")]) from error
