"""Bodies of replies, as large as wanted: a real PNG's first and last bytes around noise."""

import base64
import json
import random
import struct
import zlib
from collections.abc import Iterator
from functools import cache

#: What the endpoint hands to its socket at once; a paced reply sleeps between two of them.
SLICE_BYTES = 1 << 16


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def picture(size: int) -> bytes:
    """A picture of exactly `size` bytes that no library could draw, and none will."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", 3840, 2160, 8, 2, 0, 0, 0))
    end = _chunk(b"IEND", b"")
    signature = b"\x89PNG\r\n\x1a\n"
    noise = random.Random(size).randbytes(size - len(signature) - len(header) - len(end) - 12)  # noqa: S311 (noise)
    return signature + header + _chunk(b"IDAT", noise) + end


@cache
def _text(size: int) -> bytes:
    return base64.b64encode(picture(size))


def _usage() -> dict[str, int]:
    return {"input_tokens": 10, "output_tokens": 1000, "total_tokens": 1010}


def _parts(pictures: int, size: int, *, stream: bool) -> Iterator[bytes]:
    rest = {"created": 1, "output_format": "png", "size": "3840x2160", "usage": _usage()}
    tail = json.dumps(rest)[1:].encode()
    if stream:
        yield b"event: image_generation.completed\n"
        yield b'data: {"type":"image_generation.completed","b64_json":"'
        yield _text(size)
        yield b'",' + tail + b"\n\n"
        return
    yield b'{"data":[{"b64_json":"'
    for number in range(pictures):
        yield b'"},{"b64_json":"' if number else b""
        yield _text(size)
    yield b'"}],' + tail


def body(pictures: int, size: int, *, stream: bool) -> tuple[int, Iterator[memoryview]]:
    """The length of a reply, and the reply in slices."""
    length = sum(map(len, _parts(pictures, size, stream=stream)))

    def slices() -> Iterator[memoryview]:
        for part in _parts(pictures, size, stream=stream):
            view = memoryview(part)
            for start in range(0, len(view), SLICE_BYTES):
                yield view[start : start + SLICE_BYTES]

    return length, slices()
