"""What callers put into storage for a job to use: prompts too long for a message."""

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.storage.blob.aio import ContainerClient

from ..errors import Fault, InvalidJob
from .storage_accounts import error_code, storage_errors


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


def as_text(name: str, body: bytes, max_bytes: int) -> str:
    """Return an input's bytes as text; `InvalidJob` if there are too many or they are no UTF-8."""
    if len(body) > max_bytes:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is longer than {max_bytes:,} bytes")])
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidJob([Fault("prompt_blob", f"{name!r} is not UTF-8 text: {error}")]) from error
