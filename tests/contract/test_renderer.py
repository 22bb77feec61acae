"""Pictures made from stored originals: with Pillow, over fake pictures and real blobs."""

import hashlib
import io
from dataclasses import dataclass, replace

import pytest
from PIL import Image

from shared.adapters.pillow import MAX_PIXELS
from shared.adapters.renderer import PIECE_BYTES, PillowRenderer
from shared.errors import CannotRender
from shared.pictures.measuring import PictureFacts, PictureMeter
from shared.pictures.provenance import Provenance
from shared.pictures.renditions import RenditionSpec, SheetCell
from shared.ports import BlockBlobs
from shared.stores.pictures import Pictures
from tests.builders.metadata import read_xmp
from tests.builders.signed_pictures import signed, validation_of
from tests.simulation.scene import png

OF = Provenance("fox & co", ("gpt-image-2",), ("ab" * 32,), edited=False)


@dataclass
class Studio:
    pictures: Pictures
    renderer: PillowRenderer

    async def put(self, name: str, data: bytes, facts: PictureFacts | None = None) -> None:
        meter = PictureMeter()
        meter.feed(data)
        writer = self.pictures.create(name)
        await writer.write(data)
        await writer.commit(facts or meter.finish(), {})

    async def get(self, name: str) -> bytes:
        data, total = b"", 1
        while len(data) < total:
            part = await self.pictures.read(name, start=len(data), length=1 << 20)
            assert part is not None
            data, total = data + part.data, part.total
        return data

    async def opened(self, name: str) -> Image.Image:
        picture = Image.open(io.BytesIO(await self.get(name)))
        picture.load()
        return picture


@pytest.fixture
async def studio(blobs: BlockBlobs) -> Studio:
    pictures = Pictures(blobs)
    return Studio(pictures, PillowRenderer(pictures))


def drawn(kind: str = "PNG", mode: str = "RGB", size: tuple[int, int] = (192, 108)) -> bytes:
    """A picture whose top and bottom rows are red, and noise enough to be large if it is."""
    picture = Image.effect_noise(size, 90).convert("RGB")
    picture.paste("red", (0, 0, size[0], 4))
    picture.paste("red", (0, size[1] - 4, size[0], size[1]))
    if mode == "RGBA":
        picture.putalpha(Image.new("L", size, 128))
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def wish(encoding: str = "png", **facts: object) -> RenditionSpec:
    return RenditionSpec("rendition", f"job/0.made.{encoding}", encoding, **facts)  # type: ignore[arg-type]  # what the test says


@pytest.mark.parametrize("encoding", ["webp", "jpeg", "avif", "png"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_every_encoding_is_made_and_measured(
    studio: Studio, encoding: str, mode: str
) -> None:
    await studio.put("job/0.png", drawn(mode=mode))
    (stored,) = await studio.renderer.render("job/0.png", [wish(encoding)], OF, metadata={"a": "b"})
    data = await studio.get(f"job/0.made.{encoding}")
    assert stored.facts == PictureFacts(
        content_type=f"image/{encoding}",
        width=192,
        height=108,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    made = await studio.opened(f"job/0.made.{encoding}")
    assert made.format == encoding.upper()
    assert made.has_transparency_data is (mode == "RGBA" and encoding != "jpeg")
    assert await studio.pictures.find(f"job/0.made.{encoding}") == stored


async def test_an_original_of_many_pieces_is_read_whole_and_left_as_it_is(studio: Studio) -> None:
    original = drawn(size=(1400, 900))
    assert len(original) > PIECE_BYTES
    await studio.put("job/0.png", original)
    await studio.renderer.render("job/0.png", [wish("jpeg")], OF, metadata={})
    assert await studio.get("job/0.png") == original
    assert (await studio.opened("job/0.made.jpeg")).size == (1400, 900)


async def test_what_is_made_already_stays(studio: Studio) -> None:
    await studio.put("job/0.png", drawn())
    await studio.put("job/0.made.png", drawn(size=(16, 16)))
    (stored,) = await studio.renderer.render("job/0.png", [wish()], OF, metadata={})
    assert (stored.facts.width, stored.facts.height) == (16, 16)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(1 << 13, 1 << 12), f"more than {MAX_PIXELS:,} are not opened"),
        (png(1 << 15, 1 << 15), "DecompressionBomb"),
        (png(64, 64), "can't be opened"),
        (b"II*\x00 a TIFF", "can't be opened"),
    ],
)
async def test_a_bomb_and_a_wreck_are_not_opened(studio: Studio, data: bytes, said: str) -> None:
    await studio.put(
        "job/0.png",
        data,
        PictureFacts(content_type="image/png", width=1, height=1, bytes=len(data), sha256="0"),
    )
    with pytest.raises(CannotRender, match=r"'job/0.png'") as caught:
        await studio.renderer.render("job/0.png", [wish()], OF, metadata={})
    assert said in str(caught.value)


async def test_an_original_that_is_gone_is_told(studio: Studio) -> None:
    with pytest.raises(CannotRender, match=r"'none.png': it is not there any more"):
        await studio.renderer.render("none.png", [wish()], OF, metadata={})


async def test_a_contact_sheet_shows_every_picture_with_its_label(studio: Studio) -> None:
    await studio.put("a.png", drawn())
    await studio.put("b.png", drawn(mode="RGBA", size=(108, 192)))
    cells = [
        SheetCell("a.png", "gpt-image-2 · ja · #0"),
        SheetCell("b.png", "x" * 500),
        SheetCell("a.png", ""),
    ]
    facts = (await studio.renderer.sheet(cells, "job/contact-sheet.jpg", OF, metadata={})).facts
    sheet = await studio.opened("job/contact-sheet.jpg")
    assert sheet.size == (facts.width, facts.height) == (816, 880)
    assert sheet.getpixel((2, 2)) == pytest.approx((244, 244, 245), abs=4)


async def test_a_sheet_of_five_hundred_pictures_stays_within_its_bounds(studio: Studio) -> None:
    await studio.put("a.png", drawn(size=(32, 32)))
    sheet = await studio.renderer.sheet(
        [SheetCell("a.png", "#")] * 500, "sheet.jpg", OF, metadata={}
    )
    assert max(sheet.facts.width, sheet.facts.height) < 5_000


@pytest.mark.parametrize("encoding", ["png", "jpeg", "webp", "avif"])
@pytest.mark.parametrize("edited", [False, True])
async def test_every_rendition_says_where_it_comes_from(
    studio: Studio, encoding: str, *, edited: bool
) -> None:
    await studio.put("job/0.png", drawn(mode="RGBA"))
    of = replace(OF, edited=edited)
    small = wish(encoding, edge=64)
    await studio.renderer.render("job/0.png", [small], of, metadata={})
    xmp = read_xmp(await studio.get(small.blob))
    kind = "compositeWithTrainedAlgorithmicMedia" if edited else "trainedAlgorithmicMedia"
    assert xmp == {
        "Xmp.iptcExt.DigitalSourceType": f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind}",
        "Xmp.iptcExt.AISystemUsed": "gpt-image-2",
        "Xmp.photoshop.TransmissionReference": "fox & co",
        "Xmp.xmpMM.DerivedFrom": 'type="Struct"',
        "Xmp.xmpMM.DerivedFrom/stRef:instanceID": f"sha256:{'ab' * 32}",
    }


async def test_a_contact_sheet_of_the_most_pictures_names_each(studio: Studio) -> None:
    await studio.put("a.png", drawn())
    of = replace(OF, originals=tuple(f"{number:064x}" for number in range(500)))
    await studio.renderer.sheet([SheetCell("a.png", "#")] * 2, "sheet.jpg", of, metadata={})
    xmp = read_xmp(await studio.get("sheet.jpg"))
    named = [value for name, value in xmp.items() if name.endswith("/stRef:instanceID")]
    assert named == [f"sha256:{number:064x}" for number in range(500)]
    assert str(xmp["Xmp.iptcExt.DigitalSourceType"]).endswith("/trainedAlgorithmicMedia")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_signed_original_stays_valid_and_its_renditions_say_what_they_are(
    studio: Studio, kind: str
) -> None:
    await studio.put("job/0", signed(kind))
    found = await studio.pictures.find("job/0")
    assert found
    assert found.facts.c2pa == "present"
    (made,) = await studio.renderer.render("job/0", [wish("webp")], OF, metadata={})
    assert validation_of(await studio.get("job/0"), f"image/{kind}") == "Valid"
    rendition = await studio.get(made.name)
    assert validation_of(rendition, "image/webp") is None
    assert made.facts.c2pa is None
    assert "Xmp.iptcExt.DigitalSourceType" in read_xmp(rendition)
