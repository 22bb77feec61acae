"""What all tests of the gallery look at: a stack with jobs, and its page in a browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.acceptance.browsers import running_browser
from tests.acceptance.callers import Caller, caller_of
from tests.acceptance.galleries import filled_stack, opened_gallery
from tests.acceptance.running_stack import RunningStack


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with filled_stack() as stack:
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
    with opened_gallery(browser, stack, caller) as page:
        yield page
