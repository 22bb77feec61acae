"""Measure a picture while its bytes pass: type, size, length and digest.

The end of a picture is found by its structure, not by its last bytes: a thumbnail in it has the
same end, and some servers send bytes after it, which are kept and do no harm. Markers of JPEG are
in ITU-T T.81, annex B (https://www.w3.org/Graphics/JPEG/itu-t81.pdf), chunks of PNG in
https://www.w3.org/TR/png-3/#5Chunk-layout.
"""

import hashlib
import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import UnreadableReply
from .provenance import ManifestScanner

JPEG_SIGNATURE = b"\xff\xd8\xff"

#: In coded data: 0xFF, and not a stuffed zero, restart marker or fill byte after it.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FILL = 0xFF
_END = 0xD9
_SCAN = 0xDA
#: Markers without a segment: TEM, RST0 to RST7, SOI.
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
#: SOF0 to SOF15, without DHT, JPG and DAC.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LENGTH = 2  # bytes of a segment's length, which counts them
_SEGMENT = 4  # 0xFF, marker, two bytes of length
_FRAME = 9  # the same, precision, two bytes of height, two of width


class JpegScanner:
    """Finds size and end of one JPEG, fed in chunks of any length; skips the segments."""

    def __init__(self) -> None:
        #: Width and height; zeros until the frame header was read.
        self.size = (0, 0)
        #: Whether the end was read.
        self.whole = False
        self._lost = False  # no marker where one must be
        self._skip = 0
        self._coded = False
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Scan the next bytes; keep at most eight of them for the next call."""
        if self._lost or self.whole:
            return
        data = self._held + data
        at = 0
        while at < len(data) and not self._lost and not self.whole:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            elif self._coded:
                marker = _MARKER.search(data, at)
                if not marker:
                    at = len(data) - data.endswith(b"\xff")  # possibly half a marker
                    break
                self._coded = False
                step = marker.start() - at
            else:
                step = self._pass_marker(data[at : at + _FRAME])
                if not step:
                    break
            at += step
        self._held = b"" if self._lost else data[at:]

    def _pass_marker(self, start: bytes) -> int:
        """Return how many bytes to skip; 0 if more bytes are needed."""
        if start[0] != _FILL or len(start) == 1:
            self._lost = start[0] != _FILL
            return 0
        marker = start[1]
        if marker == _FILL:
            return 1
        if marker == _END or marker in _ALONE:
            self.whole = marker == _END
            return 2
        if len(start) < (_FRAME if marker in _FRAMES else _SEGMENT):
            return 0
        length = int.from_bytes(start[2:4])
        if marker in _FRAMES and not any(self.size):
            self.size = int.from_bytes(start[7:9]), int.from_bytes(start[5:7])
        self._lost = length < _LENGTH
        self._skip = length - _LENGTH
        self._coded = marker == _SCAN
        return _SEGMENT


_PNG = b"\x89PNG\r\n\x1a\n"
#: Signature, length and name of the first chunk, width, height.
_PNG_HEAD = 24
_HEAD = 30  # what the longest header (WebP) needs
_CHUNK_HEAD = 8  # length and name of a chunk
_CHECKSUM = 4


class PngScanner:
    """Finds the end of one PNG, fed in chunks of any length; skips the chunks of the picture."""

    def __init__(self) -> None:
        #: Whether the last chunk was read.
        self.whole = False
        self._skip = len(_PNG)
        self._head = b""
        self._is_last = False

    def feed(self, data: bytes) -> None:
        """Scan the next bytes; keep at most eight of them for the next call."""
        at = 0
        while at < len(data) and not self.whole:
            step = min(self._skip or _CHUNK_HEAD - len(self._head), len(data) - at)
            if self._skip:
                self._skip -= step
                self.whole = self._is_last and not self._skip
            else:
                self._head += data[at : at + step]
                if len(self._head) == _CHUNK_HEAD:
                    self._skip = int.from_bytes(self._head[:4]) + _CHECKSUM
                    self._is_last = self._head[4:] == b"IEND"
                    self._head = b""
            at += step


class PictureFacts(BaseModel):
    """The facts about a whole picture."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    content_type: str
    width: int = Field(gt=0, description="Pixels.")
    height: int = Field(gt=0, description="Pixels.")
    bytes: int = Field(gt=0)
    #: Hexadecimal.
    sha256: str
    c2pa: Literal["present"] | None = Field(
        default=None,
        title="C2PA",
        exclude_if=lambda manifest: manifest is None,
        description="`present`: it holds a C2PA manifest (Content Credentials), which the app does "
        "not verify. Left out if it has none, or was stored before the app looked for one.",
    )


class PictureMeter:
    """Measures one PNG, JPEG or WebP fed in any chunks; keeps its first bytes."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._length = 0
        self._head = b""
        self._jpeg = JpegScanner()
        self._png = PngScanner()
        self._manifest = ManifestScanner()

    def feed(self, data: bytes) -> None:
        """Measure the next bytes of the picture."""
        self._digest.update(data)
        self._length += len(data)
        self._manifest.feed(data)
        self._head += data[: _HEAD - len(self._head)]
        if self._head.startswith(JPEG_SIGNATURE[: len(self._head)]):
            self._jpeg.feed(data)
        elif self._head.startswith(_PNG[: len(self._head)]):
            self._png.feed(data)

    @property
    def content_type(self) -> str | None:
        """The type that the first bytes show: None until there are twelve, and if it is no type."""
        if self._head.startswith(_PNG):
            return "image/png"
        if self._head.startswith(JPEG_SIGNATURE):
            return "image/jpeg"
        return "image/webp" if self._head[:4] == b"RIFF" and self._head[8:12] == b"WEBP" else None

    def finish(self) -> PictureFacts:
        """Return the facts; `UnreadableReply` if the picture is not whole."""
        content_type, (width, height) = self._read()
        if not (width and height):
            raise UnreadableReply(f"The picture is not a valid {content_type}: it has no size.")
        return PictureFacts(
            content_type=content_type,
            width=width,
            height=height,
            bytes=self._length,
            sha256=self._digest.hexdigest(),
            c2pa="present" if self._manifest.present else None,
        )

    def _read(self) -> tuple[str, tuple[int, int]]:
        if not self._length:
            raise UnreadableReply("The picture is empty.")
        match self.content_type:
            case "image/png" as kind:
                whole, size = self._png.whole, _read_png_size(self._head)
            case "image/jpeg" as kind:
                whole, size = self._jpeg.whole, self._jpeg.size
            case "image/webp" as kind:
                whole = self._length >= _read_little_endian(self._head[4:8]) + 8
                size = read_webp_size(self._head)
            case _:
                raise UnreadableReply(
                    f"The picture is not a PNG, JPEG or WebP: it starts with {self._head[:12]!r}."
                )
        if not whole:
            raise UnreadableReply(
                f"The picture is not a whole {kind}: its {self._length:,} bytes end too early."
            )
        return kind, size


def _read_png_size(head: bytes) -> tuple[int, int]:
    if head[8:16] != b"\x00\x00\x00\x0dIHDR":
        return 0, 0
    return int.from_bytes(head[16:20]), int.from_bytes(head[20:_PNG_HEAD])


def read_webp_size(head: bytes) -> tuple[int, int]:
    """Return width and height by the first 30 bytes, or zeros; see https://developers.google.com/speed/webp/docs/riff_container."""
    match head[12:16], head[20:]:
        case b"VP8X", bits:  # alpha, metadata: flags, 24 bits each of width - 1 and height - 1
            return _read_little_endian(bits[4:7]) + 1, _read_little_endian(bits[7:10]) + 1
        case b"VP8L", bits if bits[:1] == b"\x2f":  # lossless: 14 bits each, less one
            packed = _read_little_endian(bits[1:5])
            return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        case b"VP8 ", bits if bits[3:6] == b"\x9d\x01\x2a":  # lossy: a key frame's 14 bits each
            return _read_little_endian(bits[6:8]) & 0x3FFF, _read_little_endian(bits[8:10]) & 0x3FFF
    return 0, 0


def _read_little_endian(value: bytes) -> int:
    return int.from_bytes(value, "little")
