"""Acceptance: a job becomes a record and a message, once, however often it is asked for."""

from datetime import timedelta
from typing import Any

import pytest

from shared.errors import ConflictingJob, InvalidJob, NotAllowed
from shared.jobs.fields import MAX_PROMPT_BYTES
from shared.records.index_entry import FIRST_CHECK_AFTER
from shared.records.record import JobState, TaskState
from shared.records.task_messages import read_task
from shared.workflows.acceptance import Accepted, accept, validate_job, wake
from tests.builders.messages import read
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import Scene, configured, run
from tests.simulation.steps import Crash

JOB = {"job_id": "fox-1", "prompt": "a fox in the snow"}


def data_of(scene: Scene, number: int = -1) -> dict[str, Any]:
    return dict(scene.world.events[number].get_data())  # type: ignore[arg-type]  # ours is a mapping


async def test_an_accepted_event_is_published_when_asked_for() -> None:
    scene = await run(JOB, PUBLISH_ACCEPTED="true")
    assert scene.world.event_types() == ["image.job.accepted", "image.job.succeeded"]


async def test_a_finished_job_asked_for_again_is_announced_again_and_not_made_again() -> None:
    scene = await run(JOB)
    scene.submit(JOB, message_id="another")
    await scene.run()
    first, second = scene.world.events
    assert first.get_id() == second.get_id()
    assert first.get_data() == second.get_data()
    assert len(scene.world.endpoint.requests) == 1


async def test_an_id_with_other_content_is_a_conflict_and_leaves_the_first_job_alone() -> None:
    scene = await run(JOB)
    before = scene.record("fox-1")
    scene.submit({**JOB, "prompt": "a badger"}, message_id="another")
    await scene.run()
    assert scene.world.event_types() == ["image.job.succeeded", "image.job.rejected"]
    assert data_of(scene)["code"] == "conflict"
    assert "fox-1" in data_of(scene)["faults"][0]["message"]
    assert scene.record("fox-1") == before


async def test_faults_of_the_job_and_of_this_app_are_told_together() -> None:
    scene = await run({**JOB, "locales": ["jp"], "reply_to": "secrets"})
    assert {fault["field"] for fault in data_of(scene)["faults"]} == {"locales[0]", "reply_to"}


async def test_a_job_asked_for_again_is_the_first_one_though_its_prompt_is_gone() -> None:
    scene = Scene()
    scene.world.seed("inputs", "one.txt", b"a fox")
    for message_id in ("first", "second"):
        scene.submit({"job_id": "fox-1", "prompt_blob": "one.txt"}, message_id=message_id)
        await scene.run()
        scene.world.container("inputs").stored.clear()
    assert scene.world.event_types() == ["image.job.succeeded", "image.job.succeeded"]
    assert len(scene.world.endpoint.requests) == 1


async def accepted(**job: Any) -> tuple[FakeWorld, Accepted]:  # noqa: ANN401 - any field of a job
    world = fake_world()
    return world, await accept(read(JOB | job), world, configured())


async def test_a_new_job_has_a_record_an_entry_and_a_message_and_nothing_is_published() -> None:
    world, made = await accepted()
    assert made.is_new
    assert world.record("fox-1") == made.stored.value
    (entry,) = world.open_jobs.values()
    assert entry.next_check_at == made.stored.value.accepted_at + FIRST_CHECK_AFTER
    assert len(world.queues.sent) == 1
    assert world.events == []


async def test_the_same_job_again_is_the_first_one_and_is_woken_again() -> None:
    world, made = await accepted()
    again = await accept(read(JOB), world, configured())
    assert not again.is_new
    assert again.stored.value == made.stored.value
    first, second = world.queues.sent
    assert (first.queue, first.body) == (second.queue, second.body)


async def test_a_conflict_leaves_the_entry_of_the_first_job_and_none_of_the_second() -> None:
    world, _ = await accepted()
    before = world.open_jobs
    world.clock.advance(timedelta(minutes=5))
    with pytest.raises(ConflictingJob, match="'fox-1' belongs to a job with other content"):
        await accept(read(JOB | {"prompt": "a badger"}), world, configured())
    assert [*world.open_jobs] == [*before]
    assert len(world.queues.sent) == 1


async def test_a_process_that_dies_at_any_step_is_made_up_for_by_the_same_job() -> None:
    whole, _ = await accepted()
    for steps in range(len(whole.steps.taken)):
        world = fake_world()
        world.steps.crash_at = steps
        with pytest.raises(Crash):
            await accept(read(JOB), world, configured())
        world.steps.crash_at = None
        await accept(read(JOB), world, configured())
        assert world.record("fox-1").state is JobState.RUNNING
        assert [*world.open_jobs] == [*whole.open_jobs]
        woken = {(m.job_id, m.task) for m in (read_task(each.body) for each in world.queues.sent)}
        assert woken == {("fox-1", 0)}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "no blob 'long.txt'"),
        (b" \n", "'long.txt'"),
        (b"x" * (MAX_PROMPT_BYTES + 1), "long.txt"),
        (b"\xff", "long.txt"),
        ("\u200b\ufeff".encode(), "is empty"),
        (b"a \x1b[31m fox", "contains the character U+001B at position 2"),
        (b"x" * 32_001, "has 32,001 characters; at most 32,000"),
    ],
)
async def test_a_blob_that_holds_no_prompt_is_a_fault(body: bytes | None, said: str) -> None:
    world = fake_world()
    if body is not None:
        world.seed("inputs", "long.txt", body)
    job = read({"job_id": "fox-1", "prompt_blob": "long.txt"})
    with pytest.raises(InvalidJob) as caught:
        await validate_job(job, world, configured())
    (fault,) = caught.value.faults
    assert fault.field == "prompt_blob"
    assert said in fault.message
    assert world.stored_records == {}


async def test_only_tasks_that_nobody_has_begun_are_woken() -> None:
    _, made = await accepted(locales=["de", "ja"])
    begun = made.stored.value
    first, second = begun.tasks
    world = fake_world()
    done = first.model_copy(update={"state": TaskState.DONE})
    await wake(begun.model_copy(update={"tasks": (done, second)}), world, configured())
    (sent,) = world.queues.sent
    assert read_task(sent.body).task == 1


async def test_a_tenant_with_all_its_jobs_open_gets_no_other_and_keeps_those_it_has() -> None:
    settings = configured(TENANTS='[{"name": "shop", "max_open_jobs": 1}]')
    world, job = fake_world(), read({"job_id": "one", "prompt": "a fox", "tenant": "shop"})
    second = read({"job_id": "two", "prompt": "a fox", "tenant": "shop"})
    assert (await accept(job, world, settings)).is_new
    assert not (await accept(job, world, settings)).is_new
    with pytest.raises(NotAllowed, match="'shop' has 1 open jobs") as caught:
        await accept(second, world, settings)
    assert caught.value.code == "too_many_jobs"
    assert world.container("jobs").stored.keys().isdisjoint({"two.json"})
    other = read({"job_id": "three", "prompt": "a fox"})
    assert (await accept(other, world, settings)).is_new


async def test_a_job_that_leaves_the_model_open_gets_one_that_its_tenant_may_use() -> None:
    settings = configured(TENANTS='[{"name": "shop", "models": ["MAI-Image-2.5"]}]')
    asked = {"prompt": "a fox", "tenant": "shop"}
    valid = await validate_job(read(asked), fake_world(), settings)
    assert {plan.model for plan in valid.plans} == {"MAI-Image-2.5"}
