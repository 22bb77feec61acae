"""A gallery with jobs of every kind in it, and a browser that looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import RunningStack, running_stack

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


@contextmanager
def filled_stack() -> Iterator[RunningStack]:
    """A stack whose jobs have all ended."""
    with running_stack("--set", "DAILY_BUDGET_USD=50") as stack:
        caller = caller_of(stack)
        assert caller.call("POST", "/api/jobs/batch", JOBS).json["accepted"] == len(JOBS)
        for job in JOBS:
            caller.ended(f"/api/jobs/{job['job_id']}")
        yield stack


@contextmanager
def opened_gallery(browser: Browser, stack: RunningStack, caller: Caller) -> Iterator[Page]:
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


def contrasts(page: Page) -> dict[str, float]:
    """Texts that stand out too little from what is behind them (WCAG 2.2 AA: 4.5 to 1)."""
    found: dict[str, float] = page.evaluate(CONTRAST.read_text("utf-8"))
    return found
