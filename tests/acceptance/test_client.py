"""The client as a service uses it, synchronous and asynchronous, against the running stack."""

import hashlib
import json
from collections.abc import Iterator

import pytest

from shared.client import (
    AsyncImageJobs,
    ConflictingJob,
    ImageJobs,
    JobEnded,
    JobState,
    NoSuchJob,
    Rejected,
    StillRunning,
)
from tests.acceptance.running_stack import RunningStack, running_stack

PATIENCE = 60.0


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "REPLY_QUEUES=replies-*") as stack:
        stack.queues.create_queue("replies-client")
        yield stack


@pytest.fixture
def jobs(stack: RunningStack) -> Iterator[ImageJobs]:
    with ImageJobs(connection_string=stack.ready["storage"], environ={}) as jobs:
        yield jobs


def test_a_picture_is_asked_for_waited_for_and_read(jobs: ImageJobs) -> None:
    receipt = jobs.submit("a fox in the snow", size="1536x1024", quality="low")
    assert receipt.quote.checked == "fields"
    done = jobs.result(receipt, within=PATIENCE)
    (image,) = done.images
    body = b"".join(jobs.open(image))
    assert (image.width, image.height) == (1536, 1024)
    assert hashlib.sha256(body).hexdigest() == image.sha256
    assert done.costs.cost_known_by == "usage"


async def test_the_same_on_an_event_loop(stack: RunningStack) -> None:
    async with AsyncImageJobs(connection_string=stack.ready["storage"], environ={}) as jobs:
        receipts = await jobs.submit_many([{"prompt": f"fox {n}", "quality": "low"} for n in "ab"])
        for receipt in receipts:
            done = await jobs.result(receipt, within=PATIENCE)
            (image,) = done.images
            body = b"".join([chunk async for chunk in jobs.open(image)])
            assert len(body) == image.bytes


def test_events_of_a_reply_queue_are_acknowledged_one_by_one(
    stack: RunningStack, jobs: ImageJobs
) -> None:
    asked = [jobs.prepare("a fox", quality="low", reply_to="replies-client") for _ in range(3)]
    jobs.submit_many(asked)
    seen = []
    for event in jobs.events("replies-client", idle=PATIENCE):
        seen.append(event.job_id)
        if len(seen) == len(asked):
            break  # before the third is acknowledged
    assert set(seen) == {job.job_id for job in asked}
    again = next(iter(jobs.events("replies-client", idle=PATIENCE)))
    assert again.job_id == seen[-1]
    assert stack.left("replies-client") == 1


def test_a_prompt_too_long_for_a_message_goes_by_a_blob(
    stack: RunningStack, jobs: ImageJobs
) -> None:
    prompt = "雪の中の狐。" * 4000
    receipt = jobs.submit(prompt, quality="low", model="gpt-image-2")
    record = jobs.result(receipt, within=PATIENCE).record
    assert record.job.prompt is None
    assert record.job.prompt_blob is not None
    assert stack.blob("inputs", record.job.prompt_blob) == prompt.encode()


def test_a_job_that_the_app_refuses_is_told_with_every_fault(jobs: ImageJobs) -> None:
    # Known to the app only: this client was not told of its deployments.
    receipt = jobs.submit("a fox", size="4000x500", fit="reject")
    with pytest.raises(Rejected, match="nearest"):
        jobs.wait(receipt, within=PATIENCE)


def test_a_job_sent_again_is_the_same_job_and_another_is_a_conflict(
    stack: RunningStack, jobs: ImageJobs
) -> None:
    job = jobs.prepare("a fox", quality="low")
    jobs.result(jobs.submit(job), within=PATIENCE)
    jobs.result(jobs.submit(job), within=PATIENCE)
    assert len(stack.billed(job.job_id)) == 1
    with pytest.raises(ConflictingJob):
        jobs.wait(jobs.submit(job, prompt="an ox"), within=PATIENCE)


def test_a_job_that_ends_without_its_picture_says_why(jobs: ImageJobs) -> None:
    receipt = jobs.submit("[[refuse:moderation_blocked]] a fox", quality="low")
    with pytest.raises(JobEnded, match="content_refused") as ended:
        jobs.result(receipt, within=PATIENCE)
    assert ended.value.status.state is JobState.FAILED


def test_a_job_that_takes_longer_than_one_waits_goes_on(jobs: ImageJobs) -> None:
    receipt = jobs.submit("a fox [[fault-once:slow-headers,2]]", quality="low")
    with pytest.raises(StillRunning):
        jobs.wait(receipt, within=0.3)
    jobs.result(receipt, within=PATIENCE)


def test_nothing_is_known_of_a_job_that_was_never_sent(jobs: ImageJobs) -> None:
    with pytest.raises(NoSuchJob, match="never-sent"):
        jobs.status("never-sent")


def test_what_leaves_the_client_is_what_other_languages_send(
    stack: RunningStack, jobs: ImageJobs
) -> None:
    job = jobs.prepare("a fox", job_id="own-id", size="16:9", tags={"of": "us"})
    assert json.loads(job.to_json()) == {
        "job_id": "own-id",
        "prompt": "a fox",
        "size": "16:9",
        "tags": {"of": "us"},
    }
    del stack
