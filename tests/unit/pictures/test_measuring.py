import hashlib
import io
import random
from functools import cache
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.errors import BrokenReply, UnreadableReply
from shared.pictures.measuring import PictureFacts, PictureMeter


def measure(picture: bytes, cuts: list[int] | None = None) -> PictureFacts:
    meter = PictureMeter()
    edges = sorted({0, len(picture), *(cut % (len(picture) + 1) for cut in cuts or [])})
    for start, end in pairwise(edges):
        meter.feed(picture[start:end])
    return meter.finish()


def random_bytes(length: int) -> bytes:
    return random.Random(length).randbytes(length)  # noqa: S311 - noise, the same in each run


def thumbnail() -> bytes:
    file = io.BytesIO()
    Image.frombytes("L", (16, 16), random_bytes(256)).save(file, "JPEG")
    return file.getvalue()


def exif() -> bytes:
    """A large EXIF block with a whole JPEG in it, end marker included."""
    return b"Exif\x00\x00" + random_bytes(100) + thumbnail() + b"\xff\xc0\x00\x11" * 5_000


@cache
def draw(width: int, height: int, kind: str) -> bytes:
    drawn = Image.frombytes("RGB", (width, height), random_bytes(3 * width * height))
    file = io.BytesIO()
    match kind:
        case "png":
            drawn.save(file, "PNG")
        case "jpeg":
            drawn.save(file, "JPEG")
        case "progressive jpeg":
            drawn.save(file, "JPEG", progressive=True)
        case "jpeg with profiles":
            drawn.save(file, "JPEG", exif=exif(), icc_profile=random_bytes(150_000))
        case "jpeg with restarts":
            drawn.save(file, "JPEG", restart_marker_rows=1)
        case "webp":
            drawn.save(file, "WEBP")
        case "lossless webp":
            drawn.save(file, "WEBP", lossless=True)
        case "webp with alpha":
            drawn.putalpha(drawn.getchannel("R"))
            drawn.save(file, "WEBP")
    return file.getvalue()


KINDS = (
    "png",
    "jpeg",
    "progressive jpeg",
    "jpeg with profiles",
    "jpeg with restarts",
    "webp",
    "lossless webp",
    "webp with alpha",
)
sides = st.integers(1, 200)
kinds = st.sampled_from(KINDS)
cuts = st.lists(st.integers(0, 1 << 20), max_size=40)


@given(sides, sides, kinds, cuts)
def test_the_facts_are_those_pillow_finds_in_any_chunking(
    width: int, height: int, kind: str, cuts: list[int]
) -> None:
    picture = draw(width, height, kind)
    with Image.open(io.BytesIO(picture)) as seen:
        expected = PictureFacts(
            content_type=Image.MIME[str(seen.format)],
            width=seen.width,
            height=seen.height,
            bytes=len(picture),
            sha256=hashlib.sha256(picture).hexdigest(),
        )
    assert measure(picture, cuts) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_fed_byte_by_byte_is_measured_alike(kind: str) -> None:
    picture = draw(33, 21, kind)
    assert measure(picture, list(range(len(picture)))) == measure(picture)


@given(kinds, st.integers(0, 1 << 20), cuts)
def test_a_picture_cut_anywhere_is_refused(kind: str, at: int, cuts: list[int]) -> None:
    picture = draw(40, 30, kind)
    with pytest.raises(UnreadableReply):
        measure(picture[: at % len(picture)], cuts)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_picture_is_refused_wherever_it_is_cut(kind: str) -> None:
    picture = draw(9, 7, kind)
    for at in [*range(min(len(picture), 2_000)), len(picture) - 2, len(picture) - 1]:
        with pytest.raises(BrokenReply):
            measure(picture[:at])


def test_a_jpeg_cut_after_the_end_of_its_thumbnail_is_refused() -> None:
    picture = draw(40, 30, "jpeg with profiles")
    end = picture.index(b"\xff\xd9") + 2
    assert end < len(picture)
    with pytest.raises(UnreadableReply, match="not a whole image/jpeg"):
        measure(picture[:end])


@given(kinds, st.binary(max_size=60) | st.just(b"\xff\xd9\x00IEND"), cuts)
def test_bytes_after_the_end_are_kept_and_do_no_harm(
    kind: str, more: bytes, cuts: list[int]
) -> None:
    picture = draw(40, 30, kind) + more
    facts = measure(picture, [*cuts, len(picture) - 1])
    assert (facts.width, facts.height, facts.bytes) == (40, 30, len(picture))
    assert facts.sha256 == hashlib.sha256(picture).hexdigest()


def test_fill_bytes_and_lone_markers_in_a_jpeg_are_passed_over() -> None:
    picture = draw(40, 30, "jpeg")
    odd = picture[:2] + b"\xff\xff\xff\x01" + picture[2:]
    assert measure(odd).width == 40


def test_a_jpeg_without_a_marker_where_one_must_be_is_refused() -> None:
    picture = draw(40, 30, "jpeg")
    for odd in (picture[:20] + b"!" + picture[20:], b"\xff\xd8\xff\xe0\x00\x01" + picture[2:]):
        with pytest.raises(UnreadableReply, match="not a whole image/jpeg"):
            measure(odd, [21])


def test_an_empty_picture_is_refused() -> None:
    with pytest.raises(UnreadableReply, match="empty"):
        measure(b"")


def test_what_is_no_known_picture_is_refused_with_its_first_bytes() -> None:
    with pytest.raises(UnreadableReply, match="GIF89a"):
        measure(b"GIF89a" + bytes(40))


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "lossless webp"])
def test_a_header_without_a_size_is_refused(kind: str) -> None:
    picture = draw(40, 30, kind)
    for known in (b"IHDR", b"\xff\xc0", b"VP8 ", b"VP8L"):
        picture = picture.replace(known, b"\xff\xfe" if known[0] == 0xFF else b"JUNK", 1)
    with pytest.raises(UnreadableReply, match="has no size"):
        measure(picture)


def test_the_meter_keeps_a_few_bytes_of_a_large_picture() -> None:
    picture = draw(500, 500, "jpeg with profiles")
    meter = PictureMeter()
    for at in range(0, len(picture), 777):
        meter.feed(picture[at : at + 777])
        kept = meter._head + meter._png._head + meter._jpeg._held
        assert len(kept) < 64
