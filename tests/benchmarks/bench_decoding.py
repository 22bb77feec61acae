"""The decoder alone: a reply of one 8 MB picture, in the chunks a TLS connection gives."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.images_api.decoder import PictureData, ReplyDecoder
from shared.pictures.measuring import PictureMeter
from tests.benchmarks.replies import body, picture

_SIZE = 8_000_000
_TYPES = {"plain": "application/json", "events": "text/event-stream"}

type Benchmark = Callable[..., Any]


def chunks(kind: str, chunk_bytes: int) -> list[bytes]:
    whole = b"".join(body(1, _SIZE, stream=kind == "events")[1])
    return [whole[start : start + chunk_bytes] for start in range(0, len(whole), chunk_bytes)]


def decode(content_type: str, arriving: list[bytes]) -> int:
    decoder = ReplyDecoder(content_type)
    size = 0
    for chunk in arriving:
        for piece in decoder.feed(chunk):
            if isinstance(piece, PictureData):
                size += len(piece.data)
    decoder.finish()
    return size


@pytest.mark.parametrize("chunk_kib", [16, 64, 256])
@pytest.mark.parametrize("kind", _TYPES)
def test_decoding(benchmark: Benchmark, kind: str, chunk_kib: int) -> None:
    assert benchmark(decode, _TYPES[kind], chunks(kind, chunk_kib << 10)) == _SIZE


def test_measuring(benchmark: Benchmark) -> None:
    view = memoryview(picture(_SIZE))
    pieces = [bytes(view[start : start + 196_608]) for start in range(0, _SIZE, 196_608)]

    def measure() -> int:
        meter = PictureMeter()
        for piece in pieces:
            meter.feed(piece)
        return meter.finish().bytes

    assert benchmark(measure) == _SIZE
