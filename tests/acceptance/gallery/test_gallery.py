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
    barriers,
    drawn,
    opened_job,
    tile,
)
from tests.acceptance.running_stack import ROOT, RunningStack

pytestmark = pytest.mark.timeout(300)

#: What the browser saw, for people to look at.
PICTURES = ROOT / "out" / "gallery"
#: A job of the list, as the API shows it.
SKETCH = {
    "state": "succeeded",
    "run": 1,
    "prompt": "a sketch",
    "models": ["gpt-image-2"],
    "sizes": ["1024x1024"],
    "tags": {},
    "images": 1,
    "cover_path": "/api/jobs/fox/images/first",
    "cover_url": None,
    "cost_usd": 0.01,
    "cost_usd_at_most": 0.01,
    "failure": None,
}
ALL = 1000


def test_the_page_shows_nothing_until_the_key_is_given(
    browser: Browser, stack: RunningStack, caller: Caller
) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{stack.ready['host']}/api/gallery")
        expect(page.locator("#door")).to_be_visible()
        assert page.locator(".tile").count() == 0
        page.fill("#key", "wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#door-fault")).to_contain_text("This key is not accepted")
        page.fill("#key", caller.key or "")
        page.keyboard.press("Enter")
        expect(tile(page, "fox")).to_be_visible(timeout=PATIENCE_MS)
        page.locator("#menu summary").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#door")).to_be_visible()
        assert page.locator(".tile").count() == 0


def test_pictures_come_first_and_each_tile_says_what_happened(page: Page) -> None:
    drawn(page, "[data-job=fox] img")
    for job in JOBS:
        expect(tile(page, str(job["job_id"]))).to_be_visible()
    # Above the fold of a laptop.
    assert page.evaluate("document.querySelector('.tile').getBoundingClientRect().top") < 280
    refused = tile(page, "refused")
    expect(refused).to_contain_text("The safety filter refused this prompt.")
    expect(refused).to_contain_text("may have been paid.")
    expect(refused.get_by_role("link", name="Change the words")).to_be_visible()
    assert "content_refused" not in page.locator("#jobs").inner_text()
    expect(tile(page, "lanterns").locator(".many")).to_have_text("2 pictures")


def test_a_tile_has_the_shape_of_its_picture(page: Page) -> None:
    shape = "job => { const box = document.querySelector(`[data-job=${job}] .pic`)"
    shape += ".getBoundingClientRect(); return box.width / box.height }"
    assert page.evaluate(shape, "fox") == pytest.approx(16 / 9, rel=0.02)


def test_idle_models_are_one_line_and_trouble_stands_out(page: Page, stack: RunningStack) -> None:
    line = page.locator("#line summary")
    expect(line).to_contain_text("10 models ready")
    assert re.search(r"\$0\.\d+ of \$50\.00 today", line.inner_text().replace("\n", " "))
    expect(page.locator("#line details > div")).to_be_hidden()
    now = datetime.now(UTC)
    circuit = Circuit(
        reason="blocked", message=MARKUP, opened_at=now, probe_at=now + timedelta(minutes=9)
    )
    ledger = Ledger(pace=start_pace(Quota(600), now=now), circuits={"": circuit})
    blob = stack.blobs.get_blob_client("pace", "FLUX.2-pro.json")
    blob.upload_blob(ledger.model_dump_json().encode())
    banner = page.locator("#trouble .banner")
    try:
        expect(banner).to_contain_text(
            "FLUX.2-pro is blocked by the provider.", timeout=PATIENCE_MS
        )
        expect(banner).to_contain_text("Your jobs are safe")
        expect(banner).to_contain_text(MARKUP)
        assert banner.locator("img, script").count() == 0
        expect(line).to_contain_text("1 of 10 models takes no calls")
        expect(page.locator("#line details")).to_have_attribute("open", "")
        banner.get_by_role("link", name="See the status").click()
        trouble = page.locator("#page .banner")
        expect(trouble).to_contain_text("We try again at")
        trouble.get_by_role("button", name="Try now").click()
        expect(trouble).to_contain_text("The next call is a test.")
        expect(page.locator("#page")).to_contain_text("Jobs and records")
        page.keyboard.press("g")
        page.keyboard.press("p")
    finally:
        blob.delete_blob()
    expect(banner).to_have_count(0, timeout=PATIENCE_MS)
    expect(line).to_contain_text("10 models ready")


def test_what_could_not_be_read_is_said_and_not_shown_as_nothing(page: Page) -> None:
    def answered(route: Route) -> None:
        told = route.fetch().json()
        told["budget"], told["budget_problem"] = None, "the budget did not answer"
        told["pools"][0]["pace"], told["pools"][0]["problem"] = None, "the ledger did not answer"
        route.fulfill(json=told)

    page.route("**/api/overview", answered)
    page.reload()
    banner = page.locator("#trouble .banner")
    expect(banner).to_contain_text("the budget did not answer")
    expect(banner).to_contain_text("the ledger did not answer")
    expect(page.locator("#line summary")).to_contain_text("cost unknown")


def test_calls_that_wait_past_their_time_are_said_on_the_status_page(page: Page) -> None:
    waiting: dict[str, object] = {}

    def answered(route: Route) -> None:
        told = route.fetch().json()
        told["waiting"] |= waiting
        route.fulfill(json=told)

    page.evaluate("address => { location.hash = address }", "page=status")
    line = page.locator("#page li").filter(has_text="Calls that wait for their time")
    expect(line).to_contain_text("No call waits")
    waiting |= {"tasks": 3, "late_seconds": 340}
    page.route("**/api/overview", answered)
    page.reload()
    expect(line).to_contain_text("3 calls, late by 5 min 40 s")


def test_without_a_budget_no_amount_is_claimed(page: Page) -> None:
    def answered(route: Route) -> None:
        told = route.fetch().json()
        told["budget"] |= dict.fromkeys(
            ("limit_usd", "cost_usd", "cost_usd_at_most", "reserved_usd", "left_usd", "calls")
        )
        route.fulfill(json=told)

    page.route("**/api/overview", answered)
    page.reload()
    line = page.locator("#line summary")
    expect(line).to_contain_text("10 models ready")
    expect(line).not_to_contain_text("$")


def test_a_job_says_what_it_is_at_and_shows_its_picture_when_it_ends(
    page: Page, caller: Caller
) -> None:
    job = {**FOX, "job_id": "live", "prompt": "a live fox [[fault-once:slow-headers,12]]"}
    caller.call("POST", "/api/jobs", job)
    live = tile(page, "live")
    expect(live).to_contain_text("Being made", timeout=PATIENCE_MS)
    expect(live).to_contain_text(re.compile(r"About \d+ s left"))
    making = page.get_by_role("button", name="Making")
    expect(making.locator(".count")).to_have_text("1", timeout=PATIENCE_MS)
    drawn(page, "[data-job=live] img")
    expect(live).not_to_contain_text("Being made")
    assert page.locator(".tile").first.get_attribute("data-job") == "live"


def test_a_store_that_does_not_answer_is_said_and_what_was_known_stays(page: Page) -> None:
    problem = {"code": "unavailable", "detail": "A service did not answer."}
    page.route("**/api/jobs?*", lambda route: route.fulfill(status=503, json=problem))
    down = page.locator("#down")
    expect(down).to_contain_text("The picture store does not answer.", timeout=PATIENCE_MS)
    expect(tile(page, "fox")).to_be_visible()
    page.unroute("**/api/jobs?*")
    down.get_by_role("button", name="Try now").click()
    expect(down.locator(".banner")).to_have_count(0)


def test_what_a_caller_wrote_is_text_and_never_markup(page: Page) -> None:
    expect(tile(page, "markup")).to_contain_text(MARKUP)
    opened = opened_job(page, "markup")
    expect(opened).to_contain_text("<b>bold</b>")
    assert page.locator("#page script, #page b:has-text('bold'), [src=x]").count() == 0
    assert page.title().endswith("· Image Jobs")


def test_the_wall_and_one_job_are_walked_by_keyboard(page: Page) -> None:
    focused = "document.activeElement.closest('.tile')?.dataset.job"
    page.locator(".cap a").first.focus()
    page.keyboard.press("ArrowRight")
    second = page.evaluate(focused)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focused) not in {None, second}
    tile(page, second).locator(".cap a").focus()
    page.keyboard.press("Enter")
    opened = page.locator("#page .job")
    expect(opened).to_have_attribute("data-job", second)
    page.keyboard.press("j")
    expect(opened).not_to_have_attribute("data-job", second)
    page.keyboard.press("k")
    expect(opened).to_have_attribute("data-job", second)
    page.keyboard.press("Escape")
    expect(page.locator("#pictures")).to_be_visible()
    expect(tile(page, second).locator(".cap a")).to_be_focused()
    page.keyboard.press("/")
    expect(page.locator("[name=text]")).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Again with changes")
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("s")
    expect(page.get_by_role("heading", name="Status")).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_role("heading", name="New picture")).to_be_visible()


def test_jobs_are_filtered_and_the_address_keeps_it(page: Page) -> None:
    tiles = page.locator(".tile")
    page.get_by_role("button", name="Failed").click()
    expect(tiles).to_have_count(1)
    expect(tile(page, "refused")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    page.select_option("[name=model]", "gpt-image-1-mini")
    expect(tiles).to_have_count(1)
    page.select_option("[name=model]", "")
    page.fill("[name=tag]", "campaign:winter")
    expect(tiles).to_have_count(1)
    expect(page).to_have_url(re.compile("tag=campaign"))
    page.reload()
    expect(tiles).to_have_count(1)
    page.fill("[name=tag]", "winter")
    expect(page.locator("#tag-fault")).to_contain_text("as campaign:winter")
    page.fill("[name=tag]", "")
    expect(page.locator("#tag-fault")).to_be_hidden()
    page.fill("[name=text]", "LANTERNS over")
    expect(tiles).to_have_count(1)
    page.fill("[name=text]", "nothing like it")
    expect(page.locator("#empty")).to_contain_text("Nothing found")
    assert "text=nothing" in page.url
    page.get_by_role("button", name="Clear the filters").click()
    expect(tiles.nth(len(JOBS) - 1)).to_be_visible()
    assert page.locator("[name=text]").input_value() == ""


def test_an_empty_gallery_shows_a_command_to_copy(page: Page) -> None:
    page.route("**/api/jobs?*", lambda route: route.fulfill(json={"jobs": [], "next": None}))
    page.reload()
    empty = page.locator("#empty")
    expect(empty).to_contain_text("No pictures yet")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    empty.get_by_role("button", name="Copy").first.click()
    expect(empty.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()").startswith("image-jobs submit ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "width"), [("desk", 1280), ("phone", 390), ("small", 320)])
def test_it_fits_each_screen_and_keeps_nobody_out(
    page: Page, scheme: str, name: str, width: int
) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
    page.set_viewport_size({"width": width, "height": 900})
    PICTURES.mkdir(parents=True, exist_ok=True)
    drawn(page, "[data-job=fox] img")

    def looks_right(what: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth") <= width, what
        assert barriers(page) == [], what
        assert page.evaluate(TOO_SMALL) == [], what
        page.screenshot(path=Path(PICTURES, f"{name}-{scheme}-{what}.png"))

    looks_right("pictures")
    for job in ("refused", "made", "a-long-id-" + "x" * 54, "fox"):
        opened_job(page, job)
        if job != "refused":
            drawn(page, "#page .pane img")
        looks_right(job[:9])
        page.keyboard.press("Escape")
    for address, heading in (
        ("page=status", "Status"),
        ("page=batches", "Batches"),
        ("page=new&from=made", "Again with"),
    ):
        page.evaluate("address => { location.hash = address }", address)
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        looks_right(heading.partition(" ")[0].lower())


def test_a_thousand_jobs_are_shown_a_page_at_a_time_and_fetched_when_in_view(page: Page) -> None:
    asked: list[str] = []

    def answered(route: Route) -> None:
        found = re.search(r"after=(\d+)", route.request.url)
        after = int(found[1]) if found else 0
        rows = [sketch(number) for number in range(after, min(after + 48, ALL))]
        following = str(after + 48) if after + 48 < ALL else None
        route.fulfill(json={"jobs": rows, "next": following})

    def sketch(number: int) -> dict[str, object]:
        moment = (datetime.now(UTC) - timedelta(minutes=number)).isoformat()
        path = f"/api/jobs/fox/images/first?of={number}"
        facts = {"job_id": f"old-{number}", "path": "", "cover_path": path}
        return SKETCH | facts | {"accepted_at": moment, "updated_at": moment}

    page.on("request", lambda request: asked.append(request.url) if "of=" in request.url else None)
    page.route("**/api/jobs?*", answered)
    page.reload()
    tiles, more = page.locator(".tile"), page.get_by_role("button", name="Show older pictures")
    expect(tiles).to_have_count(48)
    for shown in range(96, ALL, 48):
        more.click()
        expect(tiles).to_have_count(shown)
    more.click()
    expect(tiles).to_have_count(ALL)
    expect(more).to_be_hidden()
    assert len(asked) < ALL / 2


def test_a_page_of_jobs_follows_another(page: Page, caller: Caller) -> None:
    more = [{**FOX, "job_id": f"older-{number:02d}", "prompt": "a sketch"} for number in range(50)]
    assert caller.call("POST", "/api/jobs/batch", more).json["accepted"] == len(more)
    expect(tile(page, "older-49")).to_be_visible(timeout=PATIENCE_MS)
    page.reload()
    expect(page.locator(".tile").first).to_be_visible()
    before = page.locator(".tile").count()
    page.get_by_role("button", name="Show older pictures").click()
    expect(tile(page, "fox")).to_be_visible(timeout=PATIENCE_MS)
    assert page.locator(".tile").count() > before


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
