"""A poster: one message in several languages, a coloured panel each, the prompt below."""

from PIL import Image, ImageDraw, ImageOps

from local.foundry.drawing.greetings import Greeting
from local.foundry.drawing.picture_spec import SOFT, WHITE, PictureSpec, draw_caption
from local.foundry.drawing.text import draw_line, fit_text, width_of

type Colour = tuple[int, int, int]
type Box = tuple[float, float, float, float]

NIGHT = (15, 19, 32)
MIST = (148, 160, 186)
_PANELS: tuple[tuple[Colour, Colour], ...] = (
    ((79, 70, 229), (67, 56, 202)),
    ((219, 39, 119), (190, 24, 93)),
    ((13, 148, 136), (15, 118, 110)),
    ((234, 88, 12), (194, 65, 12)),
    ((37, 99, 235), (29, 78, 216)),
    ((147, 51, 234), (126, 34, 206)),
)


def draw_poster(
    picture: Image.Image, spec: PictureSpec, prompt: str, greetings: tuple[Greeting, ...]
) -> None:
    """Draw a coloured panel for each language and the prompt below them."""
    short = min(picture.size)
    picture.paste(NIGHT, (0, 0, *picture.size))
    draw = ImageDraw.Draw(picture)
    margin, gap = round(short * 0.05), round(short * 0.028)
    foot = draw_caption(draw, spec, margin)
    strip = round(short * 0.085)
    small = max(12, short // 52)
    _, lines = fit_text(
        prompt, picture.width - 2 * margin, strip, most=small, least=small, leading=1.35
    )
    baseline = foot - len(lines) * small * 1.35 + small * 0.55
    bottom = baseline - small * 2.1
    for line in lines:
        draw_line(draw, margin, baseline, line, size=small, ink=MIST, weight=400)
        baseline += small * 1.35
    count = len(greetings)
    across = picture.width > 1.25 * picture.height and count > 1
    boxes: list[Box] = []
    for n in range(count):
        if across:
            each = (picture.width - 2 * margin - gap * (count - 1)) / count
            left = margin + n * (each + gap)
            boxes.append((left, margin, left + each, bottom))
        else:
            each = (bottom - margin - gap * (count - 1)) / count
            top = margin + n * (each + gap)
            boxes.append((margin, top, picture.width - margin, top + each))
    room = _room(boxes[0])
    even = 1.15 * min(_fit_greeting(each, *room)[0] for each in greetings)
    for n, (greeting, box) in enumerate(zip(greetings, boxes, strict=True)):
        _panel(picture, box, greeting, _PANELS[n % len(_PANELS)], most=even)


def _panel(
    picture: Image.Image,
    box: Box,
    greeting: Greeting,
    colours: tuple[Colour, Colour],
    *,
    most: float,
) -> None:
    left, top, right, bottom = (round(edge) for edge in box)
    width, height = right - left, bottom - top
    short = min(width, height)
    block = Image.new("L", (width * 2, height * 2))
    ImageDraw.Draw(block).rounded_rectangle(
        (0, 0, width * 2 - 1, height * 2 - 1), radius=short * 0.2, fill=255
    )
    mask = block.resize((width, height), Image.Resampling.BOX)
    ramp = Image.linear_gradient("L").resize((width, height))
    picture.paste(ImageOps.colorize(ramp, *colours), (left, top), mask)
    draw = ImageDraw.Draw(picture)
    label = max(12, round(short * 0.085))
    wide, high, cap = _room(box)
    size, lines = _fit_greeting(greeting, wide, high, min(cap, most))
    block_height = len(lines) * size * 1.3
    baseline = top + (height - label * 1.6 - block_height) / 2 + size * 1.06
    for line in lines:
        x = left + (width - width_of(line, size)) / 2
        draw_line(draw, x, baseline, line, size=size, ink=WHITE, language=greeting.tag)
        baseline += size * 1.3
    name = greeting.language.upper()
    x = left + (width - width_of(name, label, 500)) / 2
    draw_line(draw, x, bottom - label * 1.1, name, size=label, ink=SOFT, weight=500)


def _room(box: Box) -> tuple[float, float, float]:
    """Return width and height for the message of a panel, and its largest type, in pixels."""
    width, height = box[2] - box[0], box[3] - box[1]
    short = min(width, height)
    return width - short * 0.2, height * 0.62, short * 0.42


def _fit_greeting(
    greeting: Greeting, width: float, height: float, most: float
) -> tuple[int, tuple[str, ...]]:
    """Return the largest type for the message, in one line or in its parts."""
    whole = (" " if greeting.spaced else "").join(greeting.parts)

    def size_of(lines: tuple[str, ...]) -> int:
        widest = max(width_of(line, 100) for line in lines) / 100
        return max(12, int(min(most, width / widest, height / (len(lines) * 1.3))))

    best = max(((whole,), greeting.parts), key=size_of)
    return size_of(best), best
