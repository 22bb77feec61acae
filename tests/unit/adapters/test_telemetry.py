"""The telemetry of the app: enough to operate it, and nothing that is private."""

import logging
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloudevents.core.v1.event import CloudEvent
from opentelemetry.trace import format_span_id, format_trace_id

from shared.adapters.telemetry import MOST_VALUES, measured, note, note_ages, task_span
from shared.errors import NoSuchQueue, NotSent, StoreUnavailable
from shared.images_api.outcomes import OutcomeKind
from shared.ports import Report, What
from shared.records.dead_letter import DeadLetter, DeadLetterKind
from shared.records.task_messages import TaskMessage, read_task
from shared.stores.waiting_tasks import AHEAD
from shared.triggers.host import log_report
from shared.vocabulary import EventType
from shared.workflows.generation.generate import generate
from shared.workflows.overview import ages
from tests.fakes.telemetry import Told, listening
from tests.fakes.world import fake_world
from tests.simulation.scene import Scene, configured

ROOT = Path(__file__).resolve().parents[3]
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
PROMPT = "a secret lighthouse"
SETTINGS = configured().settings
SHOP = configured(TENANTS='[{"name": "shop"}]').settings


@pytest.fixture
def told() -> Told:
    return listening()


def labels(**values: object) -> tuple[tuple[str, object], ...]:
    return tuple(sorted(values.items()))


def test_a_task_is_one_span_linked_to_whoever_asked(told: Told) -> None:
    with task_span("generate", TRACEPARENT):
        log_report("generate", Report(What.DONE, "fox-1", {"outcome": OutcomeKind.DONE}))
    (span,) = told.spans
    assert span.name == "generate"
    (link,) = span.links
    assert format_trace_id(link.context.trace_id) == TRACE
    assert format_span_id(link.context.span_id) == "00f067aa0ba902b7"
    assert span.attributes is not None
    assert span.attributes["image_jobs.what"] == "done"
    assert span.attributes["job_id"] == "fox-1"


def test_a_task_that_nobody_traces_has_no_link(told: Told) -> None:
    with task_span("generate", None):
        pass
    assert told.spans[0].links == ()


def test_a_task_message_carries_the_trace_and_an_older_one_is_read_without() -> None:
    message = TaskMessage(job_id="fox-1", task=0, traceparent=TRACEPARENT)
    assert read_task(message.to_bytes()).traceparent == TRACEPARENT
    assert read_task(b'{"job_id": "fox-1", "task": 0, "run": 1}').traceparent is None
    assert b"traceparent" not in TaskMessage(job_id="fox-1", task=0).to_bytes()


def test_calls_are_counted_by_what_became_of_them_and_cost_is_added_up(told: Told) -> None:
    facts = {"code": None, "deployment": "d1", "cost_usd": 0.25, "cost_usd_at_most": 0.5}
    facts |= {"tenant": "shop"}
    note("generate", Report(What.DONE, "a", facts | {"outcome": OutcomeKind.DONE}))
    doubted = facts | {"outcome": OutcomeKind.DONE, "usage_ignored": "too much"}
    note("generate", Report(What.DONE, "b", doubted))
    throttled = {"outcome": OutcomeKind.THROTTLED, "code": "429", "deployment": "d1"}
    throttled |= {"tenant": "shop"}
    note("generate", Report(What.PENDING, "c", throttled | {"again_in_seconds": 12.5}))
    done = {"function": "generate", "outcome": "done", "code": "", "deployment": "d1"}
    done |= {"tenant": "shop"}
    assert told.sums("image_jobs.calls") == {
        labels(**done): 2,
        labels(**done | {"outcome": "throttled", "code": "429"}): 1,
    }
    assert sum(told.sums("image_jobs.cost").values()) == 0.5
    assert sum(told.sums("image_jobs.cost_at_most").values()) == 1.0
    assert sum(told.sums("image_jobs.usage_ignored").values()) == 1
    assert sum(told.sums("image_jobs.pace_wait").values()) == 12.5


def test_codes_that_strangers_make_up_make_no_series_without_end(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.adapters.telemetry._VALUES", defaultdict(set))
    for code in ("x" * 1000, "a\nb", "\x1b[2J", *(f"code-{number}" for number in range(200))):
        facts = {"outcome": OutcomeKind.REFUSED, "code": code, "deployment": "d1"}
        note("generate", Report(What.FAILED, "a", facts))
    counted = {dict(key)["code"]: calls for key, calls in told.sums("image_jobs.calls").items()}
    assert len(counted) == MOST_VALUES + 1
    assert (counted["code-0"], counted["other"]) == (1, 203 - MOST_VALUES)


@pytest.mark.parametrize(
    ("kind", "reason", "counted"),
    [
        ("message", "invalid_job", "rejected"),
        ("task", "poisoned", "poisoned"),
        ("delivery", "undeliverable", "undeliverable"),
        ("job", "content_refused", "failed"),
    ],
)
async def test_what_was_given_up_on_is_counted(
    told: Told, kind: str, reason: str, counted: str
) -> None:
    world, at = fake_world(), datetime(2026, 11, 24, tzinfo=UTC)
    letter = DeadLetter(kind=DeadLetterKind(kind), reason=reason, at=at, job_id="fox-1")
    name = await measured(world, SETTINGS).dead_letters.put(letter)
    assert list(world.letters) == [name]
    assert told.sums("image_jobs.dead_letters") == {labels(reason=counted): 1}


async def test_the_age_of_the_oldest_message_of_each_queue_is_told(told: Told) -> None:
    world, configuration = fake_world(), configured()
    await world.queues.send("image-tasks", b"{}")
    world.clock.advance(timedelta(minutes=7))
    gone = NoSuchQueue("there is no queue 'image-jobs'")
    world.steps.failing["queues.oldest"] = [gone]
    found, errors = await ages(world, configuration)
    note_ages(found)
    assert told.sums("image_jobs.oldest_message_age") == {labels(queue="image-tasks"): 420}
    assert errors == (gone,)
    assert "image-jobs" not in found


@pytest.mark.parametrize("fails", [True, False])
async def test_a_task_that_is_taken_late_is_told_though_it_can_not_be_moved(
    told: Told, *, fails: bool
) -> None:
    world = fake_world()
    tasks = measured(world, SETTINGS).tasks
    assert await tasks.move_due() == 0
    assert told.sums("image_jobs.waiting_lateness") == {}
    task = TaskMessage(job_id="fox-1", task=0)
    await tasks.send(task, due=world.clock.now() + AHEAD + timedelta(seconds=60))
    world.clock.advance(timedelta(seconds=60 + 130))
    if fails:
        world.steps.failing["queues.send"] = [StoreUnavailable("the queue is gone")]
        with pytest.raises(StoreUnavailable):
            await tasks.move_due()
    else:
        await tasks.move_due()
    assert told.sums("image_jobs.waiting_lateness") == {(): 130}


@pytest.mark.parametrize(("tenant", "counted"), [("shop", "shop"), ("made-up", "default")])
async def test_announcements_are_counted_by_outcome_with_their_tokens_and_wait(
    told: Told, tenant: str, counted: str
) -> None:
    world = fake_world()
    data = {
        "model": "gpt-image-2",
        "tenant": tenant,
        "usage": {"input_tokens": 10, "output_tokens": 1000},
        "timings": {
            "accepted_at": "2026-11-22T12:00:00+00:00",
            "started_at": "2026-11-22T12:00:03+00:00",
        },
    }
    event = CloudEvent(
        {"id": "1", "source": "/image-jobs", "type": EventType.SUCCEEDED.value}, data
    )
    await measured(world, SHOP).publisher.publish(event, reply_to=None)
    assert world.event_types() == [EventType.SUCCEEDED]
    assert told.sums("image_jobs.jobs") == {
        labels(outcome="succeeded", model="gpt-image-2", tenant=counted): 1
    }
    assert sum(told.sums("image_jobs.tokens").values()) == 1010
    assert sum(told.sums("image_jobs.waiting").values()) == 3


async def test_a_batch_is_no_job(told: Told) -> None:
    event = CloudEvent({"id": "1", "source": "/x", "type": "image.batch.completed"}, {})
    await measured(fake_world(), SETTINGS).publisher.publish(event, reply_to=None)
    assert told.sums("image_jobs.jobs") == {}


async def test_a_whole_job_is_told_and_its_prompt_is_not(told: Told) -> None:
    scene = Scene()
    scene.submit({"job_id": "fox-1", "prompt": PROMPT, "traceparent": TRACEPARENT})
    await scene.deliver(scene.waiting.pop())
    (sent,) = scene.world.queues.sent
    task = read_task(sent.body)
    assert task.traceparent == TRACEPARENT
    scene.world.clock.advance(timedelta(seconds=3))
    with task_span("generate", task.traceparent):
        note("generate", await generate(task, measured(scene.world, SETTINGS), scene.configuration))
    assert sum(told.sums("image_jobs.calls").values()) == 1
    assert sum(told.sums("image_jobs.jobs").values()) == 1
    assert told.sums("image_jobs.cost")
    for name in ("calling", "storing", "waiting"):
        assert told.sums(f"image_jobs.{name}") != {}
    assert {span.name for span in told.spans} == {"generate", "call the images endpoint"}
    assert PROMPT not in told.everything
    assert "foundry.example" not in told.everything


async def test_a_call_that_fails_ends_its_span_with_the_kind_of_its_error(told: Told) -> None:
    world = fake_world()
    world.endpoint.script.append(NotSent("could not connect to https://res.example?key=1"))
    with pytest.raises(NotSent):
        async with measured(world, SETTINGS).endpoint.post(
            None,  # type: ignore[arg-type] # never looked at
            limit=timedelta(seconds=1),
            client_request_id="c-1",
        ):
            pass
    (span,) = told.spans
    assert span.status.description == "NotSent"
    assert "key=1" not in told.everything


def test_a_log_line_has_its_words_as_fields(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "image_jobs"):
        log_report("intake", Report(What.ACCEPTED, "fox-1", {"model": "gpt-image-2"}))
    (record,) = caplog.records
    assert (record.function, record.what, record.job_id) == ("intake", "accepted", "fox-1")  # type: ignore[attr-defined] # fields of our own


def test_every_metric_that_alerts_and_workbook_ask_for_is_told_and_no_metric_is_forgotten() -> None:
    given = set(re.findall(r'"(image_jobs\.\w+)", "', telemetry_source()))
    alerts = (ROOT / "infra" / "modules" / "alerts.bicep").read_text()
    workbook = (ROOT / "infra" / "workbook.json").read_text()
    asked = set(re.findall(r"image_jobs\.\w+", alerts + workbook))
    assert asked - given == set()
    assert given - asked == set()


def telemetry_source() -> str:
    text = (ROOT / "shared" / "adapters" / "telemetry.py").read_text()
    return re.sub(r"\(\s+", "(", text)
