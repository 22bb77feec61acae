"""A message on the queue becomes a picture and an event, as a caller sees it from outside."""

import base64
import hashlib
import io
import json
from collections.abc import Iterator

import pytest
from PIL import Image

from tests.acceptance.running_stack import Json, RunningStack, running_stack
from tests.simulation.waiting import until

FOX = {
    "job_id": "fox-1",
    "prompt": "a fox in the snow",
    "model": "gpt-image-2",
    "size": "1536x1024",
    "quality": "low",
    "tags": {"campaign": "snow"},
}

LINKED = {"model": "FLUX.2-pro", "prompt": "a fox [[fault:linked]]", "size": "1024x1024"}


@pytest.fixture(scope="module")
def stack(azurite: str) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    with running_stack("--set", "REPLY_QUEUES=replies-*", "--set", "PUBLISH_ACCEPTED=1") as stack:
        yield stack


def ended(stack: RunningStack, job_id: str) -> Json:
    """Wait for the job's end, behind the event of its acceptance."""
    assert stack.event(job_id)["type"] == "image.job.accepted"
    return stack.event(job_id, nth=2)


def test_a_message_becomes_a_picture_and_an_event(stack: RunningStack) -> None:
    stack.submit(FOX)
    event = ended(stack, "fox-1")
    assert (event["type"], event["subject"]) == ("image.job.succeeded", "jobs/fox-1")
    data = event["data"]
    (image,) = data["images"]
    stored = stack.blob(image["container"], image["blob"])
    assert stored is not None
    with Image.open(io.BytesIO(stored)) as drawn:
        assert (drawn.width, drawn.height) == (image["width"], image["height"]) == (1536, 1024)
    assert image["sha256"] == hashlib.sha256(stored).hexdigest()
    (paid,) = stack.billed("fox-1")
    assert paid["pictures"] == [{"bytes": image["bytes"], "sha256": image["sha256"]}]
    assert data["cost_usd"] == pytest.approx(paid["usd"], abs=1e-6)
    assert data["cost_known_by"] == "usage"


def test_the_picture_says_whose_it_is_and_the_sidecar_tells_what_the_event_does(
    stack: RunningStack,
) -> None:
    stack.submit({**FOX, "job_id": "fox-2"})
    data = ended(stack, "fox-2")["data"]
    client = stack.blobs.get_blob_client("images", "fox-2/default/0.png")
    properties = client.get_blob_properties()
    assert properties.content_settings.content_type == "image/png"
    assert properties.metadata["job_id"] == "fox-2"
    assert properties.metadata["tag_campaign"] == "snow"
    sidecar = stack.blob("images", data["sidecar"])
    assert sidecar is not None
    assert json.loads(sidecar) == data


def test_a_base64_cloudevent_with_a_reply_queue_is_answered_there_too(stack: RunningStack) -> None:
    stack.queues.create_queue("replies-foxes")
    letter = {
        "specversion": "1.0",
        "id": "1",
        "source": "/shop",
        "type": "picture.wanted",
        "data": {**FOX, "job_id": "fox-3", "reply_to": "replies-foxes"},
    }
    stack.submit(base64.b64encode(json.dumps(letter).encode()).decode())
    ended(stack, "fox-3")
    until(lambda: stack.left("replies-foxes") == 2, "both events on the reply queue")


def test_a_bad_message_is_rejected_with_every_fault_and_kept(stack: RunningStack) -> None:
    stack.submit({"job_id": "bad-1", "prompt": "", "n": 11, "colour": "red"})
    event = stack.event("bad-1")
    assert event["type"] == "image.job.rejected"
    assert [fault["field"] for fault in event["data"]["faults"]] == ["prompt", "n", "colour"]
    assert "bad-1" in [letter["job_id"] for letter in stack.dead_letters()]
    assert stack.left("image-jobs-poison") == 0
    assert not stack.billed("bad-1")


def test_a_message_that_holds_no_job_is_rejected_and_kept(stack: RunningStack) -> None:
    stack.submit("this is no job")
    event = stack.event(None)
    assert (event["type"], event["data"]["code"]) == ("image.job.rejected", "malformed_message")
    assert "malformed_message" in [letter["reason"] for letter in stack.dead_letters()]


def test_a_message_that_comes_twice_is_paid_once_and_answered_twice(stack: RunningStack) -> None:
    stack.submit({**FOX, "job_id": "fox-4"})
    first = ended(stack, "fox-4")
    stack.submit({**FOX, "job_id": "fox-4"})
    again = stack.event("fox-4", nth=3)
    assert again["id"] == first["id"]
    assert len(stack.billed("fox-4")) == 1


def test_a_job_id_with_other_content_is_a_conflict(stack: RunningStack) -> None:
    stack.submit({**FOX, "job_id": "fox-5"})
    ended(stack, "fox-5")
    stack.submit({**FOX, "job_id": "fox-5", "size": "1024x1024"})
    event = stack.event("fox-5", nth=3)
    assert (event["type"], event["data"]["code"]) == ("image.job.rejected", "conflict")
    assert len(stack.billed("fox-5")) == 1


def test_a_poisoned_task_ends_as_a_dead_letter_and_a_failed_event(stack: RunningStack) -> None:
    task = {"job_id": "fox-6", "task": 0, "run": 1}
    # On the poison queue of the tasks, as the platform leaves it after the last delivery.
    stack.submit({**FOX, "job_id": "fox-6", "prompt": "a fox [[fault-once:slow-headers,4]]"})
    until(
        lambda: (stack.blob("jobs", "fox-6.json") or b"").count(b'"calling"'),
        "call under way",
    )
    stack.submit(task, queue="image-tasks-poison")
    assert ended(stack, "fox-6")["type"] == "image.job.succeeded", "a live attempt is left alone"
    until(
        lambda: [letter for letter in stack.dead_letters() if letter["reason"] == "poisoned"],
        "dead letter",
    )


@pytest.mark.parametrize("stage", ["input", "output", None])
def test_a_refusal_says_why_and_what_it_may_cost(stack: RunningStack, stage: str | None) -> None:
    kind = f"moderation_blocked-{stage}" if stage else "moderation_blocked"
    job_id = f"fox-7-{stage}"
    stack.submit({**FOX, "job_id": job_id, "prompt": f"[[refuse:{kind}]] a fox"})
    event = ended(stack, job_id)
    data = event["data"]
    assert (event["type"], data["code"]) == ("image.job.failed", "content_refused")
    assert data["moderation"] == {"stage": stage, "categories": ["violence"]}
    (part,) = data["parts"]
    billed = sum(line["usd"] for line in stack.billed(job_id))
    assert bool(billed) is (stage == "output")
    assert data["cost_usd"] == 0
    assert billed < data["cost_usd_at_most"] <= part["estimate_usd"]
    assert (data["cost_usd_at_most"] == part["estimate_usd"]) is (stage != "input")


def test_a_throttled_call_waits_and_burns_no_attempt(stack: RunningStack) -> None:
    stack.submit({**FOX, "job_id": "fox-8", "prompt": "a fox [[fault-once:429,900]]"})
    data = ended(stack, "fox-8")["data"]
    assert (data["attempts"], data["unpaid_retries"]) == (1, 1)
    assert len(stack.billed("fox-8")) == 1


def test_a_lost_reply_is_told_with_its_possible_second_charge(stack: RunningStack) -> None:
    stack.submit({**FOX, "job_id": "fox-9", "prompt": "a fox [[fault-once:cut]]"})
    event = ended(stack, "fox-9")
    data = event["data"]
    assert event["type"] == "image.job.succeeded"
    assert data["possible_duplicate_charge"] is True
    assert len(stack.billed("fox-9")) == 2


def test_health_needs_no_key_and_tells_nothing(stack: RunningStack) -> None:
    status, body = stack.get("/api/health")
    assert (status, json.loads(body)) == (200, {"status": "ok"})


def test_no_prompt_reaches_the_log(stack: RunningStack) -> None:
    assert any("fox-1" in line for line in stack.log)
    assert not any("in the snow" in line for line in stack.log)


def test_a_picture_that_a_reply_links_is_stored_like_any_other(stack: RunningStack) -> None:
    stack.submit({**LINKED, "job_id": "linked-1"})
    event = ended(stack, "linked-1")
    assert event["type"] == "image.job.succeeded"
    (image,) = event["data"]["images"]
    stored = stack.blob(image["container"], image["blob"])
    assert stored is not None
    (paid,) = stack.billed("linked-1")
    assert paid["pictures"] == [{"bytes": len(stored), "sha256": image["sha256"]}]


def test_a_link_to_elsewhere_is_not_followed_and_told_as_paid(stack: RunningStack) -> None:
    prompt = "a fox [[fault:linked,https://elsewhere.example]]"
    stack.submit({**LINKED, "job_id": "linked-2", "prompt": prompt})
    event = ended(stack, "linked-2")
    assert (event["type"], event["data"]["code"]) == ("image.job.failed", "picture_linked")
    assert "'elsewhere.example'" in event["data"]["message"]
    assert event["data"]["cost_usd"] > 0
    assert "sig=" not in json.dumps(event)


def test_each_picture_is_announced_when_it_is_stored(stack: RunningStack) -> None:
    asked = {**FOX, "job_id": "fox-each", "locales": ["de", "ja"], "publish_pictures": True}
    stack.submit(asked)
    types = [stack.event("fox-each", nth=nth)["type"] for nth in (1, 2, 3, 4)]
    assert types == [
        "image.job.accepted",
        "image.picture.stored",
        "image.picture.stored",
        "image.job.succeeded",
    ]
    told = [stack.event("fox-each", nth=nth)["data"] for nth in (2, 3)]
    assert sorted(each["number"] for each in told) == [0, 1]
    for each in told:
        stored = stack.blob(each["image"]["container"], each["image"]["blob"])
        assert stored is not None
        assert each["image"]["sha256"] == hashlib.sha256(stored).hexdigest()


def test_an_equal_job_gets_the_pictures_that_are_there_at_no_cost(stack: RunningStack) -> None:
    asked = {**FOX, "prompt": "a fox, twice", "reuse": "30d"}
    stack.submit({**asked, "job_id": "fox-made"})
    made = ended(stack, "fox-made")["data"]
    stack.submit({**asked, "job_id": "fox-reused"})
    reused = ended(stack, "fox-reused")["data"]
    assert reused["reused"]["job_id"] == "fox-made"
    assert (reused["images"], reused["cost_usd_at_most"]) == (made["images"], 0)
    assert stack.billed("fox-made")
    assert not stack.billed("fox-reused")


def test_a_job_under_review_succeeds_when_a_person_approves(stack: RunningStack) -> None:
    stack.submit({**FOX, "job_id": "fox-review", "review": True})
    event = ended(stack, "fox-review")
    assert event["type"] == "image.job.awaiting_review"
    assert stack.blob("images", event["data"]["images"][0]["blob"])
    stack.submit({"command": "approve", "job_id": "fox-review", "run": 1})
    assert stack.event("fox-review", nth=3)["type"] == "image.job.succeeded"
    stack.submit({"command": "reject", "job_id": "fox-review", "run": 1})  # too late
    assert len(stack.billed("fox-review")) == 1
