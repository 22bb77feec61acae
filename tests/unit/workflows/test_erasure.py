"""Erasures: what goes, what stays, and that a death at any step changes neither."""

import re
from collections import deque
from typing import Any

import pytest

from shared.errors import IllegalStep
from shared.records.erasure import is_tombstone
from shared.records.record import JobState
from shared.vocabulary import copies_folder, prompt_name
from shared.workflows import erasure
from shared.workflows.acceptance import accept
from shared.workflows.erasure import erase_job
from tests.builders.messages import read
from tests.builders.pictures import drawn
from tests.fakes.endpoint import FakeReply
from tests.simulation.controlled_job import command
from tests.simulation.scene import Scene, configured, error_reply, reply_to
from tests.simulation.steps import Crash

SECRET = "zanzibar"  # noqa: S105 (a word that is looked for)
BY_CONTENT = prompt_name("a" * 64)
PICTURE = f"pictures/{'b' * 64}.png"
LINK = f"https://files.shop.example/{SECRET}.png"
#: The copy of a picture that the job links.
COPY = re.compile(r"linked/fox-1/[0-9a-f]{32}")
JOB: dict[str, Any] = {
    "job_id": "fox-1",
    "prompt": f"a fox in {SECRET}",
    "model": "gpt-image-2",
    "inputs": [PICTURE, f"{SECRET}.png", LINK],
    "locales": ["de", "en"],
    "tags": {"customer": SECRET},
    "reply_to": f"replies-{SECRET}",
    "reuse": "7d",
    "finish": {"thumbnail": 64, "contact_sheet": True},
}


async def ended() -> Scene:
    """A job in its second run, with a dead letter of the first, and a copy that a death left."""
    scene = Scene(configured(INPUT_HOSTS="files.shop.example"))
    scene.world.endpoint.linked[LINK] = deque([FakeReply(body=drawn())] * 3)
    scene.world.seed("inputs", scene.world.inputs.name_copy(copies_folder("fox-1", None)), drawn())
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


def lasting(scene: Scene) -> dict[str, str]:
    """What an erasure leaves, without the ids of writes and the names of copies."""
    jobs = scene.world.container("jobs").stored
    left = {
        name: jobs[name.removeprefix("jobs/")].body if name.startswith("jobs/") else body
        for name, body in blobs(scene).items()
    }
    return {name: COPY.sub("a copy", body.decode("latin-1")) for name, body in left.items()}


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
    assert sum(map(bool, map(COPY.search, before))) == 2
    assert not any(map(COPY.search, after))
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


async def erased(scene: Scene) -> dict[str, str]:
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


@pytest.mark.parametrize(
    ("tenant", "who"), [("default", "job fox-2"), ("shop", "a job of another tenant")]
)
async def test_an_input_that_an_open_job_needs_is_kept(tenant: str, who: str) -> None:
    scene = await ended()
    other = {**JOB, "job_id": "fox-2", "reuse": None, "tenant": tenant}
    scene.submit(other, message_id="other")
    await scene.deliver(scene.waiting.pop())
    await erased(scene)
    assert PICTURE in scene.world.container("inputs").stored
    assert scene.record("fox-1").erased is not None
    assert f"inputs/{PICTURE}: {who} needs it" in scene.record("fox-1").erased.kept  # type: ignore[union-attr]  # as above


async def test_the_copies_for_a_caller_of_a_tenant_go_and_those_of_other_jobs_stay() -> None:
    scene = Scene(configured(INPUT_HOSTS="files.shop.example"))
    scene.world.endpoint.linked[LINK] = deque([FakeReply(body=drawn())])
    linking = {"job_id": "fox-1", "prompt": "a fox", "tenant": "shop", "inputs": [LINK]}
    await accept(read(linking), scene.world, scene.configuration, sender="shop")
    scene.take_sent()
    await scene.run()
    others = ("linked/fox-10/a", "shop/linked/fox-10/a", "press/linked/fox-1/a")
    for name in others:
        scene.world.seed("inputs", name, drawn())
    await erase_job("fox-1", scene.world, scene.configuration)
    assert set(scene.world.container("inputs").stored) == set(others)
    record = scene.record("fox-1")
    assert record.erased
    assert any(each.startswith("inputs/shop/linked/fox-1/") for each in record.erased.deleted)


async def test_a_copy_that_another_open_job_edits_goes_when_that_job_has_ended() -> None:
    scene = await ended()
    copy = scene.record("fox-1").job.inputs[2]
    scene.submit({"job_id": "fox-2", "prompt": "a fox", "inputs": [copy]}, message_id="other")
    await scene.deliver(scene.waiting.pop())
    await erased(scene)
    assert copy in scene.world.container("inputs").stored
    await scene.run()
    await erase_job("fox-1", scene.world, scene.configuration)
    assert copy not in scene.world.container("inputs").stored


async def test_what_a_message_of_its_id_brings_back_goes_with_the_next_erasure() -> None:
    scene = await ended()
    left = await erased(scene)
    scene.submit({**JOB, "inputs": [LINK]}, message_id="again")
    await scene.run()
    assert scene.world.letters
    assert any(map(COPY.search, blobs(scene)))
    await erase_job("fox-1", scene.world, scene.configuration)
    again = lasting(scene)
    assert again.keys() == left.keys()
    assert all(again[name] == left[name] for name in left if name != "jobs/fox-1.json")


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
