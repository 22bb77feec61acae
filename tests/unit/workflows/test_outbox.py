"""Events of a record: published after it is written, in order, and never lost."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from shared.errors import StoreUnavailable
from shared.http_api.job_documents import describe_job
from shared.ports import Versioned
from shared.records.record import JobRecord, JobState, OutboxEntry
from shared.vocabulary import EventType
from shared.workflows.outbox import publish_pending
from tests.builders.ended_jobs import AT, DONE_AT, failed, record
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import Scene, configured, run


def owing(*types: EventType, of: JobRecord | None = None) -> JobRecord:
    entries = tuple(OutboxEntry(type=each, time=DONE_AT) for each in types)
    return (of or record()).model_copy(update={"outbox": entries})


async def stored(world: FakeWorld, value: JobRecord) -> Versioned[JobRecord]:
    return Versioned(value, await world.records.create(value))


async def test_what_a_record_owes_is_published_once_and_in_order() -> None:
    world = fake_world()
    kept = await stored(world, owing(EventType.ACCEPTED, EventType.SUCCEEDED))
    kept = await publish_pending(kept, world, source="/x")
    assert world.event_types() == ["image.job.accepted", "image.job.succeeded"]
    assert kept.value == world.record("fox")
    assert all(entry.sent_at for entry in kept.value.outbox)
    assert await publish_pending(kept, world, source="/x") == kept
    assert len(world.events) == 2


@pytest.mark.parametrize("of", [None, failed()])
async def test_an_event_is_sent_again_with_its_id_when_the_note_of_it_was_lost(
    of: JobRecord | None,
) -> None:
    world = fake_world()
    kind = EventType.FAILED if of else EventType.SUCCEEDED
    kept = await stored(world, owing(kind, of=of))
    world.steps.failing["records.replace"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await publish_pending(kept, world, source="/x")
    await publish_pending(kept, world, source="/x")
    first, second = world.events
    assert first.get_id() == second.get_id()
    assert len(world.letters) == (1 if of else 0)


async def test_the_sidecar_is_there_before_the_event_and_says_the_same() -> None:
    world = fake_world()
    kept = await stored(world, owing(EventType.SUCCEEDED))
    world.steps.failing["events.send"] = [StoreUnavailable("busy")]
    with pytest.raises(StoreUnavailable):
        await publish_pending(kept, world, source="/x")
    assert [*world.sidecars] == ["fox/job.json"]
    await publish_pending(kept, world, source="/x")
    (event,) = world.events
    assert json.loads(world.sidecars["fox/job.json"]) == event.get_data()


async def test_the_latest_event_is_repeated_only_when_it_is_asked_for() -> None:
    world = fake_world()
    sent = OutboxEntry(type=EventType.SUCCEEDED, time=DONE_AT, sent_at=DONE_AT)
    before = OutboxEntry(type=EventType.ACCEPTED, time=AT, sent_at=AT)
    kept = await stored(world, record().model_copy(update={"outbox": (before, sent)}))
    assert await publish_pending(kept, world, source="/x") == kept
    assert world.events == []
    await publish_pending(kept, world, source="/x", again=True)
    assert world.event_types() == ["image.job.succeeded"]


async def test_a_job_that_ended_leaves_the_open_entries_of_the_index() -> None:
    scene = await run({"job_id": "fox", "prompt": "a fox"})
    assert scene.world.open_jobs == {}
    (entry,) = scene.world.ended_jobs.values()
    assert entry.state is JobState.SUCCEEDED


async def test_only_a_failure_is_kept_as_a_dead_letter() -> None:
    for kind, letters in ((EventType.FAILED, 1), (EventType.PARKED, 0), (EventType.CANCELLED, 0)):
        world = fake_world()
        kept = await stored(world, owing(kind, of=failed()))
        await publish_pending(kept, world, source="/x")
        assert len(world.letters) == letters


MATRIX = {"job_id": "fox", "prompt": "a fox", "model": "gpt-image-2", "locales": ["de", "ja"]}


def told_pictures(scene: Scene) -> dict[str, str]:
    """The blob of each picture that was announced, by the id of its event."""
    found = {}
    for event in scene.world.events:
        data = event.get_data()
        if event.get_type() == EventType.PICTURE_STORED:
            assert isinstance(data, dict)
            found[str(event.get_id())] = data["image"]["blob"]
    return found


async def test_each_picture_is_announced_before_its_job_has_ended() -> None:
    scene = await run(MATRIX | {"n": 2, "publish_pictures": True})
    assert scene.world.event_types() == [*["image.picture.stored"] * 4, "image.job.succeeded"]
    assert [*told_pictures(scene).values()] == [*scene.world.committed]
    first = scene.world.events[1].get_data()
    assert isinstance(first, dict)
    assert (first["number"], first["images_wanted"], first["run"]) == (1, 4, 1)
    status = describe_job(scene.record("fox"))
    assert [each.id for each in status.events] == [each.get_id() for each in scene.world.events]


@pytest.mark.parametrize(
    ("setting", "asked", "announced"),
    [("false", None, 0), ("true", None, 2), ("true", False, 0), ("false", True, 2)],
)
async def test_a_job_says_whether_its_pictures_are_announced_and_else_the_setting_does(
    setting: str,
    asked: bool | None,  # noqa: FBT001 (a value of a job)
    announced: int,
) -> None:
    scene = await run(MATRIX | {"publish_pictures": asked}, PUBLISH_PICTURES=setting)
    assert len(told_pictures(scene)) == announced


@pytest.mark.parametrize("crash_at", range(48))
async def test_a_picture_is_announced_however_the_process_dies_and_each_under_one_id(
    crash_at: int,
) -> None:
    scene = Scene(configured(PUBLISH_PICTURES="true"))
    scene.world.steps.crash_at = crash_at
    scene.submit(MATRIX)
    await scene.run()
    await scene.sweep_on()
    assert sorted(told_pictures(scene).values()) == sorted(scene.world.committed)
    assert all(entry.sent_at for entry in scene.record("fox").outbox)


async def test_a_sweep_announces_the_picture_of_a_process_that_died_while_others_are_made() -> None:
    scene = Scene(configured(PUBLISH_PICTURES="true"))
    scene.submit(MATRIX)
    scene.world.steps.failing["events.send"] = [StoreUnavailable("busy")]
    for _ in range(2):  # the acceptance, and the first of two calls
        scene.take_sent()
        with suppress(StoreUnavailable):
            await scene.deliver(scene.waiting.pop(0))
    scene.waiting.clear()
    assert not told_pictures(scene)
    scene.world.clock.advance(timedelta(minutes=3))
    await scene.sweep()
    assert [*told_pictures(scene).values()] == ["fox/de/0.png"]
    assert scene.record("fox").state is JobState.RUNNING
