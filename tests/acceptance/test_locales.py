"""One message for several locales, as a caller sees it from outside."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running_stack import RunningStack, running_stack

LOCALES = ["ja", "ko", "hi", "ar", "bn", "zh-Hans"]
SIGN = {"prompt": 'A poster that says "Hello World".', "model": "gpt-image-2", "quality": "low"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack() as stack:
        yield stack


def test_each_locale_gets_its_own_picture_and_the_job_one_event(stack: RunningStack) -> None:
    stack.submit({**SIGN, "job_id": "sign-1", "locales": LOCALES})
    event = stack.event("sign-1")
    assert event["type"] == "image.job.succeeded"
    images = event["data"]["images"]
    assert [image["blob"] for image in images] == [f"sign-1/{tag}/0.png" for tag in LOCALES]
    assert len({image["sha256"] for image in images}) == len(LOCALES)
    assert len(stack.billed("sign-1")) == len(LOCALES)
    picture = stack.blobs.get_blob_client("images", "sign-1/ar/0.png")
    assert picture.get_blob_properties().metadata["locale"] == "ar"
    labels = {"job_id": "sign-1", "model": "gpt-image-2", "locale": "ar"}
    assert picture.get_blob_tags() == labels


def test_a_language_that_is_a_country_is_refused_and_costs_nothing(stack: RunningStack) -> None:
    stack.submit({**SIGN, "job_id": "sign-2", "locales": ["jp"]})
    event = stack.event("sign-2")
    (fault,) = event["data"]["faults"]
    assert (event["type"], fault["field"]) == ("image.job.rejected", "locales[0]")
    assert not stack.billed("sign-2")
