"""What callers put into storage for a job to use: long prompts, pictures to edit."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Final

from ..errors import AlreadyExists, Fault, InvalidJob, StaleVersion
from ..jobs.fields import MAX_PROMPT_BYTES, check_prompt, is_link
from ..jobs.text import decode_text
from ..pictures.inputs import HEAD_BYTES, InputHead, InputPicture, locate_input, read_inputs
from ..ports import Blobs
from .documents import list_all

#: What is read of a picture at once, bytes.
PIECE_BYTES: Final = 1 << 20


class Inputs:
    """The container of inputs, and the one of pictures that were made here."""

    def __init__(self, blobs: Blobs, images: Blobs, images_container: str) -> None:
        self.blobs, self.images = blobs, images
        #: Its name, with which names of its pictures begin: `pictures.inputs.locate_input`.
        self.images_container = images_container

    async def read_text(self, name: str, *, max_bytes: int) -> str | None:
        """Return the prompt in a blob; None if there is no blob; `InvalidJob` if it is wrong."""
        blob = await self.blobs.read(name, length=max_bytes + 1)
        return None if blob is None else as_text(name, blob.body, max_bytes)

    async def check_prompt(self, name: str) -> tuple[int, tuple[Fault, ...]]:
        """Return how many characters the prompt in a blob has, and its faults."""
        try:
            prompt = await self.read_text(name, max_bytes=MAX_PROMPT_BYTES)
        except InvalidJob as error:
            return 0, error.faults
        if prompt is None:
            fault = Fault("prompt_blob", f"there is no blob {name!r} in the inputs container")
            return 0, (fault,)
        return len(prompt), ()

    async def put_picture(self, name: str, body: bytes, content_type: str) -> None:
        """Write a picture that is named by its content; an existing one of this name stays."""
        with contextlib.suppress(AlreadyExists):
            await self.blobs.put(name, body, content_type=content_type, if_absent=True)

    def name_copy(self, folder: str) -> str:
        """Return the name of a blob that nobody has written: each copy is another one."""
        return f"{folder}{uuid.uuid4().hex}"

    async def names(self, folder: str) -> list[str]:
        """Return the names of all inputs in a folder; one listing."""
        return [name async for name, _ in list_all(self.blobs, folder)]

    async def remove(self, name: str) -> None:
        """Delete an input, if it is there; never a picture that was made here."""
        await self.blobs.delete(name)

    async def measure(
        self, inputs: Sequence[str], mask: str | None
    ) -> tuple[tuple[InputPicture, ...], tuple[Fault, ...]]:
        """Return the pictures of a job, inputs first, and all their faults.

        What a URL leads to is not known before it is copied, so that of a job with a URL no picture
        is returned, only the faults of the others.
        """
        names = dict.fromkeys([*inputs, *([mask] if mask else [])])
        blobs = [name for name in names if not is_link(name)]
        heads = {name: await self.head(name, most=HEAD_BYTES) for name in blobs}
        pictures, faults = read_inputs(inputs, mask, heads)
        return (pictures if len(blobs) == len(names) else ()), faults

    async def head(self, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of the blob; None when it does not exist."""
        place = self._find_place(name)
        if place is None:
            return None
        blobs, blob_name = place
        blob = await blobs.read(blob_name, length=most)
        return None if blob is None else InputHead(blob.version, blob.size, blob.body)

    async def read(self, name: str, version: str) -> AsyncIterator[bytes]:
        """Yield the blob in small ranges of this version, so that no picture is held whole.

        Raises `StaleVersion` as soon as the blob was changed or removed.
        """
        gone = f"the input {name!r} was changed or removed after its job was accepted"
        place = self._find_place(name)
        if place is None:
            raise StaleVersion(gone)
        blobs, blob_name = place
        start, size = 0, 1
        while start < size:
            try:
                blob = await blobs.read(
                    blob_name, start=start, length=PIECE_BYTES, if_version=version
                )
            except StaleVersion as error:
                raise StaleVersion(gone) from error
            if blob is None:
                raise StaleVersion(gone)
            size = blob.size
            start += len(blob.body)
            yield blob.body

    def _find_place(self, name: str) -> tuple[Blobs, str] | None:
        place = locate_input(name, inputs="", images=self.images_container)
        if place is None:
            return None
        container, blob_name = place
        return (self.images if container else self.blobs), blob_name


def as_text(name: str, body: bytes, max_bytes: int) -> str:
    """Return an input's bytes as a prompt; `InvalidJob` if they are too many, or no prompt."""
    try:
        if len(body) <= max_bytes:
            return check_prompt(decode_text(body))
        fault = f"{name!r} has more than {max_bytes:,} bytes, the most of a prompt"
    except ValueError as error:
        fault = f"{name!r} {error}"
    raise InvalidJob([Fault("prompt_blob", fault)])
