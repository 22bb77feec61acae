"""A gallery with jobs of every kind in it, and a browser that looks at it."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Locator, Page, expect

from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import ROOT, RunningStack, running_stack

#: What is too small to be hit with a finger (WCAG 2.2 AA: 24 pixels).
TOO_SMALL = """[...document.querySelectorAll("button, a, input, select, summary")]
  .filter((each) => each.checkVisibility() && !each.matches(".skip, p a, .cap a, .chip input"))
  .filter((each) => ["width", "height"].some((edge) => each.getBoundingClientRect()[edge] < 24))
  .map((each) => each.outerHTML)"""
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
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
        page.on("console", lambda line: faults.extend(_unexpected(line.text)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{stack.ready['host']}/api/gallery#key={caller.key}")
        expect(tile(page, "fox")).to_be_visible()
        yield page
        assert faults == []
        ours = (f"{stack.ready['host']}/", f"blob:{stack.ready['host']}/")
        assert [url for url in asked if not url.startswith(ours)] == []
        assert [url for url in asked if caller.key and caller.key in url] == []


def _unexpected(line: str) -> list[str]:
    """Return a line of the console, unless it is the browser's about an answer of the API.

    Refused and failed requests are part of the tests: the page says them itself.
    """
    return [] if line.startswith("Failed to load resource") else [line]


def tile(page: Page, job_id: str) -> Locator:
    return page.locator(f"#jobs [data-job={job_id}]")


def opened_job(page: Page, job_id: str) -> Locator:
    """Open a job by its tile, and wait until it is there."""
    tile(page, job_id).locator(".cap a").click()
    opened = page.locator(f"#page [data-job={job_id}]")
    expect(opened.locator("h1")).to_be_visible()
    return opened


def drawn(page: Page, selector: str) -> None:
    """Wait until a picture is there, whole."""
    page.wait_for_function(
        "selector => (document.querySelector(selector)?.naturalWidth ?? 0) > 0", arg=selector
    )


def barriers(page: Page) -> list[str]:
    """Return what axe-core finds on the page that would keep somebody out: serious or critical."""
    page.evaluate(AXE.read_text("utf-8"))
    found = page.evaluate("tags => axe.run({runOnly: tags})", RULES)["violations"]
    return [
        f"{each['id']}: {node['html']}"
        for each in found
        if each["impact"] in {"serious", "critical"}
        for node in each["nodes"]
    ]
