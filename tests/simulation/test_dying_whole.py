"""Jobs of many calls, of pictures to edit, and of a finish survive a death at any step, too."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from shared.records.record import JobState
from tests.builders.pictures import drawn
from tests.simulation.reckoning import reckoned
from tests.simulation.scene import Scene, configured

FOX = {"job_id": "fox-1", "prompt": "a fox in the snow"}
FINISH = {
    "size": "1000x1000",
    "renditions": [{"format": "webp"}],
    "thumbnail": 64,
    "contact_sheet": True,
}
JOBS: Mapping[str, Mapping[str, Any]] = {
    "matrix": {
        **FOX,
        "models": ["gpt-image-2", "MAI-Image-2.5"],
        "size": ["1:1", "3:2"],
        "locales": ["de", "ja"],
    },
    "edit": {**FOX, "model": "gpt-image-2", "inputs": ["a.png", "b.jpg"], "mask": "m.png", "n": 2},
    "finish": {**FOX, "model": "gpt-image-2", "n": 2, "finish": FINISH},
    "finished matrix": {
        **FOX,
        "models": ["gpt-image-2", "MAI-Image-2.5"],
        "locales": ["de"],
        "finish": FINISH,
    },
}
#: Whole runs take fewer steps than this.
MOST_STEPS = {"matrix": 108, "edit": 29, "finish": 53, "finished matrix": 68}
POLICIES = ["retry_once", "park"]


def deaths(every: int = 1) -> list[tuple[str, int]]:
    return [(name, step) for name, most in MOST_STEPS.items() for step in range(0, most, every)]


def scene_of(name: str, *, policy: str = "park") -> Scene:
    scene = Scene(configured(ON_UNKNOWN_OUTCOME=policy))
    for blob, body in (
        ("a.png", drawn()),
        ("b.jpg", drawn("JPEG")),
        ("m.png", drawn(mode="RGBA")),
    ):
        scene.world.seed("inputs", blob, body)
    scene.submit(JOBS[name])
    return scene


def right(scene: Scene, policy: str) -> None:
    record = reckoned(scene)
    if policy == "retry_once":
        assert record.state is JobState.SUCCEEDED
        assert len(record.pictures) == sum(len(task.blobs) for task in record.tasks)
        made = Counter(each.kind for each in record.finishing.rendered) if record.finishing else {}
        each = len(record.pictures)
        whole = {"exact": each, "rendition": each, "thumbnail": each, "contact_sheet": 1}
        assert made == (whole if record.job.finish else {})


@pytest.mark.parametrize("name", JOBS)
async def test_the_deaths_reach_every_step(name: str) -> None:
    scene = scene_of(name)
    await scene.run()
    right(scene, "retry_once")
    assert len(scene.world.steps.taken) < MOST_STEPS[name]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("name", "crash_at"), deaths(every=2))
async def test_whichever_step_is_the_last_one_a_job_ends_right(
    name: str, crash_at: int, policy: str
) -> None:
    scene = scene_of(name, policy=policy)
    scene.world.steps.crash_at = crash_at
    await scene.run()
    await scene.sweep_on()
    right(scene, policy)


@pytest.mark.parametrize(("name", "crash_at"), deaths())
async def test_calls_that_are_made_abreast_die_together_and_end_right(
    name: str, crash_at: int
) -> None:
    scene = scene_of(name, policy="retry_once")
    scene.world.steps.crash_at = crash_at
    await scene.run_abreast()
    await scene.sweep_on()
    right(scene, "retry_once")


@pytest.mark.parametrize(("name", "crash_at"), deaths(every=3))
async def test_calls_may_end_in_any_order(name: str, crash_at: int) -> None:
    scene = scene_of(name, policy="retry_once")
    scene.world.steps.crash_at = crash_at
    dice = random.Random(crash_at)  # noqa: S311 (an order, no secret)
    while scene.waiting:
        await scene.deliver(scene.waiting.pop(dice.randrange(len(scene.waiting))))
        scene.take_sent()
    await scene.sweep_on()
    right(scene, "retry_once")


@pytest.mark.parametrize(("name", "crash_at"), deaths())
async def test_a_sweep_carries_on_what_died_when_no_message_comes_back(
    name: str, crash_at: int
) -> None:
    scene = scene_of(name, policy="retry_once")
    await scene.run_until_death(crash_at)
    await scene.sweep_on()
    if scene.world.stored_records:  # else its acceptance was not published
        right(scene, "retry_once")


@pytest.mark.parametrize(("name", "crash_at"), deaths(every=3))
async def test_sweeps_beside_the_work_change_nothing(name: str, crash_at: int) -> None:
    scene = scene_of(name, policy="retry_once")
    scene.world.steps.crash_at = crash_at
    while scene.waiting:
        scene.world.clock.advance(timedelta(minutes=3))
        await asyncio.gather(scene.sweep(), scene.deliver(scene.waiting.pop(0)))
        scene.take_sent()
    await scene.sweep_on()
    right(scene, "retry_once")


@pytest.mark.parametrize("again", range(0, 24, 3))
@pytest.mark.parametrize("crash_at", range(13, MOST_STEPS["finish"], 2))
async def test_two_who_finish_side_by_side_may_die_both(crash_at: int, again: int) -> None:
    scene = scene_of("finish")
    while not scene.world.queues.bodies("image-finish"):
        await scene.deliver_abreast()
    scene.take_sent()
    for steps in (crash_at - 13, again):
        scene.repeat()
        scene.world.steps.crash_at = len(scene.world.steps.taken) + steps
        await scene.deliver_abreast()
    await scene.run_abreast()
    await scene.sweep_on()
    right(scene, "retry_once")
    assert len(scene.world.endpoint.requests) == 1
