"""Read a request that uploads a picture to edit, whole or one part of it.

A part has a `Content-Range` (RFC 9110, 14.4) and the digest of the whole picture, `Repr-Digest`
(RFC 9530): so parts of two pictures under one name never mix. All parts but the last have the same
length, so that the last one tells which parts there are.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import Field, TypeAdapter, ValidationError

from ..events.data import Data
from ..jobs.fields import BlobName, is_link
from ..jobs.validation import plain_faults
from ..pictures.inputs import MAX_INPUT_BYTES
from .problems import refused

#: Of each part but the last, bytes; a body is in memory whole.
PART_BYTES: Final = 4 << 20
#: Content types of pictures to edit.
PICTURE_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
#: Folders whose names the app gives: others must not put their bytes there.
_OF_THE_APP: Final = frozenset({"linked", "pictures", "prompts"})

_RANGE: Final = re.compile(r"bytes ([0-9]{1,9})-([0-9]{1,9})/([0-9]{1,9})")
_DIGEST: Final = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")
_NAME: Final[TypeAdapter[str]] = TypeAdapter(BlobName)


class UploadedInput(Data):
    """A picture that jobs can edit."""

    name: str = Field(description="For `inputs` or `mask` of a job.")
    content_type: str
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class UploadPart:
    """Bytes of a picture on its way to a blob."""

    name: str
    content_type: str
    #: Place among the parts, and how many there are.
    number: int
    count: int
    #: Of the whole picture, hexadecimal.
    sha256: str

    @property
    def blocks(self) -> tuple[str, ...]:
        """The ids of all blocks; those of another picture differ."""
        return tuple(f"{self.sha256[:32]}{number:06d}" for number in range(self.count))

    @property
    def is_last(self) -> bool:
        """Whether the picture is complete with this part, if the others came before."""
        return self.number == self.count - 1


def read_upload(
    name: str, headers: Mapping[str, str], body: bytes, *, tenant: str | None
) -> UploadPart:
    """Return what a request uploads, or raise `Refused`; `tenant` is that of a bound caller."""
    lower = {key.lower(): value for key, value in headers.items()}
    content_type = lower.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in PICTURE_TYPES:
        raise refused("unsupported_media_type", f"send {', '.join(PICTURE_TYPES)}")
    if len(body) > PART_BYTES:
        raise refused(
            "too_large",
            f"the body has {len(body):,} bytes; send parts of {PART_BYTES:,} with Content-Range",
        )
    if not body:
        raise refused("invalid_upload", "the body is empty")
    _check_name(name, tenant)
    number, count = _read_range(lower.get("content-range"), len(body))
    digest = _read_digest(lower.get("repr-digest"))
    if count == 1:
        found = hashlib.sha256(body).hexdigest()
        if digest not in {None, found}:
            raise refused("invalid_upload", "Repr-Digest is not the SHA-256 of the body")
        digest = found
    if digest is None:
        raise refused(
            "invalid_upload",
            "a part needs Repr-Digest: sha-256=:…: with the SHA-256 of the whole picture in base64",
        )
    return UploadPart(name, content_type, number, count, digest)


def _check_name(name: str, tenant: str | None) -> None:
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        raise refused("invalid_upload", "; ".join(map(str, plain_faults(error)))) from error
    folder, _, rest = name.partition("/")
    if tenant is not None and not (rest and folder == tenant):
        raise refused("not_allowed", f"the name must begin with '{tenant}/'")
    if folder in _OF_THE_APP or is_link(name):
        raise refused("invalid_upload", f"names in {folder!r} are given by the app; use another")


def _read_range(text: str | None, length: int) -> tuple[int, int]:
    """Return the place of a part and how many parts there are."""
    if text is None:
        return 0, 1
    found = _RANGE.fullmatch(text.strip())
    start, end, total = map(int, found.groups()) if found else (0, 0, 0)
    if not found or end - start + 1 != length or end >= total:
        raise refused(
            "invalid_upload",
            f"Content-Range must be 'bytes first-last/total' of the {length:,} bytes of the body",
        )
    if total >= MAX_INPUT_BYTES:
        raise refused(
            "too_large", f"the picture has {total:,} bytes; less than {MAX_INPUT_BYTES:,} fit"
        )
    if start % PART_BYTES or (end + 1 != total and length != PART_BYTES):
        raise refused(
            "invalid_upload", f"each part but the last must have exactly {PART_BYTES:,} bytes"
        )
    return start // PART_BYTES, -(-total // PART_BYTES)


def _read_digest(text: str | None) -> str | None:
    if text is None:
        return None
    found = _DIGEST.search(text)
    try:
        digest = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        digest = b""
    if len(digest) != hashlib.sha256().digest_size:
        raise refused("invalid_upload", "Repr-Digest must have sha-256=:…: in base64 (RFC 9530)")
    return digest.hex()
