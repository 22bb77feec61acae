"""What nobody comes back for is found and carried on; sweeping costs what is open."""

from datetime import timedelta

import pytest

from shared.errors import StoreUnavailable
from shared.records.dead_letter import read_dead_letter
from shared.records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from shared.records.record import JobState
from shared.records.task_messages import read_task
from shared.workflows.sweep import MOST_CHECKS, ORPHAN_AFTER
from tests.simulation.scene import Scene, configured, data, error_reply, run
from tests.simulation.steps import Crash

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow", "model": "gpt-image-2"}


async def accepted(**settings: str) -> Scene:
    """A job that is accepted, and whose task message is lost."""
    scene = Scene(configured(**settings))
    scene.submit(JOB)
    await scene.deliver(scene.waiting.pop())
    scene.take_sent()
    scene.waiting.clear()
    return scene


async def died_in(step: str, *, nth: int = 0, **settings: str) -> Scene:
    """A job whose process died before a step, its message never to come back."""
    scene = await accepted(**settings)
    trial = await run(JOB)
    taken = [number for number, name in enumerate(trial.world.steps.taken) if name == step]
    scene.world.steps.crash_at = taken[nth]
    task = scene.world.queues.sent[0]
    scene.submit(task.body, queue=task.queue)
    (delivery,) = scene.waiting
    with pytest.raises(Crash):
        await scene.work(delivery.queue, delivery.message)
    scene.world.steps.crash_at = None
    scene.waiting.clear()
    return scene


def words(scene: Scene) -> dict[str, int]:
    """What all sweeps did, added up."""
    found: dict[str, int] = {}
    for report in scene.reports:
        if report.what.startswith("swept"):
            for word, count in report.facts.items():
                if isinstance(count, int):
                    found[word] = found.get(word, 0) + count
    return found


async def test_a_job_that_ended_is_not_looked_at() -> None:
    scene = await run(JOB)
    before = len(scene.world.steps.taken)
    scene.world.clock.advance(timedelta(days=1))
    await scene.sweep()
    assert scene.world.steps.taken[before:] == ["queues.receive", "index.list"]


async def test_a_young_job_is_not_looked_at() -> None:
    scene = await accepted()
    scene.world.clock.advance(FIRST_CHECK_AFTER / 2)
    await scene.sweep()
    assert words(scene) == {"checks": 0}


async def test_a_task_whose_message_was_lost_is_woken() -> None:
    scene = await accepted()
    await scene.sweep_on()
    assert words(scene)["woken"] == 1
    assert scene.world.event_types() == ["image.job.succeeded"]


async def test_a_task_that_waits_for_long_is_woken_ever_more_rarely() -> None:
    scene = await accepted()
    for _ in range(23 * 60):
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
    # After 15, 30, 60, 120, 240, 480 and 960 minutes.
    assert words(scene)["woken"] == 7
    assert words(scene)["checks"] < 40


async def in_line(jobs: int, **settings: str) -> Scene:
    """Jobs at once in a pool of one call a minute, their messages hidden until their time."""
    one = '[{"name": "gpt-image-2", "rpm": 1}]'
    scene = Scene(configured(FOUNDRY_DEPLOYMENTS=one, **settings))
    for number in range(jobs):
        job = JOB | {"job_id": f"fox-{number}"}
        scene.submit(job, message_id=f"message-{number}")
    for _ in range(jobs):
        await scene.deliver(scene.waiting.pop(0))
    scene.take_sent()
    return scene


def numbers(scene: Scene) -> float:
    """How many numbers the pool has given away."""
    return scene.world.pool_ledgers["gpt-image-2"].pace.promised


async def test_a_task_that_waits_in_line_is_not_taken_for_forgotten() -> None:
    scene = await in_line(40)
    for _ in range(30):
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
    # Due for 15 minutes, and never delivered; a check comes a little later.
    assert words(scene)["woken"] == 15
    assert numbers(scene) == 40


async def test_the_copy_of_a_forgotten_task_keeps_its_place_in_line() -> None:
    scene = await in_line(3)
    scene.waiting.clear()
    scene.world.queues.queues.clear()
    await scene.sweep_on()
    assert words(scene)["woken"] == 3
    queue = scene.world.queues.sent[0].queue
    tickets = [read_task(each).ticket for each in scene.world.queues.bodies(queue)]
    assert {each.number for each in tickets if each} == {0, 1, 2}
    assert scene.world.event_types() == ["image.job.succeeded"] * 3


async def test_a_slower_line_makes_no_task_forgotten() -> None:
    scene = await in_line(3)
    scene.world.endpoint.script.append(error_reply(429, "429", retry_after_ms="3600000"))
    await scene.deliver(scene.waiting.pop(0))
    for _ in range(70):
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
    assert words(scene).get("woken", 0) == 0


async def test_sweeps_give_no_number_away_in_vain() -> None:
    scene = await in_line(30)
    while scene.waiting:
        scene.waiting.sort(key=lambda each: each.due)
        await scene.sweep()
        await scene.deliver(scene.waiting.pop(0))
        scene.take_sent()
        await scene.move_first()
    assert numbers(scene) <= 31
    made = [scene.record(f"fox-{n}").attempts[0].started_at for n in range(30)]
    assert max(made) - min(made) <= timedelta(minutes=30)


async def test_an_attempt_that_died_is_resolved_without_its_message() -> None:
    scene = await died_in("endpoint.post", ON_UNKNOWN_OUTCOME="park")
    await scene.sweep_on()
    assert words(scene)["resolved"] == 1
    assert data(scene)["code"] == "outcome_unknown"
    assert scene.record("fox-1").state is JobState.PARKED


async def test_an_event_that_did_not_go_out_is_sent() -> None:
    scene = await died_in("events.send")
    assert scene.record("fox-1").state is JobState.SUCCEEDED
    await scene.sweep_on()
    assert words(scene)["events_sent"] == 1
    assert scene.world.event_types() == ["image.job.succeeded"]
    assert scene.world.ended_jobs == {
        index_entry_of(scene.record("fox-1")).name: index_entry_of(scene.record("fox-1"))
    }


async def test_a_job_past_its_deadline_is_ended_though_no_task_is_delivered() -> None:
    scene = await accepted(JOB_LIFETIME_SECONDS="600")
    for _ in range(12):
        scene.world.clock.advance(timedelta(minutes=1))
        await scene.sweep()
    assert scene.world.event_types() == ["image.job.failed"]
    assert data(scene)["code"] == "deadline_exceeded"
    assert scene.world.endpoint.requests == []
    assert not scene.world.open_jobs


async def test_a_marker_without_a_record_stays_until_its_message_must_have_come_back() -> None:
    scene = Scene()
    scene.submit(JOB)
    scene.world.steps.crash_at = 3  # the ledger is read and written, and the entry
    await scene.deliver(scene.waiting.pop())
    scene.waiting.clear()
    scene.world.clock.advance(FIRST_CHECK_AFTER)
    await scene.sweep()
    assert len(scene.world.open_jobs) == 1
    scene.world.clock.advance(ORPHAN_AFTER)
    await scene.sweep()
    assert not scene.world.open_jobs
    assert words(scene)["entries_dropped"] == 1


async def test_a_marker_of_a_second_acceptance_is_taken_away() -> None:
    scene = Scene()
    scene.submit(JOB)
    scene.world.steps.crash_at = 3  # the ledger is read and written, and the entry
    await scene.run()  # comes back ten minutes later, and is accepted under another time
    assert scene.record("fox-1").state is JobState.SUCCEEDED
    assert len(scene.world.open_jobs) == 1
    await scene.sweep_on()
    assert len(scene.world.ended_jobs) == 1


async def test_a_job_that_is_asked_for_again_leaves_no_marker() -> None:
    scene = await run(JOB)
    scene.world.clock.advance(timedelta(hours=1))
    scene.submit(JOB, message_id="again")
    await scene.run()
    assert not scene.world.open_jobs
    assert len(scene.world.ended_jobs) == 1


async def test_a_job_that_cannot_be_looked_at_does_not_keep_the_others_from_it() -> None:
    scene = Scene()
    for name in ("one", "two"):
        scene.submit({**JOB, "job_id": name}, message_id=name)
        await scene.deliver(scene.waiting.pop())
    scene.take_sent()
    scene.waiting.clear()
    scene.world.clock.advance(timedelta(minutes=20))
    scene.world.steps.failing["records.read"] = [StoreUnavailable("busy")]
    await scene.sweep()
    assert scene.reports[-1].what == "swept_in_part"
    assert words(scene)["woken"] == 1
    await scene.sweep()
    assert words(scene)["woken"] == 2


async def test_damaged_records_are_named_and_take_no_checks_from_other_jobs() -> None:
    scene = await accepted()
    whole = index_entry_of(scene.record("fox-1"))
    for number in range(MOST_CHECKS):
        entry = whole.model_copy(update={"job_id": f"a-{number}"})
        due = entry.accepted_at + FIRST_CHECK_AFTER
        await scene.world.index.add(entry, next_check_at=due)
        scene.world.seed("jobs", f"a-{number}.json", b"{}")
    scene.world.clock.advance(timedelta(minutes=20))
    await scene.sweep()
    assert scene.reports[-1].what == "swept_in_part"
    assert "cannot read 'a-" in str(scene.reports[-1].facts["failed"])
    assert "woken" not in words(scene)
    await scene.sweep()
    assert words(scene)["woken"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"\xff\xfe", b'{"version": 1}', b"[" * 9_999])
async def test_a_job_with_a_damaged_record_ends_once_with_that_reason_and_its_possible_cost(
    body: bytes,
) -> None:
    scene = await accepted()
    estimate = scene.record("fox-1").estimate_usd
    (task,) = (each for each in scene.world.queues.sent if each.queue == "image-tasks")
    scene.world.seed("jobs", "fox-1.json", body)
    scene.submit(task.body, queue=task.queue)
    await scene.run()
    assert scene.reports[-1].what == "waiting"
    scene.world.clock.advance(FIRST_CHECK_AFTER)
    for _ in range(3):
        await scene.sweep()
        scene.world.clock.advance(timedelta(hours=1))
    assert scene.world.event_types() == ["image.job.failed"]
    told = data(scene)
    assert (told["code"], told["job_id"], told["tenant"]) == ("record_damaged", "fox-1", "default")
    assert scene.world.events[0].get_attributes()["tenant"] == "default"
    assert "cannot read 'fox-1.json'" in told["message"]
    assert (told["cost_usd"], told["cost_usd_at_most"]) == (0, estimate)
    assert (await scene.world.index.page()).entries[0].code == "record_damaged"
    assert not scene.world.open_jobs
    (letter,) = map(read_dead_letter, scene.world.letters.values())
    assert (letter.job_id, letter.reason) == ("fox-1", "record_damaged")
    assert scene.world.container("jobs").stored["fox-1.json"].body == body
    assert words(scene)["ended_damaged"] == 1


async def test_an_end_of_a_damaged_job_that_was_interrupted_has_the_same_id() -> None:
    scene = await accepted()
    scene.world.seed("jobs", "fox-1.json", b"{")
    scene.world.clock.advance(FIRST_CHECK_AFTER)
    scene.world.steps.failing["index.write"] = [StoreUnavailable("busy")]
    await scene.sweep()
    await scene.sweep()
    first, second = scene.world.events
    assert first.get_id() == second.get_id()
    assert not scene.world.open_jobs


@pytest.mark.parametrize(
    ("ours", "newer"),
    [
        (b'"version":2', b'"version":3'),
        (b'"job":{', b'"job":{"of_a_newer_version":1,'),
        (b'"state":"pending"', b'"state":"of_a_newer_version"'),
    ],
)
async def test_a_record_of_a_newer_version_waits_for_that_version(
    ours: bytes, newer: bytes
) -> None:
    scene = await accepted()
    (task,) = (each for each in scene.world.queues.sent if each.queue == "image-tasks")
    whole = scene.world.container("jobs").stored["fox-1.json"].body
    scene.world.seed("jobs", "fox-1.json", whole.replace(ours, newer))
    assert newer in scene.world.container("jobs").stored["fox-1.json"].body
    scene.submit(task.body, queue=task.queue)
    await scene.deliver(scene.waiting.pop())
    scene.world.clock.advance(FIRST_CHECK_AFTER)
    await scene.sweep()
    assert scene.world.event_types() == []
    assert len(scene.world.open_jobs) == 1
    scene.world.seed("jobs", "fox-1.json", whole)
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded"]


async def test_a_job_whose_id_has_a_damaged_record_is_rejected() -> None:
    scene = Scene()
    scene.world.seed("jobs", "fox-1.json", b"{")
    scene.submit(JOB)
    await scene.run()
    assert scene.world.event_types() == ["image.job.rejected"]
    assert data(scene)["code"] == "conflict"
    assert "record is damaged" in data(scene)["faults"][0]["message"]
    assert not scene.world.open_jobs


async def test_a_run_is_bounded_and_the_next_one_goes_on() -> None:
    scene = Scene()
    jobs = MOST_CHECKS + 20
    for number in range(jobs):
        scene.submit({**JOB, "job_id": f"fox-{number}"}, message_id=f"m-{number}")
        await scene.deliver(scene.waiting.pop())
    scene.world.clock.advance(FIRST_CHECK_AFTER)
    await scene.sweep()
    assert words(scene)["checks"] == MOST_CHECKS
    await scene.sweep()
    assert words(scene)["checks"] == jobs
    await scene.sweep()
    assert words(scene)["checks"] == jobs
