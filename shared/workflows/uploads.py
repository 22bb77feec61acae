"""Store pictures to edit that callers upload over HTTP, whole or part by part.

A part has a `Content-Range` (RFC 9110, 14.4) and the digest of the whole picture, `Repr-Digest`
(RFC 9530): so parts of two pictures under one name never mix. All parts but the last have the same
length, so that the last one tells which parts there are.

The last part commits the blob if none has its name, and the app then reads it as a whole: what is
no picture is deleted again. A stop in between leaves a blob that each job checks before it uses it.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import Field, TypeAdapter, ValidationError

from ..errors import AlreadyExists, Fault, StaleVersion, UnreadableReply
from ..events.data import Data
from ..http_api.problems import Refused, problem, refused
from ..http_api.queries import lower_names, read_media_type
from ..jobs.fields import BlobName, is_link
from ..jobs.validation import plain_faults
from ..pictures.inputs import HEAD_BYTES, MAX_INPUT_BYTES, InputHead, read_inputs
from ..pictures.measuring import PictureFacts, PictureMeter
from ..stores.world import World
from ..vocabulary import APP_FOLDERS

#: Of each part but the last, bytes; a body is in memory whole.
PART_BYTES: Final = 4 << 20
#: Content types of pictures to edit.
PICTURE_TYPES: Final = ("image/png", "image/jpeg", "image/webp")
#: Folders whose names the app gives, within a tenant's folder too: nobody else stores bytes there.
_OF_THE_APP: Final = re.compile(rf"({'|'.join(sorted(APP_FOLDERS))}|[^/]+/linked)(?:/|$)")

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
    lower = lower_names(headers)
    content_type = read_media_type(lower.get("content-type"))
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
    taken = _OF_THE_APP.match(name)
    if taken or is_link(name):
        where = taken[1] if taken else folder
        raise refused("invalid_upload", f"names in {where!r} are given by the app; use another")


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


async def store_part(
    part: UploadPart, body: bytes, world: World
) -> tuple[UploadedInput, bool] | None:
    """Store a part. After the last one, return the picture and whether it is new; else None.

    The same picture under the same name again is no error. Raises `Refused` for another one, for
    bytes that are no picture, and where parts are missing.
    """
    blobs, is_new = world.input_pictures.blobs, True
    await blobs.stage(part.name, part.blocks[part.number], body)
    if not part.is_last:
        return None
    try:
        await blobs.commit(part.name, part.blocks, content_type=part.content_type, metadata={})
    except AlreadyExists:
        is_new = False
    head = await world.inputs.head(part.name, most=HEAD_BYTES)
    if head is None:
        raise refused("upload_conflict", "parts before the last one are missing; send all again")
    facts, faults = await _check(part, head, world)
    if faults and is_new:
        await blobs.delete(part.name, if_version=head.version)
        raise Refused(problem("invalid_upload", "; ".join(map(str, faults)), faults=faults))
    if faults or facts is None:
        raise refused("upload_conflict", f"{part.name!r} has other content; use another name")
    return UploadedInput(name=part.name, **facts.model_dump(exclude={"c2pa"})), is_new


async def _check(
    part: UploadPart, head: InputHead, world: World
) -> tuple[PictureFacts | None, list[Fault]]:
    """Return the facts of a stored picture, and why it is not the one that was uploaded."""
    meter, name = PictureMeter(), part.name
    try:
        async for piece in world.inputs.read(name, head.version):
            meter.feed(piece)
        facts = meter.finish()
    except (StaleVersion, UnreadableReply) as error:
        return None, [Fault("body", str(error))]
    faults = [Fault("body", fault.message) for fault in read_inputs([name], None, {name: head})[1]]
    if facts.sha256 != part.sha256:
        faults.append(Fault("Repr-Digest", f"the SHA-256 of the picture is {facts.sha256}"))
    if facts.content_type != part.content_type:
        faults.append(Fault("Content-Type", f"the picture is {facts.content_type}"))
    return facts, faults
