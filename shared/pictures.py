"""What a picture is, measured as its bytes pass: its kind, size, length and digest."""

import hashlib
from dataclasses import dataclass

from .errors import UnreadableReply
from .jpeg import SIGNATURE as JPEG
from .jpeg import JpegWalk

_PNG = b"\x89PNG\r\n\x1a\n"
#: The last chunk of every PNG: no bytes, its name, its checksum.
_IEND = b"\x00\x00\x00\x00IEND\xaeB\x60\x82"
#: Signature, length and name of the first chunk, width, height.
_PNG_HEAD = 24
_HEAD = 30  # what the longest header (WebP) needs
_TAIL = len(_IEND)


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What was measured of a whole picture."""

    content_type: str
    width: int
    height: int
    bytes: int
    #: Of the picture as it came, in hexadecimal.
    sha256: str


class PictureMeter:
    """Measures one PNG, JPEG or WebP fed to it in any chunks; keeps its first and last bytes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._length = 0
        self._head = b""
        self._tail = b""
        self._jpeg = JpegWalk()

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the picture."""
        self._digest.update(data)
        self._length += len(data)
        self._head += data[: _HEAD - len(self._head)]
        self._tail = (self._tail + data[-_TAIL:])[-_TAIL:]
        if self._head.startswith(JPEG[: len(self._head)]):
            self._jpeg.feed(data)

    def finish(self) -> PictureFacts:
        """Return the facts, or raise `UnreadableReply` if this is no whole picture."""
        content_type, (width, height) = self._read()
        if not (width and height):
            raise UnreadableReply(f"The picture is no {content_type}: its header says no size.")
        return PictureFacts(content_type, width, height, self._length, self._digest.hexdigest())

    def _read(self) -> tuple[str, tuple[int, int]]:
        if not self._length:
            raise UnreadableReply("The picture is empty.")
        if self._head.startswith(_PNG):
            self._must_be_whole("image/png", whole=self._tail == _IEND)
            return "image/png", _png_size(self._head)
        if self._head.startswith(JPEG):
            self._must_be_whole("image/jpeg", whole=self._jpeg.whole)
            return "image/jpeg", self._jpeg.size
        if self._head.startswith(b"RIFF") and self._head[8:12] == b"WEBP":
            said = int.from_bytes(self._head[4:8], "little") + 8
            self._must_be_whole("image/webp", whole=self._length == said)
            return "image/webp", _webp_size(self._head)
        raise UnreadableReply(
            f"The picture is no PNG, JPEG or WebP: it begins with {self._head[:12]!r}."
        )

    def _must_be_whole(self, content_type: str, *, whole: bool) -> None:
        if not whole:
            raise UnreadableReply(
                f"The picture is no whole {content_type}: "
                f"its {self._length:,} bytes do not end where it says it ends."
            )


def _png_size(head: bytes) -> tuple[int, int]:
    if head[8:16] != b"\x00\x00\x00\x0dIHDR":
        return 0, 0
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:_PNG_HEAD])


def _webp_size(head: bytes) -> tuple[int, int]:
    """Read the first chunk; see https://developers.google.com/speed/webp/docs/riff_container."""
    match head[12:16], head[20:]:
        case b"VP8X", bits:  # alpha, metadata: flags, 24 bits each of width - 1 and height - 1
            return _little(bits[4:7]) + 1, _little(bits[7:10]) + 1
        case b"VP8L", bits if bits[:1] == b"\x2f":  # lossless: 14 bits each, less one
            packed = _little(bits[1:5])
            return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        case b"VP8 ", bits if bits[3:6] == b"\x9d\x01\x2a":  # lossy: a key frame's 14 bits each
            return _little(bits[6:8]) & 0x3FFF, _little(bits[8:10]) & 0x3FFF
    return 0, 0


def _little(value: bytes) -> int:
    return int.from_bytes(value, "little")
