"""Text in every script: fonts, widths and line breaks.

The fonts are Noto's (SIL Open Font License), from the packages `manimgx-fonts` and
`noto-cjk-sans-jp-bold`. Scripts whose letters join or reorder need Raqm. Without it they are
drawn letter by letter, with one warning on stderr.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import as_file, files
from itertools import groupby

from PIL import ImageDraw, ImageFont, features

type Ink = tuple[int, ...]

CJK = "cjk"
_LATIN = "NotoSans[wght].ttf"
_CJK_FONT = ("noto_cjk_sans_jp_bold", "NotoSansCJKjp-Bold.otf")
_NOTO = "manimgx_fonts"
_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x0530, 0x058F, "NotoSansArmenian[wght].ttf"),
    (0x0590, 0x05FF, "NotoSansHebrew[wght].ttf"),
    (0x0600, 0x077F, "NotoSansArabic[wght].ttf"),
    (0x0900, 0x097F, "NotoSansDevanagari[wght].ttf"),
    (0x0980, 0x09FF, "NotoSansBengali[wght].ttf"),
    (0x0A00, 0x0A7F, "NotoSansGurmukhi[wght].ttf"),
    (0x0A80, 0x0AFF, "NotoSansGujarati[wght].ttf"),
    (0x0B80, 0x0BFF, "NotoSansTamil[wght].ttf"),
    (0x0C00, 0x0C7F, "NotoSansTelugu[wght].ttf"),
    (0x0C80, 0x0CFF, "NotoSansKannada[wght].ttf"),
    (0x0D00, 0x0D7F, "NotoSansMalayalam[wght].ttf"),
    (0x0E00, 0x0E7F, "NotoSansThai[wght].ttf"),
    (0x10A0, 0x10FF, "NotoSansGeorgian[wght].ttf"),
    (0x1100, 0x11FF, CJK),
    (0x2190, 0x2BFF, CJK),  # arrows and shapes
    (0x2E80, 0xD7FF, CJK),
    (0xF900, 0xFAFF, CJK),
    (0xFE30, 0xFE4F, CJK),
    (0xFF00, 0xFFEF, CJK),
    (0x1F000, 0x1FAFF, "NotoEmoji[wght].ttf"),
    (0x20000, 0x3FFFF, CJK),
)
_JOINERS = "\u200c\u200d\u0964\u0965"  # have the script of the letter before them
_NEVER_FIRST = "、。，．！？」』）】ー…ぁぃぅぇぉっゃゅょァィゥェォッャュョ "  # noqa: RUF001  # CJK
_WORDS = re.compile(r"\S+\s*")


@cache
def shapes_complex_scripts() -> bool:
    """Return whether Raqm is available; warn once when it is not."""
    if features.check("raqm"):
        return True
    print(
        "foundry: without Raqm, Hindi, Bengali and Arabic are drawn wrong",
        file=sys.stderr,
    )
    return False


def script_of(letter: str) -> str:
    """Return the font of a letter: a file name, or "cjk"."""
    code = ord(letter)
    for first, last, font in _SCRIPTS:
        if first <= code <= last:
            return font
    return _LATIN


def runs(text: str) -> list[tuple[str, str]]:
    """Split a text into runs of one font; a space belongs to the run before it."""
    fonts: list[str] = []
    for letter in text:
        follows = bool(fonts) and (letter.isspace() or letter in _JOINERS)
        fonts.append(fonts[-1] if follows else script_of(letter))
    return [
        (font, "".join(letter for _, letter in pairs))
        for font, pairs in groupby(zip(fonts, text, strict=True), key=lambda pair: pair[0])
    ]


@lru_cache(maxsize=256)
def font_of(name: str, size: int, weight: int = 700) -> ImageFont.FreeTypeFont:
    """Return a font at a size in pixels; `weight` 100-900 for a variable font."""
    package, file = _CJK_FONT if name == CJK else (_NOTO, name)
    layout = ImageFont.Layout.RAQM if shapes_complex_scripts() else ImageFont.Layout.BASIC
    with as_file(files(package).joinpath(file)) as path:
        font = ImageFont.truetype(str(path), size, layout_engine=layout)
    if name != CJK:
        font.set_variation_by_axes([weight])
    return font


def width_of(text: str, size: int, weight: int = 700) -> float:
    """Return the width of a line in pixels."""
    return sum(font_of(name, size, weight).getlength(part) for name, part in runs(text))


def draw_line(  # where, what and how, all needed
    draw: ImageDraw.ImageDraw,
    left: float,
    baseline: float,
    text: str,
    *,
    size: int,
    ink: Ink | str,
    weight: int = 700,
    language: str | None = None,
) -> float:
    """Draw a line from `left` on a baseline; return its right end in pixels."""
    shaped = language if shapes_complex_scripts() else None
    for name, part in runs(text):
        font = font_of(name, size, weight)
        draw.text((left, baseline), part, font=font, fill=ink, anchor="ls", language=shaped)
        left += font.getlength(part, language=shaped)
    return left


@lru_cache(maxsize=20_000)
def _unit_width(text: str, weight: int) -> float:
    """Return the width at a size of one pixel; widths grow evenly enough to break lines."""
    return width_of(text, 100, weight) / 100


def wrap(text: str, size: int, width: float, weight: int = 700) -> list[str]:
    """Break a text into lines: at spaces, between CJK letters, and inside a word if it must be."""
    lines: list[str] = []
    for paragraph in text.splitlines() or [""]:
        line, filled = "", 0.0
        for piece in _pieces(paragraph):
            if filled + _unit_width(piece.rstrip(), weight) * size <= width:
                line += piece
                filled += _unit_width(piece, weight) * size
                continue
            if line:
                lines.append(line.rstrip())
            *full, line = _chop(piece, size, width, weight)
            filled = _unit_width(line, weight) * size
            lines.extend(full)
        lines.append(line.rstrip())
    return lines


def fit_text(  # a text, a box, and the limits of its type
    text: str, width: float, height: float, *, most: int, least: int, leading: float
) -> tuple[int, list[str]]:
    """Return the largest type in pixels at which the text fits the box, and its lines.

    At the smallest size the rest is cut and an ellipsis added.
    """
    narrowest = 0.2  # of a letter, in ems: text that cannot fit is not measured
    text = text[: int(width / (least * narrowest) * (height / (least * leading) + 2))]
    low, high = least, max(least, most)
    while low < high:
        middle = (low + high + 1) // 2
        lines = wrap(text, middle, width)
        if len(lines) * middle * leading <= height and not _has_broken_word(text, lines):
            low = middle
        else:
            high = middle - 1
    lines = wrap(text, low, width)
    room = max(1, int(height / (low * leading)))
    if len(lines) > room:
        lines = [*lines[: room - 1], lines[room - 1].rstrip(" .,") + " …"]
    return low, lines


def _has_broken_word(text: str, lines: list[str]) -> bool:
    """Return whether a word of at most 20 letters is broken: smaller type reads better."""
    whole = {word for line in lines for word in line.split()}
    long = 20
    return any(
        word not in whole
        for word in text.split()
        if len(word) <= long and all(script_of(letter) != CJK for letter in word)
    )


def _pieces(paragraph: str) -> Iterator[str]:
    """Yield the parts between which a line may break."""
    for word in _WORDS.findall(paragraph):
        start = 0
        for at, letter in enumerate(word):
            # A line never starts with closing punctuation or a small kana.
            if at > start and CJK in (script_of(letter), script_of(word[at - 1])):
                if letter in _NEVER_FIRST:
                    continue
                if "가" <= letter <= "힣" or "가" <= word[at - 1] <= "힣":
                    continue  # Korean breaks at its spaces
                yield word[start:at]
                start = at
        yield word[start:]


def _chop(piece: str, size: int, width: float, weight: int) -> list[str]:
    parts, part = [], ""
    for letter in piece:
        if part and _unit_width((part + letter).rstrip(), weight) * size > width:
            parts.append(part)
            part = ""
        part += letter
    return [*parts, part]
