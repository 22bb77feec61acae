"""The picture: a coloured background, the prompt in large type, a caption at the foot.

A prompt that asks for panels in several languages gets a poster. Everything is derived from the
prompt and the size: the same request gives the same picture.
"""

import io
import random
import re

from PIL import Image, ImageChops, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from local.foundry.drawing.greetings import requested_greetings
from local.foundry.drawing.picture_spec import WHITE, PictureSpec, draw_caption
from local.foundry.drawing.poster import draw_poster
from local.foundry.drawing.text import draw_line, fit_text, font_of

_MARKERS = re.compile(r"\[\[[^\]]*\]\]")
_LEADING = 1.22
_COLOURS = (
    ("#1e1b4b", "#6d4ae0"),  # indigo to violet
    ("#0b3b52", "#1f8a8a"),  # deep sea to teal
    ("#0f2350", "#2f7fd6"),  # navy to sky
    ("#4a1040", "#d0417f"),  # plum to pink
    ("#4b1220", "#d2563f"),  # wine to coral
    ("#0c3d2e", "#2a9463"),  # forest to emerald
    ("#1c2540", "#5b6fa8"),  # slate to steel
    ("#3a1259", "#b0489f"),  # aubergine to orchid
    ("#4a2208", "#c96f1e"),  # umber to amber
    ("#083344", "#3563c9"),  # petrol to cobalt
)


def paint(spec: PictureSpec) -> Image.Image:
    """Draw the picture: RGB, or RGBA with a transparent background."""
    prompt = _MARKERS.sub("", spec.prompt).strip() or "(no prompt)"
    picture = _background(spec)
    greetings = () if spec.reference else requested_greetings(prompt)
    if greetings:
        draw_poster(picture, spec, prompt, greetings)
    else:
        _draw_prompt(picture, spec, prompt)
    if spec.noise:
        picture = _add_noise(picture, spec)
    if spec.transparent:
        picture.putalpha(_rounded_alpha(picture.size))
    return picture


def blur(picture: Image.Image, step: int) -> Image.Image:
    """Return a blurred version for a partial image; a lower step is blurred more."""
    small = picture.reduce(16).filter(ImageFilter.GaussianBlur(max(1, 6 - 2 * step)))
    return small.resize(picture.size, Image.Resampling.BILINEAR)


def _background(spec: PictureSpec) -> Image.Image:
    size = (spec.width, spec.height)
    if spec.reference is not None:
        with Image.open(io.BytesIO(spec.reference)) as given:
            cover = ImageOps.fit(given.convert("RGB"), size)
        return ImageEnhance.Brightness(cover).enhance(0.38)
    first, second = _COLOURS[spec.digest[0] % len(_COLOURS)]
    ramp = Image.linear_gradient("L").rotate(35 + spec.digest[2] % 4 * 90)
    ramp = ramp.crop((40, 40, 216, 216)).resize(size, Image.Resampling.BICUBIC)
    picture = ImageOps.colorize(ImageOps.autocontrast(ramp), first, second)
    _discs(picture, spec)
    return picture


def _discs(picture: Image.Image, spec: PictureSpec) -> None:
    """Draw three large pale discs on the background."""
    small = Image.new("L", (max(1, spec.width // 4), max(1, spec.height // 4)))
    draw = ImageDraw.Draw(small)
    for n in range(3):
        x, y, size = spec.digest[3 + 3 * n : 6 + 3 * n]
        radius = (0.16 + size / 256 * 0.34) * min(small.size)
        centre = (x / 256 * small.width, y / 256 * small.height)
        draw.circle(centre, radius, fill=16 + 9 * n)
    mask = small.filter(ImageFilter.GaussianBlur(1)).resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste(WHITE, (0, 0, *picture.size), mask)


def _draw_prompt(picture: Image.Image, spec: PictureSpec, prompt: str) -> None:
    draw = ImageDraw.Draw(picture)
    short = min(picture.size)
    margin = round(short * 0.08)
    foot = draw_caption(draw, spec, margin)
    top = margin + round(short * 0.05)
    width, height = picture.width - 2 * margin, foot - top - margin // 2
    draw.rounded_rectangle(
        (margin, margin, margin + short * 0.12, margin + max(4, short // 90)),
        radius=short // 180,
        fill=WHITE,
    )
    size, lines = fit_text(
        prompt, width, height, most=short // 8, least=max(14, short // 44), leading=_LEADING
    )
    block = len(lines) * size * _LEADING
    baseline = top + (height - block) / 2 + size
    for line in lines:
        draw_line(draw, margin, baseline, line, size=size, ink=WHITE)
        baseline += size * _LEADING


def _rounded_alpha(size: tuple[int, int]) -> Image.Image:
    """Return an alpha channel: opaque except for a rounded margin."""
    alpha = Image.new("L", size)
    short = min(size)
    inset = short * 0.02
    ImageDraw.Draw(alpha).rounded_rectangle(
        (inset, inset, size[0] - inset, size[1] - inset), radius=short * 0.08, fill=255
    )
    return alpha


def _add_noise(picture: Image.Image, spec: PictureSpec) -> Image.Image:
    """Add noise, so that the file is as large as a photograph."""
    width, height = picture.size
    grain = random.Random(spec.digest).randbytes(width * height * 3)  # noqa: S311  # only grain
    mask = (1 << spec.noise) - 1
    layer = Image.frombytes("RGB", picture.size, grain).point(lambda value: value & mask)
    return ImageChops.add(picture, layer, offset=-(mask // 2))


def warm_up() -> None:
    """Open the font of every picture before the first request."""
    font_of("NotoSans[wght].ttf", 40)
