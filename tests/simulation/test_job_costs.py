"""What a job costs of storage, counted: each request has its reason, none depends on the past."""

from collections import Counter
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.stores.index import ENDED
from tests.simulation.scene import Scene, run

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}
#: No job waits.
FAST = '[{"name": "gpt-image-2", "rpm": 6000}, {"name": "MAI-Image-2.5", "rpm": 6000}]'

#: The requests of a job of one call, in order, each with the promise that it is there for. One
#: more is a round trip more: it needs a reason here. They are those of a process at work: the first
#: job of a process, or one after a while, has `KNOWLEDGE` beside them.
INTAKE = [
    "pools.replace",  # a place in line before the job waits in any queue
    "index.write",  # a job is never lost: a sweep finds it, whatever happens to its messages
    "records.create",  # the truth, and the proof that this id is new
    "queues.send",  # wakes the task
]
BEFORE_THE_CALL = [
    "records.read",  # messages hold ids and nothing else
    "pictures.find",  # nothing is paid for that storage would refuse, or that is there already
    "pools.replace",  # the quota is the speed limit: a reservation among all hosts'
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
#: What a process that has just begun, or was idle, has to learn: what waits for its time and is due
#: (a look every 5 s), and the ledger to write on, which must be of nobody else.
KNOWLEDGE = Counter({"pools.read": 1, "queues.receive": 1, "pools.create": 1, "pools.replace": -1})
#: Round trips to storage from the message to the call, and from the last byte to the event: the
#: requests, and the last block.
MOST_TRIPS = 6, 5


async def second_job() -> tuple[Scene, list[str]]:
    """The steps of a job in a process that has done one just now."""
    scene = await run(JOB, FOUNDRY_DEPLOYMENTS=FAST)
    before = len(scene.world.steps.taken)
    scene.submit(JOB | {"job_id": "fox-2"}, message_id="message-2")
    await scene.run()
    return scene, scene.world.steps.taken[before:]


async def test_a_job_takes_these_steps_and_no_other() -> None:
    _, taken = await second_job()
    assert taken == [
        *INTAKE,
        *BEFORE_THE_CALL,
        "endpoint.post",
        *AFTER_THE_LAST_BYTE,
        *AFTERWARDS,
    ]


async def test_the_first_job_of_a_process_has_some_things_to_learn() -> None:
    scene, taken = await second_job()
    first = Counter(scene.world.steps.taken[: -len(taken)])
    first.subtract(taken)
    assert +first == +KNOWLEDGE
    assert -first == -KNOWLEDGE


async def test_from_the_message_to_the_call_there_are_at_most_six_round_trips() -> None:
    scene = await run(JOB, FOUNDRY_DEPLOYMENTS=FAST)
    steps, saved = scene.world.steps.taken, list[int]()

    async def gather[T](work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """As side by side: only the longest takes its time."""
        results, taken = list[T](), [0]
        for coroutine in work:
            before = len(steps)
            results.append(await coroutine)
            taken.append(len(steps) - before)
        saved.append(sum(taken) - max(taken))
        return results

    scene.world = replace(scene.world, gather=gather)
    before = len(steps)
    scene.submit(JOB | {"job_id": "fox-2"}, message_id="message-2")
    await scene.run()
    trips = steps.index("endpoint.post", before) - before - sum(saved)
    assert trips <= MOST_TRIPS[0]


@pytest.mark.parametrize("pictures", [1, 10])
async def test_from_the_last_byte_to_the_event_there_are_at_most_five_round_trips(
    pictures: int,
) -> None:
    scene = await run(JOB | {"n": pictures})
    taken = scene.world.steps.taken
    last = len(taken) - 1 - taken[::-1].index("pictures.create")
    after = taken[last : taken.index("events.send") + 1]
    assert after == AFTER_THE_LAST_BYTE
    assert 1 + len(after) <= MOST_TRIPS[1]


async def test_another_call_of_a_job_costs_its_own_steps_and_no_more() -> None:
    job = JOB | {"model": "MAI-Image-2.5"}
    one, two = [await run(job | {"n": n}, FOUNDRY_DEPLOYMENTS=FAST) for n in (1, 2)]
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
