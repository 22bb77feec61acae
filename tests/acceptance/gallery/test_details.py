"""One job in the gallery: all there is to tell, what was made of it, what can be done to it."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.galleries import FOX, LONG, PATIENCE_MS, drawn
from tests.acceptance.running_stack import RunningStack, running_stack

pytestmark = pytest.mark.timeout(300)


def test_one_job_tells_why_it_is_as_it_is_what_it_cost_and_what_happened(page: Page) -> None:
    page.locator("[data-job=fox] button").click()
    dialog = page.get_by_role("dialog")
    drawn(page, "#details img")
    told = dialog.inner_text()
    for wanted in ("fox", "16:9 → 1280x720", "gpt-image-2", "by usage", "campaign", "winter"):
        assert wanted in told, wanted
    assert re.search(r"called gpt-image-2\n.*done after .* s, \$0\.0", told)
    assert "image.job.succeeded published" in told
    assert page.url.endswith("job=fox")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.parentElement.dataset.job") == "fox"


def test_what_a_finish_made_is_shown_and_saved(page: Page, stack: RunningStack) -> None:
    drawn(page, "[data-job=made] img")
    assert page.evaluate("document.querySelector('[data-job=made] img').naturalWidth") == 128
    page.locator("[data-job=made] button").click()
    dialog = page.get_by_role("dialog")
    for picture in ("figure img", ".sheet img"):
        page.locator(f"#details {picture}").first.scroll_into_view_if_needed()
        drawn(page, f"#details {picture}")
    assert dialog.locator(".sheet img").get_attribute("alt") == "Contact sheet of made"
    for link, blob in (
        ("webp q80", "made/default/0.q80.webp"),
        ("thumbnail webp", "made/default/0.t128.webp"),
    ):
        with page.expect_download() as download:
            dialog.get_by_role("link", name=link).first.click()
        assert download.value.suggested_filename == blob.replace("/", "_")
        assert Path(download.value.path()).read_bytes() == stack.blob("images", blob)
    plans = dialog.locator("details.plan")
    assert plans.count() == 2
    plans.first.locator("summary").click()
    expect(plans.first).to_contain_text("deployments")


def test_a_parked_job_is_released_by_a_button(page: Page, caller: Caller) -> None:
    job = {**FOX, "job_id": "lost", "prompt": "a fox [[fault-once:cut]]", "on_unknown": "park"}
    caller.call("POST", "/api/jobs", job)
    assert caller.ended("/api/jobs/lost")["state"] == "parked"
    page.locator("[data-job=lost] button").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="release").click()
    expect(page.locator("#details .badge")).to_have_text("succeeded", timeout=PATIENCE_MS)
    expect(page.get_by_role("dialog")).to_contain_text("may have been paid for")


def test_a_job_that_was_left_is_not_opened_again_by_a_late_answer(page: Page) -> None:
    page.locator("[data-job=fox] button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    held: list[Route] = []
    page.route("**/api/jobs/fox", lambda route: held.append(route))  # noqa: PLW0108 (playwright marks its handlers)
    with page.expect_request("**/api/jobs/fox"):
        pass
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    with page.expect_response("**/api/jobs?*"):
        held[0].continue_()
    expect(dialog).to_be_hidden()


def test_a_long_prompt_is_folded_and_another_job_is_begun_at_its_top(page: Page) -> None:
    page.locator("[data-job^=a-long-id] button").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".beginning")).to_be_visible()
    dialog.get_by_text(f"All {len(LONG):,} characters").click()
    expect(dialog.locator("p.prompt")).to_be_visible()
    expect(dialog.locator(".beginning")).to_be_hidden()
    page.evaluate("document.querySelector('#details').scrollTop = 300")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#details-title")).not_to_contain_text("a-long-id")
    assert page.evaluate("document.querySelector('#details').scrollTop") == 0


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
        page.goto(f"{stack.ready['host']}/api/gallery#key={caller.key}&job=linked")
        for picture in ("[data-job=linked] img", "#details img"):
            drawn(page, picture)
            source = page.locator(picture).get_attribute("src") or ""
            assert "/images/linked/default/0.png?" in source
            assert not source.startswith(stack.ready["host"])
