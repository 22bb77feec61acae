"""Backup and restore, as in docs/operate.md: the copy of a running app starts elsewhere."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from azure.storage.blob import BlobServiceClient, ContentSettings

from local.chaos.target import OPTIONS
from local.stack.settings import CONTAINERS
from tests.acceptance.running_stack import RunningStack, running_stack
from tests.simulation.waiting import until

FOX = {"prompt": "a fox in the snow", "model": "gpt-image-2", "size": "1024x1024", "quality": "low"}
ENDED = [f"ended-{number}" for number in range(3)]
#: As many as a process calls at once in a pool before a call was accepted lately.
RUNNING = [f"running-{number}" for number in range(2)]

type Copied = list[tuple[str, str, bytes, dict[str, str], str | None]]


def copied(
    blobs: BlobServiceClient, container: str, wanted: Callable[[str], bool] = lambda _: True
) -> Copied:
    """Read the blobs of a container with their metadata, as a copy within Azure keeps them."""
    found: Copied = []
    client = blobs.get_container_client(container)
    for name in client.list_blob_names():
        if wanted(name):
            read = client.download_blob(name)
            about = read.properties
            kind = about.content_settings.content_type
            found.append((container, name, read.readall(), about.metadata, kind))
    return found


def is_of_the_index(name: str) -> bool:
    return name.startswith(("open/", "ended/"))


def backup_of(blobs: BlobServiceClient) -> Copied:
    """Copy a running app: open jobs, records, the index again, then what records refer to."""
    return [
        *copied(blobs, "jobs", lambda name: name.startswith("open/")),
        *copied(blobs, "jobs", lambda name: not is_of_the_index(name)),
        *copied(blobs, "jobs", is_of_the_index),
        *(each for other in CONTAINERS if other != "jobs" for each in copied(blobs, other)),
    ]


def restore(backup: Copied, blobs: BlobServiceClient) -> None:
    """Copy everything into an empty account, the index last."""
    for container, name, body, metadata, kind in sorted(
        backup, key=lambda each: each[0] == "jobs" and is_of_the_index(each[1])
    ):
        about = metadata
        if name.startswith("open/"):
            # A true restore comes hours later: every check is due, and no attempt is alive.
            about = {**metadata, "next_check_at": "2026-01-01T00:00:00+00:00"}
        blobs.get_blob_client(container, name).upload_blob(
            body,
            overwrite=True,
            metadata=about,
            content_settings=ContentSettings(content_type=kind),
        )


def last_deadline(backup: Copied) -> datetime:
    """Return when the calls that were in progress count as dead."""
    bodies = [body for _, name, body, *_ in backup if name.startswith("running-")]
    attempts = [json.loads(body)["tasks"][0]["current"] for body in bodies if b'"tasks"' in body]
    return max(datetime.fromisoformat(each["deadline_at"]) for each in attempts)


@pytest.fixture(scope="module")
def backup(azurite: str) -> Iterator[Copied]:
    """A backup of an app with ended jobs, and with jobs in the middle of their calls."""
    del azurite  # where it is missing, this skips or fails
    with running_stack(*OPTIONS) as stack:
        for job_id in ENDED:
            stack.submit({**FOX, "job_id": job_id})
        for job_id in ENDED:
            stack.event(job_id)
        for job_id in RUNNING:
            slow = {"prompt": "a fox [[fault-once:slow-headers,6]]"}
            stack.submit({**FOX, **slow, "job_id": job_id})

        def calling() -> bool:
            bodies = [stack.blob("jobs", f"{job_id}.json") or b"" for job_id in RUNNING]
            return all(b'"calling"' in body for body in bodies)

        until(calling, "calls under way")
        yield backup_of(stack.blobs)


@pytest.fixture(scope="module")
def restored(backup: Copied) -> Iterator[RunningStack]:
    """Another app, which starts with the backup alone."""
    with running_stack(*OPTIONS) as stack:
        until(lambda: datetime.now(UTC) > last_deadline(backup), "end of the attempts")
        restore(backup, stack.blobs)
        yield stack


@pytest.mark.timeout(180)
def test_a_job_that_was_running_ends_and_says_that_it_may_be_paid_twice(
    restored: RunningStack,
) -> None:
    for job_id in RUNNING:
        event = restored.event(job_id)
        assert event["type"] == "image.job.succeeded"
        # The first call, in the account that was lost, may have been billed.
        assert event["data"]["possible_duplicate_charge"] is True
        (image,) = event["data"]["images"]
        assert restored.blob("images", image["blob"])


@pytest.mark.timeout(180)
def test_a_job_that_had_ended_is_known_with_its_picture_and_is_not_paid_again(
    restored: RunningStack,
) -> None:
    for job_id in ENDED:
        restored.submit({**FOX, "job_id": job_id})
    for job_id in ENDED:
        assert restored.event(job_id)["type"] == "image.job.succeeded"
        record = restored.record(job_id)
        (picture,) = record["tasks"][0]["pictures"]
        assert restored.blob("images", picture["blob"])
        assert restored.billed(job_id) == []


@pytest.mark.timeout(180)
def test_the_ledgers_and_the_index_are_there(restored: RunningStack, backup: Copied) -> None:
    names = {(container, name) for container, name, *_ in backup}
    assert ("pace", "gpt-image-2.json") in names
    listed = {name for container, name in names if container == "jobs" and is_of_the_index(name)}
    assert len(listed) >= len(ENDED) + len(RUNNING)
    ledger = json.loads(restored.blob("pace", "gpt-image-2.json") or b"{}")
    assert ledger
