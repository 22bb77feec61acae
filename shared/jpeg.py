"""A walk along the markers of a JPEG as it passes, for its size and its end.

The end is told by structure, not by the last two bytes: a thumbnail within ends like a picture.
Markers are in ITU-T T.81, annex B (https://www.w3.org/Graphics/JPEG/itu-t81.pdf).
"""

import re

SIGNATURE = b"\xff\xd8\xff"

#: In coded data: 0xFF before anything but a stuffed zero, a restart marker, a fill byte.
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_FILL = 0xFF
_END = 0xD9
_SCAN = 0xDA
#: Markers that stand alone: TEM, RST0 to RST7, SOI.
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
#: SOF0 to SOF15, without DHT, JPG and DAC, which lie between them.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LENGTH = 2  # bytes of a segment's length, which counts them
_SEGMENT = 4  # 0xFF, marker, two bytes of length
_FRAME = 9  # the same, precision, two bytes of height, two of width


class JpegWalk:
    """Follows one JPEG fed to it in any chunks; segments of any length are passed over."""

    def __init__(self) -> None:
        #: Width and height, zeros until the frame header has passed.
        self.size = (0, 0)
        #: Whether the end has passed and nothing but zeros came after it.
        self.whole = False
        self._lost = False  # no marker where one must be
        self._skip = 0
        self._coded = False
        self._held = b""

    def feed(self, data: bytes) -> None:
        """Walk on; at most eight bytes are kept for the next time."""
        if self._lost:
            return
        data = self._held + data
        at = 0
        while at < len(data) and not self._lost:
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
            elif self._coded:
                marker = _MARKER.search(data, at)
                if not marker:
                    at = len(data) - data.endswith(b"\xff")  # it may be half a marker
                    break
                self._coded = False
                step = marker.start() - at
            elif self.whole:
                step = len(data) - at
                self._lost = bool(data[at:].strip(b"\x00"))
                self.whole = not self._lost
            else:
                step = self._pass_marker(data[at : at + _FRAME])
                if not step:
                    break
            at += step
        self._held = b"" if self._lost else data[at:]

    def _pass_marker(self, start: bytes) -> int:
        """Return how many bytes are done with, 0 if more are needed to tell."""
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
