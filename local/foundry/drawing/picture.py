"""The picture itself: a coloured ground, the prompt in large type, what was asked for in a corner.

A prompt that asks for panels in several languages gets them. Everything follows from the prompt
and the pixels, so the same request gives the same picture.
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
_GROUNDS = (
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


def paint(sketch: PictureSpec) -> Image.Image:
    """Draw the picture: RGB, or RGBA where the ground is to be transparent."""
    prompt = _MARKERS.sub("", sketch.prompt).strip() or "(no words)"
    picture = _ground(sketch)
    greetings = () if sketch.reference else requested_greetings(prompt)
    if greetings:
        draw_poster(picture, sketch, prompt, greetings)
    else:
        _words(picture, sketch, prompt)
    if sketch.noise:
        picture = _noisy(picture, sketch)
    if sketch.transparent:
        picture.putalpha(_card(picture.size))
    return picture


def blur(picture: Image.Image, step: int) -> Image.Image:
    """An unfinished version, for a partial image: the lower the step, the less one sees."""
    small = picture.reduce(16).filter(ImageFilter.GaussianBlur(max(1, 6 - 2 * step)))
    return small.resize(picture.size, Image.Resampling.BILINEAR)


def _ground(sketch: PictureSpec) -> Image.Image:
    size = (sketch.width, sketch.height)
    if sketch.reference is not None:
        with Image.open(io.BytesIO(sketch.reference)) as given:
            cover = ImageOps.fit(given.convert("RGB"), size)
        return ImageEnhance.Brightness(cover).enhance(0.38)
    first, second = _GROUNDS[sketch.digest[0] % len(_GROUNDS)]
    ramp = Image.linear_gradient("L").rotate(35 + sketch.digest[2] % 4 * 90)
    ramp = ramp.crop((40, 40, 216, 216)).resize(size, Image.Resampling.BICUBIC)
    picture = ImageOps.colorize(ImageOps.autocontrast(ramp), first, second)
    _discs(picture, sketch)
    return picture


def _discs(picture: Image.Image, sketch: PictureSpec) -> None:
    """A few large pale discs, so that the ground is not flat."""
    small = Image.new("L", (max(1, sketch.width // 4), max(1, sketch.height // 4)))
    draw = ImageDraw.Draw(small)
    for n in range(3):
        x, y, size = sketch.digest[3 + 3 * n : 6 + 3 * n]
        radius = (0.16 + size / 256 * 0.34) * min(small.size)
        centre = (x / 256 * small.width, y / 256 * small.height)
        draw.circle(centre, radius, fill=16 + 9 * n)
    mask = small.filter(ImageFilter.GaussianBlur(1)).resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste(WHITE, (0, 0, *picture.size), mask)


def _words(picture: Image.Image, sketch: PictureSpec, prompt: str) -> None:
    draw = ImageDraw.Draw(picture)
    short = min(picture.size)
    margin = round(short * 0.08)
    foot = draw_caption(draw, sketch, margin)
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


def _card(size: tuple[int, int]) -> Image.Image:
    """Opaque but for a rounded margin."""
    alpha = Image.new("L", size)
    short = min(size)
    inset = short * 0.02
    ImageDraw.Draw(alpha).rounded_rectangle(
        (inset, inset, size[0] - inset, size[1] - inset), radius=short * 0.08, fill=255
    )
    return alpha


def _noisy(picture: Image.Image, sketch: PictureSpec) -> Image.Image:
    """Grain of so many bits a channel, so that the file weighs what a photograph weighs."""
    width, height = picture.size
    grain = random.Random(sketch.digest).randbytes(width * height * 3)  # noqa: S311  # only grain
    mask = (1 << sketch.noise) - 1
    layer = Image.frombytes("RGB", picture.size, grain).point(lambda value: value & mask)
    return ImageChops.add(picture, layer, offset=-(mask // 2))


def warm_up() -> None:
    """Open the fonts every picture needs before the first one is asked for."""
    font_of("NotoSans[wght].ttf", 40)
