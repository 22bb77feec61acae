"""Erasures: what goes, what stays, and that a death at any step changes neither."""

from typing import Any

import pytest

from shared.errors import IllegalStep
from shared.records.erasure import is_tombstone
from shared.records.record import JobState
from shared.vocabulary import prompt_name
from shared.workflows import erasure
from shared.workflows.erasure import erase_job
from tests.builders.pictures import drawn
from tests.simulation.controlled_job import command
from tests.simulation.scene import Scene, configured, error_reply, reply_to
from tests.simulation.steps import Crash

SECRET = "zanzibar"  # noqa: S105 (a word that is looked for)
BY_CONTENT = prompt_name("a" * 64)
PICTURE = f"pictures/{'b' * 64}.png"
JOB: dict[str, Any] = {
    "job_id": "fox-1",
    "prompt": f"a fox in {SECRET}",
    "model": "gpt-image-2",
    "inputs": [PICTURE, f"{SECRET}.png"],
    "locales": ["de", "en"],
    "tags": {"customer": SECRET},
    "reply_to": f"replies-{SECRET}",
    "reuse": "7d",
    "finish": {"thumbnail": 64, "contact_sheet": True},
}


async def ended() -> Scene:
    """A job in its second run, with a dead letter of the first."""
    scene = Scene(configured())
    for name in (PICTURE, f"{SECRET}.png"):
        scene.world.seed("inputs", name, drawn())
    scene.world.endpoint.script.extend([reply_to, error_reply(400, "moderation_blocked")])
    scene.submit(JOB)
    await scene.run()
    command(scene, "replay")
    await scene.run()
    await scene.sweep_on()
    assert scene.record("fox-1").state is JobState.SUCCEEDED
    return scene


def blobs(scene: Scene) -> dict[str, bytes]:
    """Every blob with its name and labels, but the ledgers of pools."""
    return {
        f"{container}/{name}": blob.body + repr(sorted(blob.metadata.items())).encode()
        for container, stored in scene.world.containers.items()
        for name, blob in stored.stored.items()
    }


def lasting(scene: Scene) -> dict[str, bytes]:
    """What an erasure leaves, without the ids of writes."""
    jobs = scene.world.container("jobs").stored
    return {
        name: jobs[name.removeprefix("jobs/")].body if name.startswith("jobs/") else body
        for name, body in blobs(scene).items()
    }


async def test_nothing_in_storage_tells_any_more_what_a_job_was() -> None:
    scene = await ended()
    before = blobs(scene)
    assert sum(SECRET.encode() in body for body in before.values()) > 5
    await erase_job("fox-1", scene.world, scene.configuration)
    after = blobs(scene)
    left = [name for name, body in after.items() if SECRET.encode() in body or SECRET in name]
    assert left == [f"inputs/{SECRET}.png", "jobs/fox-1.json"]  # the record names the other blob
    assert not any(name.startswith(("images/", "dead-letters/", "jobs/reuse/")) for name in after)
    assert f"inputs/{PICTURE}" not in after
    assert len(scene.world.ended_jobs) == 1


async def test_the_record_names_what_was_deleted_and_what_is_left() -> None:
    scene = await ended()
    before = set(blobs(scene))
    await erase_job("fox-1", scene.world, scene.configuration)
    record = scene.record("fox-1")
    assert is_tombstone(record)
    assert record.erased is not None
    gone = before - set(blobs(scene))
    assert gone < set(record.erased.deleted)
    assert set(record.erased.deleted) - gone == {
        "jobs/fox-1.json",
        *(f"jobs/ended/{name}" for name in scene.world.ended_jobs),
    }
    (kept,) = record.erased.kept
    assert kept.startswith(f"inputs/{SECRET}.png: ")
    assert record.erased.receivers == ("image-events", f"replies-{SECRET}")


async def test_costs_stay_in_the_index_and_in_the_record() -> None:
    scene = await ended()
    before = next(each for each in scene.world.ended_jobs.values() if each.run == 2)
    paid = scene.record("fox-1").attempts
    await erase_job("fox-1", scene.world, scene.configuration)
    (after,) = scene.world.ended_jobs.values()
    assert (after.cost_usd, after.cost_usd_at_most) == (before.cost_usd, before.cost_usd_at_most)
    assert (after.erased, after.prompt, after.tags) == (True, "erased", {})
    costs = [each.cost_usd for each in scene.record("fox-1").attempts]
    assert costs == [each.cost_usd for each in paid]


async def erased(scene: Scene) -> dict[str, bytes]:
    await erase_job("fox-1", scene.world, scene.configuration)
    return lasting(scene)


async def test_a_death_at_any_step_ends_in_the_same_place_when_the_command_comes_again() -> None:
    whole = await ended()
    taken = len(whole.world.steps.taken)
    expected = await erased(whole)
    steps = len(whole.world.steps.taken) - taken
    assert steps > 20
    for crash_at in range(steps):
        scene = await ended()
        scene.world.steps.crash_at = len(scene.world.steps.taken) + crash_at
        with pytest.raises(Crash):
            await erase_job("fox-1", scene.world, scene.configuration)
        scene.world.steps.crash_at = None
        assert await erased(scene) == expected, f"after a death at step {crash_at}"


async def test_a_command_of_the_queue_survives_a_death_and_erases() -> None:
    scene = await ended()
    scene.world.steps.crash_at = len(scene.world.steps.taken) + 20
    command(scene, "erase")
    await scene.run()
    assert is_tombstone(scene.record("fox-1"))
    assert scene.reports[-1].facts == {"command": "erase", "state": "succeeded"}


async def test_a_sweep_leaves_an_erased_job_alone() -> None:
    scene = await ended()
    await erased(scene)
    before, told = lasting(scene), len(scene.world.events)
    await scene.sweep()
    assert (lasting(scene), len(scene.world.events)) == (before, told)


async def test_the_same_job_sent_again_is_a_conflict() -> None:
    scene = await ended()
    await erased(scene)
    scene.submit(JOB, message_id="again")
    scene.world.seed("inputs", PICTURE, drawn())
    await scene.run()
    assert scene.reports[-1].facts["code"] == "conflict"
    assert is_tombstone(scene.record("fox-1"))


async def test_an_equal_job_takes_no_pictures_of_an_erased_one() -> None:
    scene = await ended()
    await erased(scene)
    scene.world.seed("inputs", PICTURE, drawn())
    calls = len(scene.world.endpoint.requests)
    scene.submit({**JOB, "job_id": "fox-2"}, message_id="equal")
    await scene.run()
    assert scene.record("fox-2").reused is None
    assert len(scene.world.endpoint.requests) == calls + 2


async def test_an_input_that_an_open_job_needs_is_kept() -> None:
    scene = await ended()
    scene.submit({**JOB, "job_id": "fox-2", "reuse": None}, message_id="other")
    await scene.deliver(scene.waiting.pop())
    await erased(scene)
    assert PICTURE in scene.world.container("inputs").stored
    assert scene.record("fox-1").erased is not None
    assert f"inputs/{PICTURE}: job fox-2 needs it" in scene.record("fox-1").erased.kept  # type: ignore[union-attr]  # as above


async def test_inputs_are_kept_where_too_many_jobs_are_open_to_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erasure, "MOST_READ", 0)
    scene = await ended()
    scene.submit({"job_id": "fox-2", "prompt": "a fox"}, message_id="other")
    await scene.deliver(scene.waiting.pop())
    await erased(scene)
    assert PICTURE in scene.world.container("inputs").stored


async def test_a_running_job_is_refused_and_nothing_of_it_is_deleted() -> None:
    scene = Scene()
    scene.submit({"job_id": "fox-1", "prompt": "a fox"})
    await scene.deliver(scene.waiting.pop())
    before = blobs(scene)
    with pytest.raises(IllegalStep, match="cancel it first"):
        await erase_job("fox-1", scene.world, scene.configuration)
    assert blobs(scene) == before


async def test_what_reused_the_pictures_of_another_job_leaves_them() -> None:
    scene = await ended()
    scene.submit({**JOB, "job_id": "fox-2"}, message_id="equal")
    await scene.run()
    assert scene.record("fox-2").reused
    pictures = set(scene.world.committed)
    await erase_job("fox-2", scene.world, scene.configuration)
    assert set(scene.world.committed) == pictures
    record = scene.record("fox-2")
    assert record.erased is not None
    assert any("job fox-1, which this job took over" in each for each in record.erased.kept)
