"""An event on its way to a sink: taken, tried again later and longer, or kept."""

import json
from datetime import timedelta

import pytest
from pydantic import JsonValue

from shared.errors import DeliveryFailed
from shared.events.delivery import FIRST_WAIT, Delivery
from shared.jobs.parsing import Message
from shared.ports import Report
from shared.workflows.delivery import deliver, handle_poison_delivery
from tests.fakes.sinks import FakeSink
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import configured

EVENT: dict[str, JsonValue] = {
    "specversion": "1.0",
    "id": "c1a8cfd5-2a1b-5d0e-9d63-58b0bb1a6f10",
    "type": "image.job.succeeded",
    "source": "/image-jobs",
    "data": {"job_id": "fox-1"},
}


def sent(world: FakeWorld, sink: str = "elsewhere") -> Message:
    now = world.clock.now()
    body = Delivery(sink=sink, since=now, event=EVENT).to_bytes()
    return Message(body, "m", now)


async def run(world: FakeWorld, message: Message, **settings: str) -> Report:
    """Deliver the message, and whatever comes back, until nothing does."""
    configuration = configured(**settings)
    while True:
        seen = len(world.queues.sent)
        report = await deliver(message, world, configuration)
        if len(world.queues.sent) == seen:
            return report
        (back,) = world.queues.sent[seen:]
        assert back.queue == "image-deliveries"
        world.clock.advance(back.delay)
        message = Message(back.body, "m", world.clock.now())


@pytest.fixture
def sink() -> FakeSink:
    return FakeSink()


@pytest.fixture
def world(sink: FakeSink) -> FakeWorld:
    made = fake_world()
    made.sinks[sink.name] = sink
    return made


async def test_an_event_is_handed_to_its_sink(world: FakeWorld, sink: FakeSink) -> None:
    report = await run(world, sent(world))
    assert sink.taken == [EVENT]
    assert (report.what, report.job_id) == ("delivered", "fox-1")
    assert not world.letters


async def test_what_is_not_taken_is_offered_again_each_time_after_a_longer_wait(
    world: FakeWorld, sink: FakeSink
) -> None:
    sink.refusals = [DeliveryFailed("503 busy", status=503)] * 4
    report = await run(world, sent(world))
    assert sink.taken == [EVENT]
    assert report.facts["tries"] == 4
    waits = [each.delay for each in world.queues.sent]
    assert waits == sorted(waits)
    assert waits[0] >= timedelta(seconds=FIRST_WAIT)


async def test_a_sink_is_left_alone_for_as_long_as_it_asked(
    world: FakeWorld, sink: FakeSink
) -> None:
    sink.refusals = [DeliveryFailed("429", status=429, retry_after=700)]
    await run(world, sent(world))
    (back,) = world.queues.sent
    assert back.delay >= timedelta(seconds=700)
    assert sink.taken == [EVENT]


async def test_after_the_window_the_event_is_kept_with_all_that_is_known(
    world: FakeWorld, sink: FakeSink
) -> None:
    sink.refusals = [DeliveryFailed("503 busy", status=503)] * 100
    began = world.clock.now()
    report = await run(world, sent(world), DELIVERY_WINDOW_SECONDS="3600")
    assert report.what == "undeliverable"
    assert world.clock.now() - began <= timedelta(hours=1)
    ((name, body),) = world.letters.items()
    letter = json.loads(body)
    assert name.endswith(f"/{EVENT['id']}.elsewhere.json")
    assert (letter["reason"], letter["sink"], letter["why"], letter["event"]) == (
        *("undeliverable", "elsewhere", "503 busy"),
        EVENT,
    )
    assert letter["tries"] == len(world.queues.sent) + 1


async def test_what_would_be_refused_each_time_is_offered_once(
    world: FakeWorld, sink: FakeSink
) -> None:
    sink.refusals = [DeliveryFailed("410 Gone", status=410, final=True)]
    assert (await run(world, sent(world))).what == "undeliverable"
    assert not world.queues.sent
    assert len(world.letters) == 1


async def test_an_event_for_a_sink_that_was_removed_is_kept(world: FakeWorld) -> None:
    report = await run(world, sent(world, "gone"))
    assert report.what == "undeliverable"
    assert "'gone'" in report.facts["why"]


async def test_an_event_that_waited_past_its_window_is_offered_once_all_the_same(
    world: FakeWorld, sink: FakeSink
) -> None:
    message = sent(world)
    world.clock.advance(timedelta(days=3))
    assert (await run(world, message)).what == "delivered"
    assert sink.taken == [EVENT]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"sink": "a"}', b"\xff"])
async def test_a_message_that_is_no_dispatch_is_kept(world: FakeWorld, body: bytes) -> None:
    report = await deliver(Message(body, "m", world.clock.now()), world, configured())
    assert (report.what, len(world.letters)) == ("undeliverable", 1)


async def test_what_the_platform_gave_up_on_is_kept(world: FakeWorld) -> None:
    await handle_poison_delivery(sent(world), world)
    await handle_poison_delivery(Message(b"junk", "m", world.clock.now()), world)
    reasons = {json.loads(body)["reason"] for body in world.letters.values()}
    assert reasons == {"undeliverable", "poisoned"}
