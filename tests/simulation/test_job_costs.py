"""What a job costs of storage, counted: each request has its reason, none depends on the past."""

from datetime import timedelta

import pytest

from shared.stores.index import ENDED
from tests.simulation.scene import Scene, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}

#: The requests of a job of one call, in order, each with the promise that it is there for. One
#: more is a round trip more: it needs a reason here.
INTAKE = [
    "pools.read",  # a place in line before the job waits in any queue,
    "pools.create",  # the first of its pool here; others replace it
    "index.write",  # a job is never lost: a sweep finds it, whatever happens to its messages
    "records.create",  # the truth, and the proof that this id is new
    "queues.send",  # wakes the lane
    "queues.receive",  # what waits for its time is moved, at most every 5 s
]
BEFORE_THE_CALL = [
    "records.read",  # messages hold ids and nothing else
    "pictures.find",  # nothing is paid for that storage would refuse, or that is there already
    "pools.read",  # the quota is the speed limit: a reservation among all hosts',
    "pools.replace",  # written on condition
    "records.replace",  # never paid for twice: the intent, before the money
]
AFTER_THE_LAST_BYTE = [
    "pictures.create",  # visible once and whole; a large one's last block is a request of its own
    "records.replace",  # the result, before it is published
    "sidecars.create",  # a reader of the event finds its file
    "events.send",  # the event
]
AFTERWARDS = [
    "records.replace",  # the event was sent: no sweep sends it again
    "index.write",  # the entry of the ended job is kept for lists,
    "index.delete",  # and no sweep checks it again
]
#: Round trips to storage from the last byte to the event: the requests, and the last block.
MOST_TRIPS = 5


async def test_a_job_takes_these_steps_and_no_other() -> None:
    scene = await run(JOB)
    expected = [*INTAKE, *BEFORE_THE_CALL, "endpoint.post", *AFTER_THE_LAST_BYTE, *AFTERWARDS]
    assert scene.world.steps.taken == expected


@pytest.mark.parametrize("pictures", [1, 10])
async def test_from_the_last_byte_to_the_event_there_are_at_most_five_round_trips(
    pictures: int,
) -> None:
    scene = await run(JOB | {"n": pictures})
    taken = scene.world.steps.taken
    last = len(taken) - 1 - taken[::-1].index("pictures.create")
    after = taken[last : taken.index("events.send") + 1]
    assert after == AFTER_THE_LAST_BYTE
    assert 1 + len(after) <= MOST_TRIPS


async def test_another_call_of_a_job_costs_its_own_steps_and_no_more() -> None:
    fast = '[{"name": "MAI-Image-2.5", "rpm": 6000}]'
    job = JOB | {"model": "MAI-Image-2.5"}
    one, two = [await run(job | {"n": n}, FOUNDRY_DEPLOYMENTS=fast) for n in (1, 2)]
    reserved = ["pools.replace"]  # nobody else has written meanwhile
    call = ["queues.send", "records.read", "pictures.find", *reserved, "records.replace"]
    result = ["endpoint.post", "pictures.create", "records.replace"]
    assert len(two.world.steps.taken) - len(one.world.steps.taken) == len(call + result)


def remember(scene: Scene, jobs: int) -> None:
    """Give the scene a past of so many jobs that ended."""
    stored = scene.world.container("jobs").stored
    (ended,) = [name for name in stored if name.startswith(ENDED)]
    for number in range(jobs):
        stored[f"past-{number}.json"] = stored["fox-1.json"]
        stored[f"{ENDED}past-{number}"] = stored[ended]


@pytest.mark.parametrize("past", [100, 100_000])
async def test_neither_a_job_nor_a_sweep_costs_more_after_many(past: int) -> None:
    scene = await run(JOB)
    alone = len(scene.world.steps.taken)
    remember(scene, past)
    scene.world.clock.advance(timedelta(minutes=1))  # it is its turn again
    scene.submit(JOB | {"job_id": "fox-2"}, message_id="message-2")
    await scene.run()
    both = len(scene.world.steps.taken)
    assert both <= 2 * alone
    scene.world.clock.advance(timedelta(hours=1))
    await scene.sweep()
    assert scene.world.steps.taken[both:] == ["queues.receive", "index.list"]
