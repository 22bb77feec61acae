"""Events of a queue, each deleted when the caller is done with it."""

import json
import logging
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from shared.client.events import AT_A_TIME, Event, read_event, receive_events
from shared.errors import StoreUnavailable
from shared.vocabulary import EventType
from tests.builders.connections import MemoryConnection
from tests.builders.ended_jobs import record, told

QUEUE = "replies"


def events(
    app: MemoryConnection, *, idle: float | None = 0.0, hidden_seconds: int = 300
) -> AsyncGenerator[Event]:
    hidden = timedelta(seconds=hidden_seconds)
    return receive_events(QUEUE, app, idle=idle, hidden=hidden)


async def filled(*job_ids: str) -> MemoryConnection:
    app = MemoryConnection()
    for job_id in job_ids:
        event = {"specversion": "1.0", "id": job_id, "type": "t", "source": "/s"}
        body = json.dumps(event | {"data": {"job_id": job_id}})
        await app.queues.send(QUEUE, body.encode())
    return app


def left(app: MemoryConnection) -> list[str]:
    return [json.loads(each.body)["id"] for each in app.queues.queues[QUEUE]]


async def test_an_event_is_acknowledged_when_the_next_one_is_asked_for() -> None:
    app = await filled("a", "b")
    seen = events(app)
    assert (await anext(seen)).id == "a"
    assert left(app) == ["a", "b"]
    assert (await anext(seen)).id == "b"
    assert left(app) == ["b"]
    assert [each async for each in seen] == []
    assert left(app) == []


async def test_who_stops_leaves_the_rest_to_others_at_once() -> None:
    app = await filled("a", "b", "c")
    seen = events(app)
    await anext(seen)
    await seen.aclose()
    assert [each.id async for each in events(app)] == ["a", "b", "c"]


async def test_who_may_not_change_messages_leaves_the_rest_until_their_time_is_up() -> None:
    app = await filled("a", "b")

    async def forbid(operation: str, _: str) -> None:
        if operation == "put_back":
            raise StoreUnavailable("403 AuthorizationPermissionMismatch")

    app.queues.before = forbid
    seen = events(app, hidden_seconds=30)
    await anext(seen)
    await seen.aclose()
    assert [each async for each in events(app)] == []
    await app.clock.sleep(31)
    assert [each.id async for each in events(app)] == ["a", "b"]


async def test_an_event_whose_time_is_up_is_somebody_elses() -> None:
    app = await filled("a", "b")
    seen = events(app, hidden_seconds=30)
    assert (await anext(seen)).id == "a"
    await app.clock.sleep(31)
    assert [each.id async for each in events(app)] == ["a", "b"]
    assert [each async for each in seen] == []


async def test_listening_ends_when_no_event_came_for_so_long() -> None:
    app = await filled()
    assert [each async for each in events(app, idle=20)] == []
    assert 20 <= sum(app.clock.waits) < 30
    assert max(app.clock.waits) == 5.0


async def test_more_events_than_one_look_takes_all_come() -> None:
    ids = [f"e{n}" for n in range(2 * AT_A_TIME + 1)]
    assert [each.id async for each in events(await filled(*ids))] == ids


async def test_what_is_no_event_is_left_there_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = await filled("a")
    for text in ("no JSON", "[]", '{"specversion": "1.0", "data": 1}'):
        await app.queues.send(QUEUE, text.encode())
    with caplog.at_level(logging.WARNING):
        assert [each.id async for each in events(app)] == ["a"]
    assert len(app.queues.queues[QUEUE]) == 3
    assert len(caplog.records) == 3


def test_an_event_of_the_app_is_read() -> None:
    event = read_event(json.dumps(told(record(), EventType.SUCCEEDED)))
    assert (event.type, event.job_id) == ("image.job.succeeded", record().job_id)
    assert event.subject == f"jobs/{event.job_id}"
    assert event.time is not None
    assert [image.blob for image in event.images] == [each.blob for each in record().pictures]


def test_an_event_may_know_no_job_and_have_no_time() -> None:
    body = {"specversion": "1.0", "id": "1", "type": "t", "source": "/s", "data": {"job_id": None}}
    event = read_event(json.dumps(body))
    assert (event.job_id, event.time, event.subject, event.images) == (None, None, None, ())


def test_an_event_of_one_picture_names_it() -> None:
    event = read_event(json.dumps(told(record(), EventType.PICTURE_STORED)))
    assert [image.blob for image in event.images] == ["fox/default/0.png"]
