"""Odd replies that were paid for: each picture is kept, none is bought twice."""

from collections.abc import Iterator

import pytest

from tests.acceptance.running_stack import RunningStack, running_stack

JOB = {"model": "gpt-image-2", "size": "1024x1024", "quality": "low", "on_unknown": "retry_once"}
#: Faults of the emulator by which a picture is wrapped, and how many pictures are asked for.
WRAPPED = {
    "wrong-content-type,text/event-stream": 2,
    "wrong-content-type,image/png": 2,
    "status,201": 2,
    "status,206": 2,
    "gzip": 2,
    "deflate": 2,
    "data-uri": 1,
    "base64url": 2,
    "trailing": 1,
    "long-header": 2,
    "escapes": 2,
    "mixed": 3,
}
#: Faults by which pictures are lost: how many are asked for and come, the code, and a word of why.
LOST = {
    "spoilt-first": (3, 2, "fewer_images", "picture 1: "),
    "bad-base64": (2, 0, "no_image", "not valid base64"),
    "202": (2, 0, "no_image", "202 Accepted"),
    "truncated-json": (2, 0, "outcome_unknown", ""),
}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    """A stack to which all jobs were sent."""
    del azurite  # where it is missing, this skips or fails
    with running_stack() as made:
        for fault, n in {**WRAPPED, **{name: row[0] for name, row in LOST.items()}}.items():
            once = "fault-once" if fault == "truncated-json" else "fault"
            prompt = f"a fox [[{once}:{fault}]]"
            made.submit({**JOB, "job_id": _id(fault), "prompt": prompt, "n": n})
        yield made


def _id(fault: str) -> str:
    return "wrapped-" + "".join(each if each.isalnum() else "-" for each in fault)


@pytest.mark.parametrize("fault", WRAPPED)
def test_a_picture_is_kept_whatever_its_wrapping(stack: RunningStack, fault: str) -> None:
    event = stack.event(_id(fault))
    assert event["type"] == "image.job.succeeded", event["data"]
    assert len(event["data"]["images"]) == WRAPPED[fault]
    assert event["data"]["attempts"] == 1
    assert len(stack.billed(_id(fault))) == 1


@pytest.mark.parametrize("fault", [name for name in LOST if name != "truncated-json"])
def test_what_can_not_be_read_is_told_and_not_bought_again(stack: RunningStack, fault: str) -> None:
    _, came, code, why = LOST[fault]
    event = stack.event(_id(fault))
    assert (event["type"], event["data"]["code"]) == ("image.job.failed", code)
    assert len(event["data"]["images"]) == came
    assert why in event["data"]["message"]
    assert len(stack.billed(_id(fault))) == 1


def test_a_reply_that_was_cut_is_bought_once_more_and_says_so(stack: RunningStack) -> None:
    event = stack.event(_id("truncated-json"))
    assert event["type"] == "image.job.succeeded"
    assert event["data"]["possible_duplicate_charge"] is True
