"""The same request again: answered with the pictures that are there, and never with others."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.http_api.job_documents import (
    JobEstimate,
    describe_estimate,
    describe_job,
    find_picture,
)
from shared.jobs.parsing import Message
from shared.records.record import JobState
from shared.workflows.intake import estimate
from tests.simulation.scene import Scene, configured, error_reply, png

JOB = {"job_id": "fox-1", "prompt": "a fox", "model": "gpt-image-2", "n": 2, "reuse": "30d"}
AGAIN = {**JOB, "job_id": "fox-2"}


async def asked(*jobs: Mapping[str, Any], scene: Scene | None = None) -> Scene:
    """Submit jobs, each when the one before has ended."""
    scene = scene or Scene(configured())
    for job in jobs:
        scene.submit(job, message_id=str(job["job_id"]))
        await scene.run()
    return scene


def calls(scene: Scene) -> int:
    return len(scene.world.endpoint.requests)


async def test_the_same_request_gets_the_pictures_that_are_there_and_says_so() -> None:
    scene = await asked(JOB, AGAIN)
    first, second = scene.record("fox-1"), scene.record("fox-2")
    assert (calls(scene), second.state) == (1, JobState.SUCCEEDED)
    assert second.pictures == first.pictures
    event = scene.world.events[-1].get_data()
    assert isinstance(event, dict)
    assert event["reused"] == {
        "job_id": "fox-1",
        "made_at": first.outbox[-1].time.isoformat().replace("+00:00", "Z"),
    }
    assert (event["cost_usd"], event["cost_usd_at_most"], event["attempts"]) == (0, 0, 0)
    assert [each["blob"] for each in event["images"]] == [each.blob for each in first.pictures]
    assert json.loads(scene.world.sidecars["fox-2/job.json"]) == event
    status = describe_job(second)
    assert status.reused is not None
    assert (status.reused.job_id, status.cost_usd) == ("fox-1", 0)
    assert find_picture(second, "1") == "fox-1/default/1.png"
    assert not scene.world.open_jobs


async def test_its_renditions_and_picture_events_come_with_it() -> None:
    more = {"finish": {"thumbnail": 64, "contact_sheet": True}, "publish_pictures": True}
    scene = await asked(JOB | more, AGAIN | more)
    first, second = scene.record("fox-1"), scene.record("fox-2")
    assert second.finishing == first.finishing
    assert second.finishing is not None
    assert scene.world.event_types().count("image.picture.stored") == 4
    assert len({event.get_id() for event in scene.world.events}) == 6


async def test_an_id_that_is_free_again_is_not_taken_for_the_job_that_had_it() -> None:
    scene = await asked(JOB)
    stored = scene.world.container("images").stored
    other = stored.pop("fox-1/default/0.png")
    metadata = {**other.metadata, "fingerprint": "0" * 64}
    stored["fox-1/default/0.png"] = replace(other, metadata=metadata)
    await asked(AGAIN, scene=scene)
    assert scene.record("fox-2").reused is None


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"reuse": None}, {}),
        ({}, {"reuse": None}),
        ({}, {"prompt": "a badger"}),
        ({}, {"quality": "low"}),
        ({}, {"n": 3}),
    ],
)
async def test_only_jobs_that_ask_for_it_and_for_the_same_are_answered_so(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    scene = await asked(JOB | first, AGAIN | second)
    assert calls(scene) == 2
    assert scene.record("fox-2").reused is None


async def test_pictures_that_are_too_old_are_made_again_and_the_new_ones_are_found() -> None:
    scene = await asked(JOB)
    scene.world.clock.advance(timedelta(days=30, seconds=1))
    await asked(AGAIN, {**JOB, "job_id": "fox-3"}, scene=scene)
    assert calls(scene) == 2
    third = scene.record("fox-3").reused
    assert third is not None
    assert third.job_id == "fox-2"


async def test_a_reused_picture_does_not_grow_younger() -> None:
    scene = await asked(JOB)
    scene.world.clock.advance(timedelta(days=29))
    await asked(AGAIN, scene=scene)
    scene.world.clock.advance(timedelta(days=2))
    await asked({**JOB, "job_id": "fox-3"}, scene=scene)
    assert calls(scene) == 2


@pytest.mark.parametrize("erased", ["images/fox-1/default/1.png", "jobs/fox-1.json"])
async def test_what_was_erased_is_not_reused(erased: str) -> None:
    scene = await asked(JOB)
    container, _, name = erased.partition("/")
    del scene.world.container(container).stored[name]
    await asked(AGAIN, scene=scene)
    assert calls(scene) == 2
    assert scene.record("fox-2").pictures[0].blob == "fox-2/default/0.png"


async def test_a_damaged_entry_or_record_is_passed_over() -> None:
    scene = await asked(JOB)
    jobs = scene.world.container("jobs")
    (entry,) = [name for name in jobs.stored if name.startswith("reuse/")]
    await jobs.put(entry, b"{")
    await asked(AGAIN, scene=scene)
    await jobs.put("fox-2.json", b"{")
    await asked({**JOB, "job_id": "fox-3"}, {**JOB, "job_id": "fox-4"}, scene=scene)
    del jobs.stored["fox-2.json"]  # which no test could read
    fourth = scene.record("fox-4").reused if calls(scene) == 3 else None
    assert fourth is not None
    assert fourth.job_id == "fox-3"


async def test_a_job_that_failed_is_no_source() -> None:
    scene = Scene(configured())
    scene.world.endpoint.otherwise = lambda _request: error_reply(400, "content_policy_violation")
    await asked(JOB, scene=scene)
    assert scene.record("fox-1").state is JobState.FAILED
    assert not [name for name in scene.world.container("jobs").stored if "reuse/" in name]


async def test_an_input_is_compared_by_its_bytes() -> None:
    scene = Scene(configured())
    for name, width in (("a.png", 64), ("b.png", 64), ("c.png", 128)):
        scene.world.seed("inputs", name, png(width, 64))
    edits = [
        {**JOB, "n": 1, "job_id": f"fox-{name[0]}", "inputs": [name]}
        for name in ("a.png", "b.png", "c.png")
    ]
    await asked(*edits, scene=scene)
    assert [bool(scene.record(f"fox-{name}").reused) for name in "abc"] == [False, True, False]


async def test_a_prompt_that_changes_after_its_job_was_accepted_is_not_paid_for() -> None:
    scene = Scene(configured())
    scene.world.seed("inputs", "one.txt", b"a fox")
    job = {name: value for name, value in JOB.items() if name != "prompt"}
    scene.submit({**job, "prompt_blob": "one.txt"})
    scene.take_sent()
    await scene.deliver(scene.waiting.pop(0))
    scene.world.seed("inputs", "one.txt", b"a badger")
    await scene.run()
    failure = scene.record("fox-1").failure
    assert failure is not None
    assert (failure.code, calls(scene)) == ("prompt_missing", 0)
    assert "was changed after the job was accepted" in failure.message


@pytest.mark.parametrize("crash_at", range(24))
async def test_a_process_may_die_at_any_step_of_either_job(crash_at: int) -> None:
    scene = Scene(configured())
    scene.submit(JOB)
    scene.world.steps.crash_at = crash_at
    await scene.run()
    await scene.sweep_on()
    scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
    await asked(AGAIN, scene=scene)
    scene.world.steps.crash_at = None
    await scene.sweep_on()
    second = scene.record("fox-2")
    assert second.state is JobState.SUCCEEDED
    assert second.reused is not None
    assert not second.attempts


async def test_an_estimate_tells_which_job_would_answer_and_stores_nothing() -> None:
    scene = await asked(JOB)
    made_at = scene.record("fox-1").outbox[-1].time

    async def told(**fields: Any) -> JobEstimate:  # noqa: ANN401 (fields of a job)
        message = Message(json.dumps({**AGAIN, **fields}).encode(), "m", made_at)
        found = await estimate(message, scene.world, scene.configuration)
        return describe_estimate(found.plans, found.reused)

    equal = await told()
    assert equal.reused is not None
    assert (equal.reused.job_id, equal.reused.made_at) == ("fox-1", made_at)
    assert equal.estimate_usd is not None
    assert (await told(prompt="a badger")).reused is None
    assert (await told(reuse=None)).reused is None
    scene.world.clock.advance(timedelta(days=31))
    assert (await told()).reused is None
    assert [*scene.world.stored_records] == ["fox-1"]
