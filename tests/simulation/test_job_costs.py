"""What a job costs of storage, counted: each request has its reason, none depends on the past."""

from datetime import timedelta

import pytest

from shared.ports import Versioned
from tests.simulation.scene import Scene, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}

#: The steps of a job of one call, in order, each with the promise that it is there for. A step
#: more is a round trip more: it needs a reason here.
INTAKE = [
    "register.enter",  # a job is never lost: a sweep finds it, whatever becomes of its messages
    "records.create",  # the truth, and the proof that this id is new
    "queues.send",  # wakes the lane
]
BEFORE_THE_CALL = [
    "records.read",  # messages hold ids and nothing else
    "pools.ask",  # the quota is the speed limit: a turn of all hosts' (two trips)
    "records.replace",  # never paid for twice: the intent, before the money
]
AFTER_THE_LAST_BYTE = [
    "pictures.commit",  # visible once and whole; the last block travels with it, a trip of its own
    "records.replace",  # the result, before anybody is told
    "pictures.put_sidecar",  # whoever is told of the job finds its file
    "announcer.announce",  # the event
]
AFTERWARDS = [
    "records.replace",  # the event went out: no sweep sends it again
    "register.close",  # its entry is kept for lists,
    "register.close",  # and no sweep looks at it again: a write and a delete
]
#: Round trips to storage from the last byte to the event: the steps, and the last block.
MOST_TRIPS = 5


def steps(scene: Scene) -> list[str]:
    return [step for step in scene.world.steps.taken if step != "pictures.write"]


async def test_a_job_takes_these_steps_and_no_other() -> None:
    scene = await run(JOB)
    expected = [*INTAKE, *BEFORE_THE_CALL, "endpoint.post", *AFTER_THE_LAST_BYTE, *AFTERWARDS]
    assert steps(scene) == expected


@pytest.mark.parametrize("pictures", [1, 10])
async def test_from_the_last_byte_to_the_event_there_are_at_most_five_round_trips(
    pictures: int,
) -> None:
    scene = await run(JOB | {"n": pictures})
    taken = scene.world.steps.taken
    last = len(taken) - taken[::-1].index("pictures.write")
    after = taken[last : taken.index("announcer.announce") + 1]
    assert after == AFTER_THE_LAST_BYTE
    assert 1 + len(after) <= MOST_TRIPS


async def test_another_call_of_a_job_costs_its_own_steps_and_no_more() -> None:
    fast = '[{"name": "MAI-Image-2.5", "rpm": 6000}]'
    job = JOB | {"model": "MAI-Image-2.5"}
    one, two = [await run(job | {"n": n}, FOUNDRY_DEPLOYMENTS=fast) for n in (1, 2)]
    call = ["queues.send", *BEFORE_THE_CALL, "endpoint.post", "pictures.commit", "records.replace"]
    waiting = ["pools.wait_for"]  # 10 ms after the other: no trip, for the ledger was just seen
    assert len(steps(two)) - len(steps(one)) == len(call + waiting)


def remember(scene: Scene, jobs: int) -> None:
    """Give the scene a past of so many jobs that ended."""
    kept = scene.world.records.stored["fox-1"].value
    (entry,) = scene.world.index.ended.values()
    for number in range(jobs):
        scene.world.records.stored[f"past-{number}"] = Versioned(kept, '"1"')
        scene.world.index.ended[f"past-{number}"] = entry


@pytest.mark.parametrize("past", [100, 100_000])
async def test_neither_a_job_nor_a_sweep_costs_more_after_many(past: int) -> None:
    scene = await run(JOB)
    alone = len(scene.world.steps.taken)
    remember(scene, past)
    scene.world.clock.advance(timedelta(minutes=1))  # it is its turn again
    scene.submit(JOB | {"job_id": "fox-2"}, message_id="message-2")
    await scene.run()
    assert len(scene.world.steps.taken) == 2 * alone
    scene.world.clock.advance(timedelta(hours=1))
    await scene.sweep()
    assert scene.world.steps.taken[2 * alone :] == ["register.open_entries"]
