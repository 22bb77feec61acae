"""Pillow's part of the work, in a thread: decode within bounds, cut, squeeze, encode, lay out.

Imported at the first finish of a process, since Pillow costs a cold start that most jobs never
need. Only the formats that originals have are opened, by their header first: what says it is
larger than `MAX_PIXELS` is not decoded.
"""

import hashlib
import io
import math
import warnings
from collections.abc import Sequence
from typing import IO, Any, Final

from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageMath, ImageOps
from PIL.PngImagePlugin import PngInfo

from ..errors import CannotRender
from ..pictures.measuring import PictureFacts
from ..pictures.renditions import DEFAULT_QUALITY, Encoding, RenditionSpec

#: Twice the pixels of the largest original any model makes (3840x2160 and its like).
MAX_PIXELS: Final = 1 << 24
_FORMATS: Final = ("PNG", "JPEG", "WEBP")
#: Where an ICC profile names its colours: ICC.1:2022, table 17.
_COLOUR_SPACE: Final = slice(16, 20)
#: Longest edge of a contact sheet, and of a picture on it, pixels.
_SHEET_EDGE: Final = 4_096
_CELL_EDGE: Final = 384
_GAP: Final = 16
_PAPER: Final = "#f4f4f5"
_INK: Final = "#27272a"


#: A picture that was made: its bytes, and what they are.
type EncodedPicture = tuple[bytes, PictureFacts]


def make(original: IO[bytes], wishes: Sequence[RenditionSpec], xmp: bytes) -> list[EncodedPicture]:
    """Make every wish from an original, with this XMP; `CannotRender` if it can't be opened."""
    picture = _opened(original)
    return [_encoded(_shaped(picture, wish), wish.encoding, wish.quality, xmp) for wish in wishes]


def shrunk(original: IO[bytes], edge: int) -> Image.Image:
    """Return an original small enough for a cell of a contact sheet."""
    picture = _opened(original)
    if profile := picture.info.get("icc_profile"):  # the sheet has one for all its pictures
        alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
        picture = _to_srgb(picture.convert("RGB"), profile)
        if alpha:
            picture.putalpha(alpha)
        picture.info = {}
    picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    return picture


def cell_edge(count: int) -> int:
    """Return the edge of a cell, pixels, on a sheet of so many pictures."""
    return min(_CELL_EDGE, _SHEET_EDGE // _columns(count) - _GAP)


def lay_out(pictures: Sequence[tuple[Image.Image, str]], xmp: bytes) -> EncodedPicture:
    """Put pictures side by side, each with its label under it, with this XMP."""
    columns, edge = _columns(len(pictures)), cell_edge(len(pictures))
    size = max(11, edge // 24)
    font = ImageFont.load_default(size)
    width, height = edge + _GAP, edge + _GAP + 2 * size
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * width + _GAP, rows * height + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for place, (picture, label) in enumerate(pictures):
        left, top = _GAP + place % columns * width, _GAP + place // columns * height
        inset = ((edge - picture.width) // 2, (edge - picture.height) // 2)
        transparent = picture if picture.mode == "RGBA" else None
        sheet.paste(picture, (left + inset[0], top + inset[1]), transparent)
        words = _cut(label, font, edge)
        draw.text((left + edge / 2, top + edge + size / 2), words, _INK, font, anchor="mt")
    return _encoded(sheet, "jpeg", DEFAULT_QUALITY, xmp)


def _columns(count: int) -> int:
    return math.ceil(math.sqrt(count))


def _cut(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while label and font.getlength(label) > width:
        label = label[:-1]
    return label


def _opened(original: IO[bytes]) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(original, formats=_FORMATS)
            if picture.width * picture.height > MAX_PIXELS:
                raise CannotRender(
                    f"it says it has {picture.width}x{picture.height} pixels; "
                    f"more than {MAX_PIXELS:,} are not opened"
                )
            picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        raise CannotRender(f"it can't be opened: {type(error).__name__}: {error}") from error
    return _to_plain(ImageOps.exif_transpose(picture))


def _to_plain(picture: Image.Image) -> Image.Image:
    """Return a picture as RGB or RGBA of 8 bits that looks the same."""
    if picture.mode.startswith("I"):
        picture = _to_eight_bits(picture)
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    colours = picture.convert("L") if picture.mode in {"1", "LA"} else picture
    profile = picture.info.get("icc_profile", b"")
    match colours.mode, profile[_COLOUR_SPACE]:
        case ("CMYK", b"CMYK") | ("L", b"GRAY"):
            plain, profile = _to_srgb(colours, profile), b""
        case mode, space if mode not in {"CMYK", "L"} and space not in {b"CMYK", b"GRAY"}:
            plain = colours.convert("RGB")
        case _:  # a profile of other colours means nothing
            plain, profile = colours.convert("RGB"), b""
    if alpha:
        plain.putalpha(alpha)
    plain.info = {"icc_profile": profile} if profile else {}
    return plain


def _to_eight_bits(picture: Image.Image) -> Image.Image:
    """Return a grey picture of 16 bits as one of 8: Pillow's own conversion cuts off at 255."""
    wide = picture.convert("I")
    grey = wide.point(lambda value: value * (1 / 257) + 0.5).convert("L")
    hidden = picture.info.get("transparency")
    if hidden is not None:
        seen = ImageMath.lambda_eval(
            lambda given: given["convert"]((given["wide"] != hidden) * 255, "L"), wide=wide
        )
        grey.putalpha(seen)
    grey.info = {name: picture.info[name] for name in ("icc_profile",) if name in picture.info}
    return grey


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        described = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        made = ImageCms.profileToProfile(
            picture, described, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):  # viewers ignore a broken profile too
        made = None
    return made or picture.convert("RGB")


def _shaped(picture: Image.Image, wish: RenditionSpec) -> Image.Image:
    shaped = picture
    if wish.size and wish.squeeze:
        shaped = picture.resize(wish.size, Image.Resampling.LANCZOS)
    elif wish.size:
        shaped = ImageOps.fit(picture, wish.size, Image.Resampling.LANCZOS)
    if wish.edge:
        shaped = shaped.copy()
        shaped.thumbnail((wish.edge, wish.edge), Image.Resampling.LANCZOS)
    shaped.info = picture.info
    return shaped


def _encoded(picture: Image.Image, encoding: Encoding, quality: int, xmp: bytes) -> EncodedPicture:
    if encoding == "jpeg" and picture.mode == "RGBA":
        paper = Image.new("RGB", picture.size, "white")
        paper.paste(picture, mask=picture)
        paper.info = picture.info
        picture = paper
    more: dict[str, Any] = {"quality": quality, "xmp": xmp}
    if encoding == "png":  # whose encoder ignores `xmp`
        more = {"pnginfo": PngInfo()}
        more["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    buffer = io.BytesIO()
    picture.save(buffer, encoding.upper(), icc_profile=picture.info.get("icc_profile"), **more)
    data = buffer.getvalue()
    facts = PictureFacts(
        content_type=f"image/{encoding}",
        width=picture.width,
        height=picture.height,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    return data, facts
