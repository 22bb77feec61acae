"""What callers put into storage for a job to use: long prompts, pictures to edit."""

from collections.abc import AsyncIterator
from typing import Final

from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob.aio import ContainerClient

from ..errors import Fault, InvalidJob, StaleVersion
from ..input_pictures import InputHead
from .storage_accounts import error_code, storage_errors

#: What is read of a picture at once, bytes.
PIECE_BYTES: Final = 1 << 20


class BlobInputs:
    """`Inputs` in a blob container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container

    async def read_text(self, name: str, *, max_bytes: int) -> str | None:
        """Return the blob as UTF-8 text, None when there is none; `InvalidJob` if it is too big."""
        with storage_errors(f"reading the input {name!r}"):
            try:
                stream = await self._container.download_blob(name, offset=0, length=max_bytes + 1)
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return None
                raise
            except HttpResponseError as error:
                if error_code(error) == "InvalidRange":
                    return ""  # an empty blob has no first byte to ask for
                raise
            body = await stream.readall()
        return as_text(name, body, max_bytes)

    async def head(self, name: str, *, most: int) -> InputHead | None:
        """Return the first `most` bytes of the blob, None when there is none."""
        with storage_errors(f"looking at the input {name!r}"):
            try:
                stream = await self._container.download_blob(name, offset=0, length=most)
                head = await stream.readall()
            except ResourceNotFoundError as error:
                if error_code(error) == "BlobNotFound":
                    return None
                raise
            except HttpResponseError as error:
                if error_code(error) == "InvalidRange":
                    return InputHead(version="", length=0, head=b"")
                raise
        found = stream.properties
        length = int(str(found.content_range).rpartition("/")[2])
        return InputHead(version=str(found.etag), length=length, head=head)

    async def read(self, name: str, version: str) -> AsyncIterator[bytes]:
        """Yield the blob piece by piece, each asked for only if the blob is still this version.

        A picture is never held: the SDK reads a whole range into memory, so ranges are small.
        """
        offset, length = 0, 1
        while offset < length:
            with storage_errors(f"reading the input {name!r}"):
                try:
                    stream = await self._container.download_blob(
                        name,
                        offset=offset,
                        length=PIECE_BYTES,
                        etag=version,
                        match_condition=MatchConditions.IfNotModified,
                    )
                    piece = await stream.readall()
                except (ResourceModifiedError, ResourceNotFoundError) as error:
                    raise StaleVersion(
                        f"the input {name!r} was changed or removed since its job was taken"
                    ) from error
            length = int(str(stream.properties.content_range).rpartition("/")[2])
            offset += len(piece)
            yield piece


def as_text(name: str, body: bytes, max_bytes: int) -> str:
    """Return an input's bytes as text; `InvalidJob` if there are too many or they are no UTF-8."""
    if len(body) > max_bytes:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is longer than {max_bytes:,} bytes")])
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is not UTF-8 text: {error}")]) from error
