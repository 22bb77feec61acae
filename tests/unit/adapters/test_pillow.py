"""Pictures made from an original with Pillow: exact pixels, encodings, contact sheets, bombs."""

import hashlib
import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageOps

from shared.adapters.pillow import MAX_PIXELS, EncodedPicture, cell_edge, lay_out, make, shrunk
from shared.errors import CannotRender
from shared.pictures.renditions import RenditionSpec
from tests.simulation.scene import png

#: Of an ICC profile: all that matters is that the same bytes come out.
PROFILE = b"a profile " * 20


def drawn(mode: str = "RGB", size: tuple[int, int] = (192, 108), **options: bytes) -> io.BytesIO:
    """A picture of noise whose top and bottom rows are red; half transparent if it can be."""
    picture = Image.effect_noise(size, 90).convert("RGB")
    picture.paste("red", (0, 0, size[0], 4))
    picture.paste("red", (0, size[1] - 4, size[0], size[1]))
    if mode == "RGBA":
        picture.putalpha(Image.new("L", size, 128))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", **options)
    buffer.seek(0)
    return buffer


def made(original: io.BytesIO, encoding: str = "png", **facts: object) -> Image.Image:
    spec = RenditionSpec("rendition", "made", encoding, **facts)  # type: ignore[arg-type]  # what the test says
    (encoded,) = make(original, [spec], b"")
    return opened(encoded)


def opened(encoded: EncodedPicture) -> Image.Image:
    data, facts = encoded
    picture = Image.open(io.BytesIO(data))
    picture.load()
    assert picture.size == (facts.width, facts.height)
    assert f"image/{str(picture.format).lower()}" == facts.content_type
    assert (facts.bytes, facts.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    return picture


def pixel(picture: Image.Image, place: tuple[int, int]) -> tuple[int, ...]:
    found = picture.getpixel(place)
    assert isinstance(found, tuple)
    return tuple(map(int, found))


def test_exact_pixels_are_cut_out_of_the_middle_and_nothing_is_scaled() -> None:
    original = drawn(size=(192, 116))
    cut = made(original, size=(192, 108))
    assert cut.tobytes() == Image.open(original).crop((0, 4, 192, 112)).tobytes()


def test_squeezing_keeps_the_edges() -> None:
    squeezed = made(drawn(), size=(100, 100), squeeze=True)
    assert squeezed.size == (100, 100)
    top, bottom = pixel(squeezed, (50, 0)), pixel(squeezed, (50, 99))
    assert min(top[0], bottom[0]) > 200
    assert max(top[1], bottom[1]) < 90


@settings(max_examples=30)  # drawing takes its time
@given(st.integers(1, 300), st.integers(1, 300), st.integers(16, 1024))
def test_a_thumbnail_keeps_its_shape_and_never_grows(width: int, height: int, edge: int) -> None:
    small = made(drawn(size=(width, height)), "webp", edge=edge)
    assert max(small.size) == min(edge, max(width, height))
    assert small.width <= width
    assert abs(small.width * height - small.height * width) <= max(width, height)


@pytest.mark.parametrize("encoding", ["webp", "avif", "png"])
def test_transparency_is_kept_where_the_encoding_has_it(encoding: str) -> None:
    assert made(drawn("RGBA"), encoding).has_transparency_data


def test_a_transparent_picture_is_put_on_white_for_jpeg() -> None:
    corner = pixel(made(drawn("RGBA"), "jpeg", quality=100), (0, 0))
    assert corner == pytest.approx((255, 127, 127), abs=12)


@pytest.mark.parametrize("encoding", ["webp", "jpeg", "avif", "png"])
def test_the_colours_are_described_as_in_the_original(encoding: str) -> None:
    original = drawn(icc_profile=PROFILE)
    assert made(original, encoding, size=(50, 50)).info.get("icc_profile") == PROFILE
    assert made(drawn(), encoding).info.get("icc_profile") is None


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> io.BytesIO:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    buffer.seek(0)
    return buffer


def gradient(mode: str = "L") -> Image.Image:
    """A picture whose left is dark, right bright, and top left corner white."""
    picture = Image.linear_gradient("L").rotate(90).resize((64, 32))
    picture.paste(255, (0, 0, 8, 8))
    return picture.convert(mode)


def assert_alike(made: Image.Image, wanted: Image.Image, *, within: int = 3) -> None:
    """Compare what is seen on a grey wall."""
    assert made.size == wanted.size
    seen = [
        Image.alpha_composite(Image.new("RGBA", each.size, "grey"), each.convert("RGBA"))
        for each in (made, wanted)
    ]
    difference = ImageChops.difference(*(each.convert("RGB") for each in seen))
    assert max(high for _, high in difference.getextrema()) <= within  # type: ignore[misc]  # three bands


@pytest.mark.parametrize("encoding", ["png", "webp"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
def test_a_rendition_looks_like_its_original_in_every_mode(mode: str, encoding: str) -> None:
    grey = gradient()
    wanted = grey.convert("1") if mode == "1" else grey
    original = wanted.convert(mode)
    if mode == "I;16":
        wide = grey.convert("I").point(lambda value: value * 257 + 0)
        original = wide.convert("I;16")
    assert_alike(made(saved(original), encoding, quality=100), wanted, within=10)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_rendition_is_turned_as_viewers_turn_its_original(orientation: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    original = saved(gradient("RGB"), kind, exif=exif)
    wanted = ImageOps.exif_transpose(Image.open(original))
    rendition = made(original)
    assert_alike(rendition, wanted)
    assert_alike(ImageOps.exif_transpose(rendition), wanted)  # it is not turned again


def test_a_picture_of_16_bits_keeps_what_is_transparent() -> None:
    wide = gradient().convert("I").point(lambda value: value * 257 + 0).convert("I;16")
    buffer = saved(wide)
    data, place = buffer.getvalue(), buffer.getvalue().index(b"IDAT") - 4
    body = b"tRNS" + b"\xff\xff"
    chunk = (2).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    rendition = made(io.BytesIO(data[:place] + chunk + data[place:]))
    assert pixel(rendition, (2, 2))[3] == 0
    assert pixel(rendition, (30, 20))[3] == 255


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_colours_are_converted_or_described_as_in_the_original(mode: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rendition = made(saved(gradient(mode), icc_profile=profile))
    assert_alike(rendition, gradient())
    assert bool(rendition.info.get("icc_profile")) == (mode == "RGB")


def test_a_picture_in_cmyk_looks_like_its_original() -> None:
    original = gradient("RGB").convert("CMYK")
    rendition = made(saved(original, "JPEG", quality=100))
    assert_alike(rendition, gradient(), within=8)
    of_other_colours = saved(original, "JPEG", quality=100, icc_profile=PROFILE)
    assert_alike(made(of_other_colours), rendition)


def test_pictures_on_a_sheet_are_in_its_colours() -> None:
    linear = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = shrunk(saved(gradient("RGB"), icc_profile=linear), 64)
    assert picture.info.get("icc_profile") is None
    assert_alike(picture, gradient())


def test_a_lower_quality_takes_fewer_bytes() -> None:
    specs = [RenditionSpec("rendition", "made", "webp", quality) for quality in (20, 95)]
    (_, small), (_, large) = make(drawn(), specs, b"")
    assert small.bytes < large.bytes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(1 << 13, 1 << 12), f"it says it has 8192x4096 pixels; more than {MAX_PIXELS:,}"),
        (png(1 << 15, 1 << 15), "it can't be opened: DecompressionBomb"),
        (png(64, 64), "it can't be opened: "),
        (b"II*\x00 a TIFF", "it can't be opened: "),
        (b"", "it can't be opened: "),
    ],
)
def test_a_bomb_and_a_wreck_are_not_opened(data: bytes, said: str) -> None:
    with pytest.raises(CannotRender) as caught:
        shrunk(io.BytesIO(data), 64)
    assert str(caught.value).startswith(said)


@given(st.integers(1, 500))
def test_a_cell_is_large_enough_to_see_and_the_sheet_stays_bounded(count: int) -> None:
    columns = next(number for number in range(1, 24) if number * number >= count)
    assert 160 <= cell_edge(count) <= 384
    assert columns * (cell_edge(count) + 16) <= 4_096


def test_a_sheet_has_every_picture_in_its_cell_and_cuts_long_labels() -> None:
    cells = [
        (shrunk(drawn(), 100), "gpt-image-2 · ja · #0"),
        (shrunk(drawn("RGBA", (108, 192)), 100), "x" * 500),
        (shrunk(drawn(), 100), ""),
    ]
    sheet = opened(lay_out(cells, b""))
    assert sheet.size == (816, 880)
    paper = pytest.approx((244, 244, 245), abs=4)
    assert pixel(sheet, (2, 2)) == paper
    assert pixel(sheet, (16 + 192, 16 + 192)) != paper
    assert pixel(sheet, (600, 700)) == paper  # no fourth picture


def test_a_long_label_stays_within_its_cell() -> None:
    sheet = opened(lay_out([(shrunk(drawn(), 100), "x" * 500)], b""))
    ink = [x for x in range(sheet.width) if min(pixel(sheet, (x, 415))) < 120]
    assert ink
    assert min(ink) >= 16 - 1
    assert max(ink) <= 16 + 384 + 1
