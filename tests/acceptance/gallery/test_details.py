"""One job in the gallery: all there is to tell, what was made of it, what can be done to it."""

import re
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.galleries import (
    FOX,
    LONG,
    PATIENCE_MS,
    barriers,
    drawn,
    opened_job,
    tile,
)
from tests.acceptance.running_stack import RunningStack, running_stack

pytestmark = pytest.mark.timeout(300)


def test_one_job_tells_its_prompt_model_cost_and_only_what_was_changed(page: Page) -> None:
    opened = opened_job(page, "fox")
    drawn(page, "#page .pane img")
    for wanted in (
        "a fox in the snow",
        "gpt-image-2",
        "1280 \N{MULTIPLICATION SIGN} 720",
        "campaign: winter",
        "expected $",
    ):
        expect(opened).to_contain_text(wanted)
    expect(opened).to_contain_text("Made exactly as asked: nothing was changed.")
    steps = opened.locator(".steps")
    expect(steps).to_be_hidden()
    opened.get_by_text("What happened, step by step").click()
    assert re.search(r"Asked gpt-image-2\n.*\nMade after .* s, \$0\.0", steps.inner_text())
    expect(steps).to_contain_text("image.job.succeeded published")
    assert page.url.endswith("job=fox")
    page.go_back()
    expect(tile(page, "fox").locator(".cap a")).to_be_focused()


def test_what_was_changed_is_said_with_its_reason(page: Page, caller: Caller) -> None:
    job = {**FOX, "job_id": "changed", "size": "1000x1000"}
    assert caller.call("POST", "/api/jobs", job).status == 202
    caller.ended("/api/jobs/changed")
    expect(tile(page, "changed")).to_be_visible(timeout=PATIENCE_MS)
    changes = opened_job(page, "changed").locator(".changed")
    expect(changes).to_contain_text("The size is")
    expect(changes).to_contain_text("You asked for 1000 \N{MULTIPLICATION SIGN} 1000.")


def test_the_pace_of_a_pool_is_drawn_from_what_the_page_has_seen(page: Page) -> None:
    page.evaluate("address => { location.hash = address }", "page=status")
    curve = page.get_by_role("img", name=re.compile("gpt-image-2: at least [0-9.]+ calls a minute"))
    expect(curve.locator("polyline")).to_have_attribute(
        "points", re.compile(r"^\S+,\S+ \S+,\S+"), timeout=PATIENCE_MS
    )
    assert barriers(page) == []


def test_a_preview_is_shown_while_the_picture_is_made(page: Page, caller: Caller) -> None:
    prompt = "a fox, slowly [[fault:rate,40000]]"
    job = {**FOX, "job_id": "previewed", "prompt": prompt, "previews": 3}
    assert caller.call("POST", "/api/jobs", job).status == 202
    expect(tile(page, "previewed")).to_be_visible(timeout=PATIENCE_MS)
    opened = opened_job(page, "previewed")
    drawn(page, "#page img.preview")
    expect(opened.locator("img.preview")).to_have_attribute("src", re.compile("^blob:"))
    expect(opened.locator(".stage")).to_contain_text("Being made")
    assert barriers(page) == []
    drawn(page, "#page .pane img")
    expect(opened.locator("img.preview")).to_have_count(0)


def test_the_pictures_of_a_job_are_walked_zoomed_and_compared(page: Page) -> None:
    opened = opened_job(page, "made")
    drawn(page, "#page .pane img")
    heading = opened.locator(".viewer h2")
    expect(heading).to_contain_text("1 of 4")
    page.keyboard.press("ArrowRight")
    expect(heading).to_contain_text("2 of 4")
    higher = "(pane => pane.scrollHeight > pane.clientHeight)(document.querySelector('.pane'))"
    assert not page.evaluate(higher)
    for _ in range(3):
        page.keyboard.press("+")
    assert page.evaluate(higher)
    page.keyboard.press("0")
    assert not page.evaluate(higher)
    page.keyboard.press("x")
    expect(opened.locator(".stage .pane")).to_have_count(2)
    opened.locator(".stage select").last.select_option("3")
    expect(opened.locator(".film [aria-current]")).to_have_count(2)


def test_what_a_finish_made_is_shown_and_saved(page: Page, stack: RunningStack) -> None:
    drawn(page, "[data-job=made] img")
    assert page.evaluate("document.querySelector('[data-job=made] img').naturalWidth") == 128
    opened = opened_job(page, "made")
    opened.get_by_text("Files and overview sheet").click()
    for link, blob in (
        ("Smaller file, WebP, quality 80", "made/default/0.q80.webp"),
        ("Thumbnail, WebP", "made/default/0.t128.webp"),
    ):
        with page.expect_download() as download:
            opened.get_by_role("link", name=link).first.click()
        assert download.value.suggested_filename == blob.replace("/", "_")
        assert Path(download.value.path()).read_bytes() == stack.blob("images", blob)
    with page.expect_download() as download:
        page.keyboard.press("s")
    assert download.value.suggested_filename == "made_default_0.png"


def test_a_job_opened_by_a_link_leads_to_the_older_and_the_newer_one(page: Page) -> None:
    page.goto(page.url.split("#", maxsplit=1)[0] + "#job=markup")
    page.reload()
    job = page.locator("#page .job")
    expect(job).to_have_attribute("data-job", "markup")
    page.keyboard.press("j")
    expect(job).not_to_have_attribute("data-job", "markup")
    page.keyboard.press("k")
    expect(job).to_have_attribute("data-job", "markup")


def test_all_pictures_are_saved_as_one_zip(page: Page, stack: RunningStack) -> None:
    opened = opened_job(page, "made")
    with page.expect_download() as download:
        opened.get_by_role("button", name="Save all").click()
    assert download.value.suggested_filename == "made.zip"
    with zipfile.ZipFile(download.value.path()) as packed:
        assert packed.testzip() is None
        assert len(packed.namelist()) == 5
        assert packed.read("made_default_0.png") == stack.blob("images", "made/default/0.png")


def test_a_parked_job_is_decided_on_its_tile_or_on_its_page(page: Page, caller: Caller) -> None:
    for name in ("lost", "lost-too"):
        job = {**FOX, "job_id": name, "prompt": f"{name} [[fault-once:cut]]", "on_unknown": "park"}
        caller.call("POST", "/api/jobs", job)
        assert caller.ended(f"/api/jobs/{name}")["state"] == "parked"
    on_tile = tile(page, "lost-too")
    expect(on_tile).to_contain_text("We may have paid for this one", timeout=PATIENCE_MS)
    on_tile.get_by_role("button", name="Give up").click()
    expect(on_tile).to_contain_text("Failed", timeout=PATIENCE_MS)
    opened = opened_job(page, "lost")
    expect(opened).to_contain_text("It may then be paid twice.")
    opened.get_by_role("button", name="Try again").click()
    expect(opened.locator(".side .state")).to_have_text("Done", timeout=PATIENCE_MS)
    expect(opened).to_contain_text("may have been paid for")


def test_pictures_under_review_are_approved_on_their_page(page: Page, caller: Caller) -> None:
    job = {**FOX, "job_id": "reviewed", "prompt": "a fox to review", "review": True}
    caller.call("POST", "/api/jobs", job)
    assert caller.ended("/api/jobs/reviewed")["state"] == "awaiting_review"
    opened = opened_job(page, "reviewed")
    expect(opened).to_contain_text("Are these pictures good?")
    opened.get_by_role("button", name="Approve").click()
    expect(opened.locator(".side .state")).to_have_text("Done", timeout=PATIENCE_MS)
    assert caller.ended("/api/jobs/reviewed")["state"] == "succeeded"


def test_a_job_that_was_left_is_not_opened_again_by_a_late_answer(page: Page) -> None:
    opened_job(page, "fox")
    held: list[Route] = []
    page.route("**/api/jobs/fox", lambda route: held.append(route))  # noqa: PLW0108 (playwright marks its handlers)
    with page.expect_request("**/api/jobs/fox"):
        pass
    page.keyboard.press("Escape")
    expect(page.locator("#pictures")).to_be_visible()
    with page.expect_response("**/api/jobs?*"):
        held[0].continue_()
    expect(page.locator("#page")).to_be_hidden()


def test_a_long_prompt_is_folded_and_another_job_begins_at_its_top(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 500})
    opened_job(page, "a-long-id-" + "x" * 54)
    prompt = page.locator("#page .prompt")
    assert len(prompt.inner_text()) < len(LONG) / 2
    page.get_by_role("button", name=f"All {len(LONG):,} characters").click()
    expect(prompt).to_have_text(LONG.strip())
    page.evaluate("scrollTo(0, 300)")
    page.keyboard.press("j")
    expect(page.locator("#page .job")).to_have_attribute("data-job", "made")
    assert page.evaluate("scrollY") == 0


def test_a_job_is_made_again_with_changes_at_a_price_that_is_shown_first(
    page: Page, caller: Caller
) -> None:
    opened_job(page, "fox").get_by_role("link", name="Again with changes").click()
    prompt = page.get_by_role("textbox", name="What should it show?")
    expect(prompt).to_have_value("a fox in the snow")
    make = page.locator(".sum [type=submit]")
    expect(make).to_have_text(re.compile(r"Make 1 picture for \$0\.0\d+"))
    prompt.fill("a fox in the rain")
    page.get_by_role("button", name="One more").click()
    page.get_by_role("checkbox", name="Tall 2:3").check()
    expect(make).to_have_text(re.compile(r"Make 4 pictures for \$0\.0\d+"))
    make.click()
    expect(page.locator("#page .job h1")).to_have_text("a fox in the rain")
    made = caller.ended(f"/api/jobs/{page.locator('#page .job').get_attribute('data-job')}")
    assert made["job"]["size"] == ["16:9", "2:3"]
    assert made["job"]["tags"] == {"campaign": "winter"}
    assert len(made["images"]) == 4


def test_a_fault_of_the_form_is_said_at_its_field_and_nothing_is_made(page: Page) -> None:
    page.keyboard.press("n")
    page.get_by_role("textbox", name="What should it show?").fill("a fox")
    page.locator("[name=other]").fill("huge")
    fault = page.locator("[data-fault=size]")
    expect(fault).to_contain_text("huge")
    expect(page.locator(".sum [type=submit]")).to_be_disabled()
    page.locator("[name=other]").fill("4:5")
    expect(fault).to_be_hidden()
    expect(page.locator(".sum [type=submit]")).to_be_enabled()


def test_a_picture_is_used_as_the_input_of_a_new_job(page: Page, caller: Caller) -> None:
    opened_job(page, "fox").get_by_role("link", name="Use as input").click()
    page.get_by_role("textbox", name="What should change?").fill("make it night")
    page.locator(".sum [type=submit]").click(timeout=PATIENCE_MS)
    opened = page.locator("#page .job")
    expect(opened.locator("h1")).to_have_text("make it night")
    made = caller.ended(f"/api/jobs/{opened.get_attribute('data-job')}")
    assert made["job"]["inputs"] == ["/images/fox/default/0.png"]


def test_pictures_come_straight_from_storage_where_links_are_given(browser: Browser) -> None:
    with (
        running_stack("--set", "READ_LINK_SECONDS=600") as stack,
        browser.new_context() as context,
    ):
        caller = caller_of(stack)
        caller.call("POST", "/api/jobs", {**FOX, "job_id": "linked"})
        caller.ended("/api/jobs/linked")
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{stack.ready['host']}/api/gallery#key={caller.key}")
        drawn(page, "[data-job=linked] img")
        sources = [page.locator("[data-job=linked] img").get_attribute("src")]
        opened_job(page, "linked")
        drawn(page, "#page .pane img")
        sources.append(page.locator("#page .pane img").get_attribute("src"))
        for source in sources:
            assert "/images/linked/default/0.png?" in (source or "")
            assert not (source or "").startswith(stack.ready["host"])
