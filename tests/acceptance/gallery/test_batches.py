"""Batches in the gallery: the newest ones, and one with its progress, cost and failures."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.callers import Caller
from tests.acceptance.galleries import FOX, JOBS, PATIENCE_MS, barriers, drawn
from tests.acceptance.running_stack import RunningStack

pytestmark = pytest.mark.timeout(300)


def test_a_batch_tells_its_progress_cost_failures_and_results(
    page: Page, caller: Caller, stack: RunningStack
) -> None:
    slow = {**FOX, "job_id": "batch-slow", "prompt": "slow [[fault-once:slow-headers,15]]"}
    jobs = [{**FOX, "job_id": f"batch-{number}"} for number in range(3)]
    refused = {**FOX, "job_id": "batch-refused", "prompt": "[[refuse:moderation_blocked]] x"}
    posted = caller.call("POST", "/api/jobs/batch", [*jobs, refused, {**FOX, "n": 99}, slow])
    path = posted.headers["location"]
    page.keyboard.press("g")
    page.keyboard.press("b")
    batches = page.locator("#page table tbody tr")
    expect(batches.first).to_contain_text("List of 6 jobs")
    batches.first.get_by_role("link").click()
    told = page.locator("#page .batch")
    expect(told).to_contain_text("being made or waiting")
    expect(told).to_contain_text("in the end")
    assert barriers(page) == []
    expect(told).to_contain_text("Completed", timeout=PATIENCE_MS)
    expect(told).to_contain_text("4 made")
    expect(told).to_contain_text("2 not made")
    expect(told).to_contain_text("The safety filter refused this prompt.")
    expect(told).to_contain_text("n: 99 is too big")
    drawn(page, "#page .strip img")
    with page.expect_download() as download:
        told.get_by_role("button", name="Download results").click()
    lines = Path(download.value.path()).read_bytes()
    assert lines == stack.blob("images", f"_batches/{path.rsplit('/', 1)[1]}/results.jsonl")
    told.get_by_role("link", name="Show 1 job").click()
    expect(page.locator(".tile")).to_have_count(1)
    expect(page.locator("#also")).to_contain_text("Only jobs of the batch")
    page.get_by_role("button", name="Show all").click()
    expect(page.locator(".tile").nth(len(JOBS))).to_be_visible()


def test_a_batch_is_stopped_on_the_page_that_its_answer_links(
    page: Page, caller: Caller, stack: RunningStack
) -> None:
    # More than run at once, so that some have not begun.
    slow = {**FOX, "prompt": "slow [[fault:slow-headers,8]]"}
    posted = caller.call("POST", "/api/jobs/batch", [slow] * 100)
    batch = posted.json["batch"]["batch_id"]
    page.goto(f"{stack.ready['host']}{posted.json['batch']['gallery_path']}")
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Stop what is not begun").click()
    told = page.locator("#page .batch")
    expect(told).to_contain_text("Completed", timeout=PATIENCE_MS)
    expect(told).to_contain_text("Cancelled.")
    assert caller.call("GET", f"/api/batches/{batch}").json["counts"]["cancelled"] > 0
