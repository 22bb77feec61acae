"""What a call sends: JSON or a form, with pictures streamed out of storage while they go out.

A body knows its length beforehand, and it cannot be sent twice: a paid call never is. Nothing here
holds a picture.
"""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Final

import pybase64
from pydantic import JsonValue

from ..images_api.requests import ImageRequest, Upload
from ..stores.inputs import Inputs
from ..vocabulary import extension_of

_CRLF: Final = b"\r\n"


class InputLost(Exception):
    """A picture could not be read to its end: the request that was to carry it is not whole."""


@dataclass(slots=True)
class RequestBody:
    """The bytes of a request, in pieces, once."""

    request: ImageRequest
    inputs: Inputs
    #: Why it broke off before its end, if it did: then the endpoint has no whole request.
    failure: Exception | None = None
    _boundary: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def content_type(self) -> str:
        """Say what the body is."""
        if self.request.form:
            return f"multipart/form-data; boundary={self._boundary}"
        return "application/json"

    def whole(self) -> bytes | None:
        """Return the body at once where it is small, None where pictures go along."""
        if self.request.uploads:
            return None
        return b"".join(part for part in self._parts() if isinstance(part, bytes))

    def __len__(self) -> int:
        return sum(
            len(part) if isinstance(part, bytes) else self._length(part) for part in self._parts()
        )

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts():
            if isinstance(part, bytes):
                yield part
                continue
            try:
                async for piece in self._encoded(part):
                    yield piece
            except Exception as error:
                self.failure = error
                raise

    def _parts(self) -> Iterator[bytes | Upload]:
        return self._form() if self.request.form else self._json()

    def _json(self) -> Iterator[bytes | Upload]:
        text = json.dumps(self.request.body, ensure_ascii=False).encode()
        if not self.request.uploads:
            yield text
            return
        yield text.removesuffix(b"}")
        for upload in self.request.uploads:
            yield f', {json.dumps(upload.field)}: "'.encode()
            yield upload
            yield b'"'
        yield b"}"

    def _form(self) -> Iterator[bytes | Upload]:
        start = f"--{self._boundary}\r\ncontent-disposition: form-data; name=".encode()
        for name, value in self.request.body.items():
            yield start + f'"{name}"\r\n\r\n'.encode() + _as_text(value).encode() + _CRLF
        for number, upload in enumerate(self.request.uploads):
            # A name of our own: a caller's would travel in a header.
            kind = upload.picture.content_type
            filename = f"{upload.picture.role}-{number}.{extension_of(kind)}"
            yield (
                start
                + (
                    f'"{upload.field}"; filename="{filename}"\r\ncontent-type: {kind}\r\n\r\n'
                ).encode()
            )
            yield upload
            yield _CRLF
        yield f"--{self._boundary}--\r\n".encode()

    def _length(self, upload: Upload) -> int:
        length = upload.picture.bytes
        return length if self.request.form else (length + 2) // 3 * 4

    async def _encoded(self, upload: Upload) -> AsyncIterator[bytes]:
        picture, left, rest = upload.picture, upload.picture.bytes, b""
        async for piece in self.inputs.read(picture.blob, picture.version):
            left -= len(piece)
            if self.request.form:
                yield piece
                continue
            whole = rest + piece
            cut = len(whole) - len(whole) % 3
            rest = whole[cut:]
            yield pybase64.b64encode(whole[:cut])
        if left:
            raise InputLost(f"the input {picture.blob!r} is not {picture.bytes:,} bytes long")
        if rest:
            yield pybase64.b64encode(rest)


def _as_text(value: JsonValue) -> str:
    """Write a member as a field of a form: numbers and booleans as JSON has them."""
    return value if isinstance(value, str) else json.dumps(value)
