"""The gallery, as somebody sees and uses it in a browser: with a mouse, a keyboard, on a phone."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shared.limits.adaptive_rate import Quota
from shared.limits.circuit_breaker import Circuit
from shared.limits.pacing import start_pace
from shared.limits.pool_ledger import Ledger
from tests.acceptance.callers import Caller
from tests.acceptance.galleries import (
    FOX,
    JOBS,
    MARKUP,
    PATIENCE_MS,
    TOO_SMALL,
    card,
    contrasts,
    drawn,
)
from tests.acceptance.running_stack import ROOT, RunningStack

pytestmark = pytest.mark.timeout(300)

#: What the browser saw, for people to look at.
PICTURES = ROOT / "out" / "gallery"


def test_the_page_holds_nothing_until_the_key_is_given(
    browser: Browser, stack: RunningStack, caller: Caller
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{stack.ready['host']}/api/gallery")
        expect(page.locator("#door")).to_be_visible()
        assert page.locator(".card").count() == 0
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#door-fault")).to_have_text("The key is missing or wrong")
        page.fill("#key", caller.key or "")
        page.keyboard.press("Enter")
        expect(page.locator("[data-job=fox]")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#door")).to_be_visible()
        assert page.locator(".card").count() == 0


def test_jobs_are_a_grid_of_pictures_with_their_states(page: Page) -> None:
    drawn(page, "[data-job=fox] img")
    for job in JOBS:
        expect(page.locator(f"[data-job={job['job_id']}]")).to_be_visible()
    assert "succeeded" in card(page, "fox")
    assert "gpt-image-2" in card(page, "fox")
    assert "content_refused" in card(page, "refused")
    assert page.locator("[data-job=lanterns] .count").inner_text() == "2"
    expect(page.locator("#live")).to_have_text("No jobs running")


def test_quota_and_spend_are_told_live(page: Page, stack: RunningStack) -> None:
    glance = page.locator("#glance")
    expect(glance).to_contain_text("of $50.00")
    assert re.search(r"cost today \(UTC\)\n\$0\.\d{4} of \$50\.00", glance.inner_text())
    pool = glance.locator("li").filter(has_text="FLUX.2-pro")
    expect(pool).to_have_text("FLUX.2-pro600 rpmno calls waiting")
    now = datetime.now(UTC)
    circuit = Circuit(
        reason="blocked", message=MARKUP, opened_at=now, probe_at=now + timedelta(minutes=9)
    )
    ledger = Ledger(pace=start_pace(Quota(600), now=now), circuits={"": circuit})
    blob = stack.blobs.get_blob_client("pace", "FLUX.2-pro.json")
    blob.upload_blob(ledger.model_dump_json().encode())
    try:
        expect(pool).to_contain_text(f"blocked: {MARKUP}", timeout=PATIENCE_MS)
        expect(pool).to_contain_text("circuit open, next test call in 9 min")
        pool.locator("summary").focus()
        page.keyboard.press("Enter")
        with page.expect_response("**/api/overview"):  # it is drawn anew, and stays unfolded
            expect(pool.locator("details")).to_have_attribute("open", "")
        expect(pool.locator("details")).to_have_attribute("open", "")
        expect(pool.locator("summary")).to_be_focused()
        assert pool.locator("img, script").count() == 0
    finally:
        blob.delete_blob()
    expect(pool).to_contain_text("no calls waiting", timeout=PATIENCE_MS)


def test_what_could_not_be_looked_at_is_said_and_not_shown_as_nothing(page: Page) -> None:
    def answered(route: Route) -> None:
        told = route.fetch().json()
        told["budget"], told["budget_problem"] = None, "the budget did not answer"
        told["pools"][0]["pace"], told["pools"][0]["problem"] = None, "the ledger did not answer"
        route.fulfill(json=told)

    page.route("**/api/overview", answered)
    page.reload()
    glance = page.locator("#glance")
    expect(glance.locator("li").first).to_have_text("cost todayunknownthe budget did not answer")
    expect(glance.locator("li").nth(1)).to_have_text("gpt-image-2unknownthe ledger did not answer")


def test_without_a_budget_no_amount_is_claimed(page: Page) -> None:
    def answered(route: Route) -> None:
        told = route.fetch().json()
        told["budget"] |= dict.fromkeys(("limit_usd", "cost_usd", "reserved_usd", "calls"))
        route.fulfill(json=told)

    page.route("**/api/overview", answered)
    page.reload()
    expect(page.locator("#glance li").first).to_have_text(
        "cost todaynot trackedno daily budget is configured"
    )


def test_a_job_appears_while_it_runs_and_shows_its_picture_when_it_ends(
    page: Page, caller: Caller
) -> None:
    job = {**FOX, "job_id": "live", "prompt": "a live fox [[fault-once:slow-headers,12]]"}
    caller.call("POST", "/api/jobs", job)
    expect(page.locator("[data-job=live] .badge")).to_have_text("running", timeout=PATIENCE_MS)
    expect(page.locator("#live")).to_have_text("1 running")
    expect(page.locator("[data-job=live] .badge")).to_have_text("succeeded", timeout=PATIENCE_MS)
    drawn(page, "[data-job=live] img")
    assert page.locator(".card").first.inner_text().startswith("succeeded")


def test_what_a_caller_wrote_is_text_and_never_markup(page: Page) -> None:
    assert MARKUP in card(page, "markup")
    page.locator("[data-job=markup] button").click()
    expect(page.get_by_role("dialog")).to_contain_text("<b>bold</b>")
    assert page.locator("#details script, #details b:has-text('bold'), [src=x]").count() == 0
    assert page.title() == "Image Jobs"


def test_the_grid_and_one_job_are_walked_by_keyboard(page: Page) -> None:
    page.locator(".card").first.focus()
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.parentElement.dataset.job")
    page.keyboard.press("Enter")
    heading = page.locator("#details-title")
    expect(heading).to_have_text(second)
    page.keyboard.press("ArrowRight")
    expect(heading).not_to_have_text(second)
    page.keyboard.press("ArrowLeft")
    expect(heading).to_have_text(second)
    page.keyboard.press("Escape")
    expect(heading).to_be_hidden()
    page.keyboard.press("/")
    expect(page.locator("[name=text]")).to_be_focused()


def test_jobs_are_filtered_and_the_address_keeps_it(page: Page) -> None:
    cards = page.locator(".card")
    page.select_option("[name=state]", "failed")
    expect(cards).to_have_count(1)
    assert "content_refused" in card(page, "refused")
    page.select_option("[name=state]", "")
    page.select_option("[name=model]", "gpt-image-1-mini")
    expect(cards).to_have_count(1)
    page.select_option("[name=model]", "")
    page.fill("[name=tag]", "campaign:winter")
    expect(cards).to_have_count(1)
    assert "tag=campaign" in page.url
    page.reload()
    expect(cards).to_have_count(1)
    page.fill("[name=tag]", "")
    page.fill("[name=text]", "LANTERNS over")
    expect(cards).to_have_count(1)
    page.fill("[name=text]", "nothing like it")
    expect(page.locator("#empty")).to_be_visible()
    page.get_by_role("button", name="Clear the filters").click()
    expect(cards.nth(len(JOBS) - 1)).to_be_visible()
    assert page.locator("[name=text]").input_value() == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desk", 1280), ("phone", 360)])
def test_it_fits_each_screen_and_is_easy_to_read_in_each_light(
    page: Page, scheme: str, name: str, width: int
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
    page.set_viewport_size({"width": width, "height": 900})
    drawn(page, "[data-job=fox] img")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert contrasts(page) == {}
    assert page.evaluate(TOO_SMALL) == []
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=Path(PICTURES, f"{name}-{scheme}.png"))
    for job in ("refused", "made", "a-long-id-" + "x" * 54, "fox"):
        page.locator(f"[data-job={job}] button").click()
        if job != "refused":
            drawn(page, "#details img")
        assert page.evaluate("document.querySelector('#details').scrollWidth") <= width
        assert page.evaluate(TOO_SMALL) == []
        assert contrasts(page) == {}
        page.screenshot(path=Path(PICTURES, f"{name}-{scheme}-{job[:9]}.png"))
        page.keyboard.press("Escape")


def test_a_page_of_jobs_follows_another(page: Page, caller: Caller) -> None:
    more = [{**FOX, "job_id": f"older-{number:02d}", "prompt": "a sketch"} for number in range(50)]
    assert caller.call("POST", "/api/jobs/batch", more).json["accepted"] == len(more)
    expect(page.locator("[data-job=older-49]")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    expect(page.locator(".card").first).to_be_visible()
    before = page.locator(".card").count()
    page.get_by_role("button", name="Show older jobs").click()
    expect(page.locator("[data-job=fox]")).to_be_visible(timeout=PATIENCE_MS)
    assert page.locator(".card").count() > before


def test_the_policy_lets_nothing_in_from_elsewhere(stack: RunningStack) -> None:
    stranger = Caller(stack.ready["host"], None)
    got = stranger.call("GET", "/api/gallery")
    policy = got.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    for name, kind in (("gallery.js", "text/javascript"), ("gallery.css", "text/css")):
        assert stranger.call("GET", f"/api/gallery/{name}").headers.get_content_type() == kind
    for name in ("index.html", "nothing.js", "..%2Fgallery.py", "%2Fetc%2Fpasswd"):
        assert stranger.call("GET", f"/api/gallery/{name}").status == 404
