"""Events off a queue, pictures out of storage, and coroutines without a loop."""

import asyncio
import hashlib
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from shared.client.download import keep, picture_of
from shared.client.following import AT_A_TIME, events_of
from shared.client.results import DamagedPicture, NoSuchBlob, read_event
from shared.client.sync_storage import run_coroutine, run_generator
from shared.events.data import Image
from shared.vocabulary import EventType
from tests.builders.ended_jobs import record, told
from tests.fakes.account import FakeStorage

QUEUE = "replies"


def events(storage: FakeStorage, *, idle: float | None = 0.0, hidden_seconds: int = 300) -> Any:  # noqa: ANN401 (an iterator that can be closed)
    return run_generator(events_of(QUEUE, storage, idle=idle, hidden_seconds=hidden_seconds))


def filled(*job_ids: str) -> FakeStorage:
    storage = FakeStorage()
    for job_id in job_ids:
        event = {"specversion": "1.0", "id": job_id, "type": "t", "source": "/s"}
        body = json.dumps(event | {"data": {"job_id": job_id}})
        run_coroutine(storage.send(QUEUE, body.encode()))
    return storage


def left(storage: FakeStorage) -> list[str]:
    return [json.loads(each.text)["id"] for each in storage.queues[QUEUE]]


def test_an_event_is_acknowledged_when_the_next_one_is_asked_for() -> None:
    storage = filled("a", "b")
    seen = events(storage)
    assert next(seen).id == "a"
    assert left(storage) == ["a", "b"]
    assert next(seen).id == "b"
    assert left(storage) == ["b"]
    assert list(seen) == []
    assert left(storage) == []


def test_who_stops_leaves_the_rest_to_others_at_once() -> None:
    storage = filled("a", "b", "c")
    seen = events(storage)
    next(seen)
    seen.close()
    assert [each.id for each in events(storage)] == ["a", "b", "c"]


def test_an_event_whose_time_is_up_is_somebody_elses() -> None:
    storage = filled("a", "b")
    seen = events(storage, hidden_seconds=30)
    assert next(seen).id == "a"
    run_coroutine(storage.pause(31))
    assert [each.id for each in events(storage)] == ["a", "b"]
    assert list(seen) == []


def test_listening_ends_when_no_event_came_for_so_long() -> None:
    storage = filled()
    assert list(events(storage, idle=20)) == []
    assert 20 <= sum(storage.waits) < 30
    assert max(storage.waits) == 5.0


def test_more_events_than_one_look_takes_all_come() -> None:
    ids = [f"e{n}" for n in range(2 * AT_A_TIME + 1)]
    assert [each.id for each in events(filled(*ids))] == ids


def test_what_is_no_event_is_left_there_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    storage = filled("a")
    for text in ("no JSON", "[]", '{"specversion": "1.0", "data": 1}'):
        run_coroutine(storage.send(QUEUE, text.encode()))
    with caplog.at_level(logging.WARNING):
        assert [each.id for each in events(storage)] == ["a"]
    assert len(storage.queues[QUEUE]) == 3
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


BODY = b"a picture of a fox"
IMAGE = Image(
    url="https://account.example/images/fox/default/0.png",
    blob="fox/default/0.png",
    container="images",
    locale=None,
    index=0,
    part=0,
    model="gpt-image-2",
    size="auto",
    content_type="image/png",
    width=1,
    height=1,
    bytes=len(BODY),
    sha256=hashlib.sha256(BODY).hexdigest(),
)


def with_picture(body: bytes = BODY) -> FakeStorage:
    return FakeStorage(blobs={f"images/{IMAGE.blob}": body})


def test_a_picture_comes_as_it_arrives_and_is_kept_whole(tmp_path: Path) -> None:
    chunks = list(run_generator(picture_of(IMAGE, with_picture())))
    assert len(chunks) > 1
    assert b"".join(chunks) == BODY
    file = tmp_path / "new" / "fox.png"
    keep(run_generator(picture_of(IMAGE, with_picture())), file)
    assert file.read_bytes() == BODY


@pytest.mark.parametrize("body", [BODY[:-1], BODY[::-1]])
def test_a_damaged_picture_is_told_and_not_kept(body: bytes, tmp_path: Path) -> None:
    with pytest.raises(DamagedPicture, match="instead of"):
        keep(run_generator(picture_of(IMAGE, with_picture(body))), tmp_path / "fox.png")
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoSuchBlob):
        keep(run_generator(picture_of(IMAGE, FakeStorage())), tmp_path / "fox.png")


def test_work_that_waits_for_a_loop_is_no_work_without_one() -> None:
    with pytest.raises(RuntimeError, match="not synchronous"):
        run_coroutine(asyncio.sleep(0))
