"""Write the screenshots of the gallery into docs/gallery: `make screenshots`."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.acceptance.browsers import running_browser
from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.running_stack import ROOT, running_stack
from tests.simulation.waiting import until

FOLDER = ROOT / "docs" / "gallery"
#: What follows the part of a prompt that a list shows, so that no list shows the marker of a fault.
REST = ", painted with a broad brush in warm, muted colours" * 6
BASE = {"model": "gpt-image-2", "quality": "low"}
JOBS: tuple[dict[str, Any], ...] = (
    {"prompt": "Tea fields in the light of the morning", "size": "16:9"},
    {"prompt": "A sailing boat with one red sail", "size": "3:4"},
    {"prompt": "A fox head, geometric, for an app icon", "size": "1:1"},
    {"prompt": f"Two knights who fight in the rain{REST} [[refuse:moderation_blocked]]"},
    {"prompt": "Sand dunes, very wide, for a page header", "size": "21:9"},
    {"prompt": "Four variations of a lighthouse in a storm", "size": "2:3", "n": 4},
    {"prompt": f"An owl at night on a branch{REST} [[fault-once:cut]]", "on_unknown": "park"},
    {"prompt": "Three hot-air balloons over purple hills", "size": "3:2"},
    {
        "job_id": "shop",
        "prompt": "A shop window at night, warm light. A sign says “Open late”.",
        "size": ["1:1", "1000x600"],
        "locales": ["ja", "ko", "de", "es"],
        "tags": {"campaign": "winter"},
    },
    {"prompt": "A red fox that crosses a snowy forest at dusk", "size": "16:9"},
)
SLOW = {"prompt": f"A mountain lake before sunrise{REST} [[fault-once:slow-headers,50]]"}
#: Of each screenshot: its name, its address, its size and colours.
SHOTS = (
    ("pictures", "", 1280, 900, "light"),
    ("job", "&job=shop", 1280, 900, "light"),
    ("form", "&page=new&from=shop", 1280, 900, "light"),
    ("batch", "&page=batch&batch={batch}", 1280, 900, "light"),
    ("status", "&page=status", 1280, 720, "dark"),
    ("phone", "", 390, 844, "dark"),
)
#: Whether no picture in view is still to be fetched.
WAITS_FOR_NONE = """() => [...document.querySelectorAll("img.waiting")].every((each) =>
  each.getBoundingClientRect().top > innerHeight || !each.checkVisibility())"""


def main() -> None:
    """Fill a stack with jobs, and take a picture of each page."""
    FOLDER.mkdir(exist_ok=True)
    with running_stack("--set", "DAILY_BUDGET_USD=25") as stack, running_browser() as browser:
        caller = caller_of(stack)
        batch = _fill(caller)
        for name, address, width, height, scheme in SHOTS:
            url = f"{stack.ready['host']}/api/gallery#key={caller.key}"
            at = url + address.format(batch=batch)
            _take(browser, FOLDER / f"{name}.png", at, (width, height), scheme)


def _fill(caller: Caller) -> str:
    """Make the jobs, and return the id of a batch that they follow."""
    lamps = [{**BASE, "prompt": f"Lamp {number} of the catalogue"} for number in range(1, 41)]
    faulty = {**BASE, "prompt": "Lamp 41", "size": "huge"}
    posted = caller.call("POST", "/api/jobs/batch", [*lamps, faulty])
    caller.completed(posted.headers["location"])
    for job in JOBS:
        answer = caller.call("POST", "/api/jobs", BASE | job)
        caller.ended(answer.headers["location"])
    slow = caller.call("POST", "/api/jobs", BASE | SLOW).headers["location"]
    until(lambda: caller.call("GET", slow).json["tasks"][0]["state"] == "calling", "a call")
    return posted.headers["location"].rsplit("/", 1)[1]


def _take(browser: Browser, file: Path, url: str, size: tuple[int, int], scheme: str) -> None:
    width, height = size
    with browser.new_context(viewport={"width": width, "height": height}) as context:
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its two words
        page.goto(url)
        _wait(page)
        page.screenshot(path=file)


def _wait(page: Page) -> None:
    """Wait until the page is shown, and every picture in view."""
    page.wait_for_selector("main h1, main .price")
    page.wait_for_load_state("networkidle")
    page.wait_for_function(WAITS_FOR_NONE)


if __name__ == "__main__":
    main()
