"""An event on its way to a sink: taken, tried again later and longer, or kept."""

import base64
import json
from datetime import timedelta

import pytest
from pydantic import JsonValue

from shared.errors import DeliveryFailed
from shared.events.delivery import FIRST_WAIT, Delivery, read_delivery
from shared.http_api.job_documents import describe_job
from shared.jobs.parsing import Message
from shared.ports import Report
from shared.workflows.delivery import deliver, handle_poison_delivery
from shared.workflows.erasure import erase_job
from tests.fakes.sinks import FakeSink
from tests.fakes.world import FakeWorld, fake_world
from tests.simulation.scene import configured
from tests.simulation.scene import run as scene_of

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


@pytest.mark.parametrize("refusal", [DeliveryFailed("410", status=410, final=True), None])
async def test_an_event_of_an_erased_job_is_not_sent_again_and_not_kept(
    refusal: DeliveryFailed | None,
) -> None:
    scene = await scene_of({"job_id": "fox-1", "prompt": "a fox"})
    world, sink = scene.world, FakeSink()
    world.sinks[sink.name] = sink
    sink.refusals = [refusal or DeliveryFailed("503 busy", status=503)]
    message = sent(world)
    await erase_job("fox-1", world, scene.configuration)
    report = await run(world, message)
    assert (report.what, report.job_id) == ("undeliverable" if refusal else "ignored", "fox-1")
    assert "erased" in report.facts["why"]
    assert not sink.taken
    assert not world.letters


async def test_the_rejection_of_a_later_message_of_its_id_is_still_delivered() -> None:
    scene = await scene_of({"job_id": "fox-1", "prompt": "a fox"})
    world, sink = scene.world, FakeSink()
    world.sinks[sink.name] = sink
    sink.refusals = [DeliveryFailed("503 busy", status=503)]
    await erase_job("fox-1", world, scene.configuration)
    rejection = EVENT | {"type": "image.job.rejected"}
    since = world.clock.now()
    body = Delivery(sink=sink.name, since=since, event=rejection).to_bytes()
    await run(world, Message(body, "m", since))
    assert sink.taken == [rejection]


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


SIGNED = {
    "CALLBACK_SECRETS": "SHARED",
    "SHARED": f"whsec_{base64.b64encode(bytes(32)).decode()}",
    "WEBHOOK_HOSTS": "hooks.example",
}
HOOK = "https://hooks.example/in?token=s3cret"


def called_back(world: FakeWorld) -> Message:
    now = world.clock.now()
    delivery = Delivery(sink="callback", since=now, url=HOOK, event=EVENT)
    return Message(delivery.to_bytes(), "m", now)


async def test_a_callback_is_tried_again_and_kept_like_any_delivery(world: FakeWorld) -> None:
    hook = FakeSink("callback", refusals=[DeliveryFailed("503 busy", status=503)] * 2)
    world.sinks[HOOK] = hook
    report = await run(world, called_back(world), **SIGNED)
    assert (hook.taken, report.facts["tries"], report.facts["host"]) == (
        [EVENT],
        2,
        "hooks.example",
    )
    assert "s3cret" not in str(report)
    hook.refusals = [DeliveryFailed("410 Gone", status=410, final=True)]
    assert (await run(world, called_back(world), **SIGNED)).what == "undeliverable"
    ((name, body),) = world.letters.items()
    assert name.endswith(f"/{EVENT['id']}.callback.json")
    assert json.loads(body)["url"] == HOOK


async def test_a_callback_is_checked_again_when_it_is_delivered(world: FakeWorld) -> None:
    report = await run(world, called_back(world), **SIGNED | {"WEBHOOK_HOSTS": "else.example"})
    assert report.what == "undeliverable"
    assert report.facts["why"] == (
        "the callback has the host 'hooks.example', which WEBHOOK_HOSTS does not allow"
    )
    assert HOOK not in world.sinks


async def test_the_events_of_a_job_go_to_its_callback_and_so_does_its_rejection() -> None:
    job = {"job_id": "fox-1", "prompt": "a fox", "callback": HOOK}
    scene = await scene_of(job, {**job, "job_id": "fox-2", "n": 11}, **SIGNED)
    sent = [each for each in scene.world.queues.sent if each.queue == "image-deliveries"]
    told = [read_delivery(each.body) for each in sent]
    assert [(each.sink, each.url) for each in told] == [("callback", HOOK)] * 2
    types = [each.event["type"] for each in told]
    assert sorted(map(str, types)) == ["image.job.rejected", "image.job.succeeded"]
    assert (
        describe_job(scene.record("fox-1")).job["callback"] == "https://hooks.example/in?[hidden]"
    )
    assert "s3cret" not in "".join(map(str, scene.reports))


async def test_a_callback_that_is_not_allowed_is_a_fault_and_gets_nothing() -> None:
    job = {"prompt": "a fox", "callback": "https://evil.example/in?token=s3cret"}
    scene = await scene_of(job, {**job, "callback": "mailto:s3cret"}, **SIGNED)
    faults = [event.get_data()["faults"] for event in scene.world.events]  # type: ignore[call-overload, index]  # ours is a mapping
    assert faults == [
        [
            {
                "field": "callback",
                "message": "has the host 'evil.example', which WEBHOOK_HOSTS does not allow",
            }
        ],
        [
            {
                "field": "callback",
                "message": "is not a URL; write it like 'https://hooks.example.com/pictures'",
            }
        ],
    ]
    assert not [each for each in scene.world.queues.sent if each.queue == "image-deliveries"]
