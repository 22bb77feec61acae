"""What is made of an original: each picture under a name that says all of it."""

from hypothesis import given
from hypothesis import strategies as st

from shared.jobs.job import Finish, Rendition
from shared.pictures.renditions import list_renditions, sheet_name
from tests.builders.messages import FINISHES

ORIGINAL = "fox/ja/0.png"


def test_each_wish_has_a_name_that_says_all_of_it() -> None:
    finish = Finish(size="1920x1080", renditions=(Rendition(format="jpeg"),), thumbnail=64)
    wishes = list_renditions(finish, ORIGINAL, "png")
    assert [(wish.kind, wish.blob, wish.encoding) for wish in wishes] == [
        ("exact", "fox/ja/0.1920x1080.png", "png"),
        ("rendition", "fox/ja/0.1920x1080.q80.jpg", "jpeg"),
        ("thumbnail", "fox/ja/0.1920x1080.t64.webp", "webp"),
    ]
    assert {wish.size for wish in wishes} == {(1920, 1080)}
    (own,) = list_renditions(Finish(renditions=(Rendition(format="webp"),)), ORIGINAL, "png")
    assert (own.blob, own.size) == ("fox/ja/0.q80.webp", None)


@given(FINISHES, st.sampled_from(["png", "jpeg"]))
def test_no_two_pictures_share_a_name_and_none_is_the_original(
    finish: dict[str, object], encoding: str
) -> None:
    asked = Finish.model_validate_json(
        Finish.model_validate(finish, strict=False).model_dump_json()
    )
    blob = f"fox/ja/0.{ {'png': 'png', 'jpeg': 'jpg'}[encoding] }"
    made = list_renditions(asked, blob, encoding)  # type: ignore[arg-type]  # sampled from the two
    names = [each.blob for each in made]
    assert blob not in names
    assert len({*names}) == len(names)
    assert all(name.startswith("fox/ja/0.") for name in names)


def test_a_finish_of_a_sheet_alone_makes_nothing_of_each_original() -> None:
    assert list_renditions(Finish(contact_sheet=True), ORIGINAL, "png") == ()


def test_squeezing_is_asked_for_with_resize() -> None:
    cut, squeezed = (
        list_renditions(Finish(size="10x10", how=how), ORIGINAL, "png")[0]
        for how in ("crop", "resize")
    )
    assert (cut.squeeze, squeezed.squeeze) == (False, True)


def test_a_later_run_has_a_contact_sheet_of_its_own() -> None:
    assert sheet_name("fox", 1) == "fox/contact-sheet.jpg"
    assert sheet_name("fox", 2) == "fox/run-2/contact-sheet.jpg"
