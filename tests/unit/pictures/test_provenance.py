import io
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.pictures.measuring import PictureMeter
from shared.pictures.provenance import ManifestScanner, Provenance
from tests.builders.signed_pictures import signed, validation_of

KINDS = ("png", "jpeg", "webp", "avif")


def scan(data: bytes, cuts: list[int] | None = None) -> bool:
    scanner = ManifestScanner()
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    for start, end in pairwise(edges):
        scanner.feed(data[start:end])
    return scanner.present


def resaved(kind: str) -> bytes:
    """A signed picture that a program opened and saved: without its manifest."""
    file = io.BytesIO()
    Image.open(io.BytesIO(signed(kind))).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_manifest_is_seen_in_a_signed_picture(kind: str, *, thumbnail: bool) -> None:
    data = signed(kind, thumbnail=thumbnail)
    assert validation_of(data, f"image/{kind}") == "Valid"
    assert scan(data)


@pytest.mark.parametrize("kind", KINDS)
def test_no_manifest_is_seen_in_a_picture_that_lost_it(kind: str) -> None:
    assert validation_of(resaved(kind), f"image/{kind}") is None
    assert not scan(resaved(kind))


@pytest.mark.parametrize("kind", KINDS)
@given(cuts=st.lists(st.integers(0, 1 << 20), max_size=12))
def test_chunks_of_any_length_show_the_same(kind: str, cuts: list[int]) -> None:
    assert scan(signed(kind), cuts)
    assert not scan(resaved(kind), cuts)


@pytest.mark.parametrize("kind", KINDS)
def test_single_bytes_show_the_same_and_few_are_kept(kind: str) -> None:
    data, scanner = signed(kind), ManifestScanner()
    for at in range(len(data)):
        scanner.feed(data[at : at + 1])
        assert len(scanner._held) < 60
    assert scanner.present


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_no_bytes_stop_the_scanner(kind: str, data: st.DataObject) -> None:
    picture = bytearray(signed(kind))
    for _ in range(data.draw(st.integers(1, 8))):
        picture[data.draw(st.integers(0, min(2_000, len(picture) - 1)))] = data.draw(
            st.integers(0, 255)
        )
    scan(bytes(picture) + data.draw(st.binary(max_size=64)))


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x14caBX" + b"\x00" * 24,
        b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\x02tEXtcaBX" + b"\x00" * 40,
        b"\xff\xd8\xff\xeb\x00\x00" + b"\xff" * 40,
        b"\xff\xd8\xff\xeb\x00\x40JP" + b"\x00" * 70,
        b"RIFF\x04\x00\x00\x00WEBPC2PA" + b"\x14\x00\x00\x00" + signed("webp")[-4_000:],
        b"\x00\x00\x00\x08ftyp\x00\x00\x00\x00uuid" + b"\x00" * 80,
        b"\x00\x00\x00\x01ftyp" + b"\x00" * 80,
        b"GIF89a" + b"caBX" * 20,
        b"",
    ],
)
def test_what_only_looks_like_a_manifest_is_none(data: bytes) -> None:
    assert not scan(data)


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_the_facts_of_a_picture_tell_of_its_manifest_and_an_unsigned_one_has_no_such_fact(
    kind: str,
) -> None:
    def facts(data: bytes) -> dict[str, object]:
        meter = PictureMeter()
        meter.feed(data)
        return meter.finish().model_dump()

    assert facts(signed(kind))["c2pa"] == "present"
    assert "c2pa" not in facts(resaved(kind))


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn"]), max_size=40)


@given(job_id=TEXT, models=st.lists(TEXT, max_size=3), count=st.integers(1, 500))
def test_metadata_is_xml_whatever_names_are_in_it_and_fits_a_jpeg(
    job_id: str, models: list[str], count: int
) -> None:
    originals = tuple(f"{number:064x}" for number in range(count))
    xmp = Provenance(job_id, tuple(models), originals, edited=False).to_xmp()
    assert len(xmp) < 60_000
    text = "".join(ET.fromstring(xmp).itertext())  # noqa: S314 (our own)
    assert job_id in text
    assert ", ".join(models) in text
    assert all(f'"sha256:{each}"'.encode() in xmp for each in originals)
