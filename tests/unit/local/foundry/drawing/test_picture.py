import io

import pytest
from PIL import Image, ImageStat

from local.foundry.drawing import text as lettering
from local.foundry.drawing.greetings import GREETINGS, requested_greetings
from local.foundry.drawing.picture import paint
from local.foundry.drawing.picture_spec import PictureSpec
from local.foundry.drawing.text import font_of, runs, width_of, wrap

POSTER = (
    "Create a simple poster-style graphic with 3 panels showing the same message rendered in "
    "Japanese, Korean, and Hindi. The message should be short and generic like 'Hello World'. Use "
    "clean typography, white text on colored blocks, modern UI style, high legibility, no logos."
)


def spec(prompt: str, width: int = 320, height: int = 320, **others: object) -> PictureSpec:
    return PictureSpec(prompt, width, height, "320×320", **others)  # type: ignore[arg-type]  # noqa: RUF001  # any of its fields; typeset


def whiteness(image: Image.Image) -> float:
    """Share of pixels that are nearly white."""
    histogram = image.convert("L").histogram()
    return sum(histogram[240:]) / sum(histogram)


def test_the_prompt_is_drawn_in_large_type() -> None:
    empty, full = paint(spec(".")), paint(spec("A red fox in the snow"))
    assert full.size == (320, 320)
    assert whiteness(full) > whiteness(empty) + 0.02


def test_the_same_request_gives_the_same_picture_and_others_differ() -> None:
    assert paint(spec("fox")).tobytes() == paint(spec("fox")).tobytes()
    assert paint(spec("fox")).tobytes() != paint(spec("bear")).tobytes()
    assert paint(spec("fox")).tobytes() != paint(spec("fox", number=2, count=2)).tobytes()


def test_markers_for_the_emulator_are_not_drawn() -> None:
    assert whiteness(paint(spec("[[fault:cut]]"))) == pytest.approx(
        whiteness(paint(spec("(no words)"))), abs=0.02
    )


@pytest.mark.parametrize(("width", "height"), [(480, 320), (320, 320), (320, 480)])
def test_the_poster_has_a_coloured_block_a_language(width: int, height: int) -> None:
    assert [each.language for each in requested_greetings(POSTER)] == [
        "Japanese",
        "Korean",
        "Hindi",
    ]
    image = paint(spec(POSTER, width, height))
    across = width > height
    colours = set()
    for n in range(3):
        along = (n + 0.5) / 3
        box = (along, 0.07) if across else (0.07, 0.03 + along * 0.8)
        colour = image.getpixel((round(box[0] * width), round(box[1] * height)))
        colours.add(colour)
    assert len(colours) == 3
    assert whiteness(image) > 0.01


def test_a_prompt_that_only_names_a_language_has_no_panels() -> None:
    assert requested_greetings("A Japanese garden") == ()
    assert [each.tag for each in requested_greetings("Two panels: English and 한국어")] == [
        "en",
        "ko",
    ]


@pytest.mark.parametrize("greeting", GREETINGS, ids=lambda each: each.language)
def test_every_greeting_has_its_glyphs(greeting: object) -> None:
    missing = bytes(font_of("NotoSans[wght].ttf", 40).getmask("\ufffe"))
    for part in greeting.parts:  # type: ignore[attr-defined]  # a Greeting
        for name, text in runs(part):
            blank = bytes(font_of(name, 40).getmask("\ufffe"))
            for letter in text.replace(" ", ""):
                drawn = bytes(font_of(name, 40).getmask(letter))
                assert drawn not in {blank, missing}, letter


def test_lines_fit_and_cjk_breaks_between_letters() -> None:
    lines = wrap("新鮮なパンと静かな港町の朝の風景", 40, 200)
    assert len(lines) > 2
    assert all(width_of(line, 40) <= 240 for line in lines)
    assert not any(line.startswith(("、", "。")) for line in lines)
    assert wrap("one two three", 40, 150) == ["one", "two", "three"]
    assert len(wrap("x" * 40, 40, 200)) > 1


def test_a_prompt_too_long_for_the_picture_ends_in_an_ellipsis() -> None:
    _, lines = lettering.fit_text("word " * 5000, 300, 200, most=40, least=14, leading=1.2)
    assert lines[-1].endswith("…")


def test_noise_and_transparency() -> None:
    flat, grainy = paint(spec("fox")), paint(spec("fox", noise=6))
    assert ImageStat.Stat(grainy).var[0] > ImageStat.Stat(flat).var[0]
    clear = paint(spec("fox", transparent=True))
    assert clear.getpixel((0, 0))[3] == 0  # type: ignore[index]  # an RGBA pixel is a tuple


def test_an_edit_shows_its_reference_dimmed() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 255, 0)).save(buffer, "PNG")
    corner = paint(spec("fox", reference=buffer.getvalue())).getpixel((3, 3))
    assert isinstance(corner, tuple)
    assert corner[0] == corner[2] == 0
    assert 60 < corner[1] < 140


def test_without_raqm_it_warns_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lettering.shapes_complex_scripts.cache_clear()
    font_of.cache_clear()
    monkeypatch.setattr("PIL.features.check", lambda _: False)
    paint(spec("नमस्ते"))
    paint(spec("fox"))
    assert capsys.readouterr().err.count("without Raqm") == 1
    monkeypatch.undo()
    lettering.shapes_complex_scripts.cache_clear()
    font_of.cache_clear()
