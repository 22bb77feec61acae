"""The gallery, as somebody sees and uses it in a browser: with a mouse, a keyboard, on a phone."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from shared.circuits import Circuit
from shared.pacing import begun
from shared.tempo import Quota
from shared.turns import Ledger
from tests.acceptance.browsers import running_browser
from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack

pytestmark = pytest.mark.timeout(300)

#: What the browser saw, for people to look at.
PICTURES = ROOT / "out" / "gallery"
#: What is too small to be hit with a finger (WCAG 2.2 AA: 24 pixels).
TOO_SMALL = """[...document.querySelectorAll("button, a, input, select, summary")]
  .filter((each) => each.checkVisibility() && !each.matches(".skip"))
  .filter((each) => ["width", "height"].some((edge) => each.getBoundingClientRect()[edge] < 24))
  .map((each) => each.outerHTML)"""
CONTRAST = Path(__file__).with_name("contrast.js")
PATIENCE_MS = 60_000
FOX = {"prompt": "a fox in the snow", "model": "gpt-image-2", "size": "16:9", "quality": "low"}
MARKUP = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
FINISH = {"thumbnail": 128, "renditions": [{"format": "webp"}], "contact_sheet": True}
LONG = "a terraced valley at dawn, mist between the steps; " * 60
JOBS = (
    {**FOX, "job_id": "fox", "tags": {"campaign": "winter"}},
    {**FOX, "job_id": "lanterns", "prompt": "paper lanterns over a river", "n": 2},
    {**FOX, "job_id": "mini", "prompt": "a harbour", "model": "gpt-image-1-mini", "size": "auto"},
    {**FOX, "job_id": "refused", "prompt": "[[refuse:moderation_blocked]] a fox"},
    {**FOX, "job_id": "markup", "prompt": MARKUP, "tags": {"html": "<b>bold</b>"}},
    {
        **FOX,
        "job_id": "made",
        "prompt": "a kettle",
        "n": 2,
        "size": ["1:1", "3:2"],
        "finish": FINISH,
    },
    {**FOX, "job_id": "a-long-id-" + "x" * 54, "prompt": LONG},
)


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "DAILY_BUDGET_USD=50") as stack:
        caller = caller_of(stack)
        assert caller.call("POST", "/api/jobs/batch", JOBS).json["accepted"] == len(JOBS)
        for job in JOBS:
            caller.ended(f"/api/jobs/{job['job_id']}")
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_browser() as browser:
        yield browser


@pytest.fixture
def caller(stack: RunningStack) -> Caller:
    return caller_of(stack)


@pytest.fixture
def page(browser: Browser, stack: RunningStack, caller: Caller) -> Iterator[Page]:
    """The gallery, opened with the key; at the end nothing was fetched from elsewhere, no fault."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        faults: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{stack.ready['host']}/api/gallery#key={caller.key}")
        expect(page.locator("[data-job=fox] img")).to_be_visible()
        yield page
        assert faults == []
        ours = (f"{stack.ready['host']}/", f"blob:{stack.ready['host']}/")
        assert [url for url in asked if not url.startswith(ours)] == []
        assert [url for url in asked if caller.key and caller.key in url] == []


def card(page: Page, job_id: str) -> str:
    return page.locator(f"[data-job={job_id}]").inner_text()


def drawn(page: Page, selector: str) -> None:
    """Wait until a picture is there, whole."""
    page.wait_for_function(
        "selector => (document.querySelector(selector)?.naturalWidth ?? 0) > 0", arg=selector
    )


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
        expect(page.locator("#door-fault")).to_have_text("the key is missing or wrong")
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
    expect(page.locator("#live")).to_have_text("all quiet")


def test_quota_and_spend_are_told_live(page: Page, stack: RunningStack) -> None:
    glance = page.locator("#glance")
    expect(glance).to_contain_text("of $50.00")
    assert re.search(r"spent today \(UTC\)\n\$0\.\d{4} of \$50\.00", glance.inner_text())
    pool = glance.locator("li").filter(has_text="FLUX.2-pro")
    expect(pool).to_have_text("FLUX.2-pro600 rpmnothing waits")
    now = datetime.now(UTC)
    circuit = Circuit(
        reason="blocked", message=MARKUP, opened_at=now, probe_at=now + timedelta(minutes=9)
    )
    ledger = Ledger(pace=begun(Quota(600), now=now), circuits={"": circuit})
    blob = stack.blobs.get_blob_client("pace", "FLUX.2-pro.json")
    blob.upload_blob(ledger.model_dump_json().encode())
    try:
        expect(pool).to_contain_text(f"blocked: {MARKUP}", timeout=PATIENCE_MS)
        expect(pool).to_contain_text("tried again in 9 min")
        assert pool.locator("img, script").count() == 0
    finally:
        blob.delete_blob()
    expect(pool).to_contain_text("nothing waits", timeout=PATIENCE_MS)


def test_what_a_finish_made_is_shown_and_saved(page: Page, stack: RunningStack) -> None:
    drawn(page, "[data-job=made] img")
    assert page.evaluate("document.querySelector('[data-job=made] img').naturalWidth") == 128
    page.locator("[data-job=made] button").click()
    dialog = page.get_by_role("dialog")
    for picture in ("figure img", ".sheet img"):
        page.locator(f"#details {picture}").first.scroll_into_view_if_needed()
        drawn(page, f"#details {picture}")
    assert dialog.locator(".sheet img").get_attribute("alt") == "All pictures of made on one sheet"
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


def test_one_job_tells_why_it_is_as_it_is_what_it_cost_and_what_happened(page: Page) -> None:
    page.locator("[data-job=fox] button").click()
    dialog = page.get_by_role("dialog")
    drawn(page, "#details img")
    told = dialog.inner_text()
    for wanted in ("fox", "16:9 → 1280x720", "gpt-image-2", "by usage", "campaign", "winter"):
        assert wanted in told, wanted
    assert re.search(r"called gpt-image-2\n.*done after .* s, \$0\.0", told)
    assert "image.job.succeeded announced" in told
    assert page.url.endswith("job=fox")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert page.evaluate("document.activeElement.parentElement.dataset.job") == "fox"


def test_a_parked_job_is_released_by_a_button(page: Page, caller: Caller) -> None:
    job = {**FOX, "job_id": "lost", "prompt": "a fox [[fault-once:cut]]", "on_unknown": "park"}
    caller.call("POST", "/api/jobs", job)
    assert caller.ended("/api/jobs/lost")["state"] == "parked"
    page.locator("[data-job=lost] button").click()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="release").click()
    expect(page.locator("#details .badge")).to_have_text("succeeded", timeout=PATIENCE_MS)
    expect(page.get_by_role("dialog")).to_contain_text("may have been paid for")


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


def contrasts(page: Page) -> dict[str, float]:
    """Texts that stand out too little from what is behind them (WCAG 2.2 AA: 4.5 to 1)."""
    found: dict[str, float] = page.evaluate(CONTRAST.read_text("utf-8"))
    return found


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
