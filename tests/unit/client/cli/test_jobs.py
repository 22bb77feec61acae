"""The command `image-jobs events`: it prints the events of a reply queue, then deletes them."""

import asyncio
import json
from collections.abc import Generator
from contextlib import nullcontext
from datetime import timedelta

import pytest

from shared.client.cli import jobs
from shared.client.cli.main import main
from shared.client.events import Event, receive_events
from shared.vocabulary import EventType
from tests.builders.connections import MemoryConnection
from tests.builders.ended_jobs import record, told

QUEUE = "replies"


class App:
    """A client of an account in memory whose reply queue has two events."""

    def __init__(self) -> None:
        self.app = MemoryConnection()
        for job_id in ("fox", "owl"):
            event = told(record({"job_id": job_id}), EventType.SUCCEEDED)
            asyncio.run(self.app.queues.send(QUEUE, json.dumps(event).encode()))

    def events(self, queue: str, *, idle: float | None) -> Generator[Event]:
        values = receive_events(queue, self.app, idle=idle, hidden=timedelta(minutes=5))

        async def receive() -> Event | None:
            return await anext(values, None)

        with asyncio.Runner() as runner:
            try:
                while event := runner.run(receive()):
                    yield event
            finally:
                runner.run(values.aclose())

    @property
    def left(self) -> list[str]:
        return [json.loads(each.body)["data"]["job_id"] for each in self.app.queues.queues[QUEUE]]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> App:
    app = App()
    monkeypatch.setattr(jobs, "client", lambda: nullcontext(app))
    return app


def test_each_event_is_a_line(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", QUEUE]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ")[1:] == ["fox", "image.job.succeeded", "2 pictures"]
    assert "owl" in second
    assert app.left == []


def test_each_event_is_a_document_for_programs(
    app: App, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", QUEUE, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["data"]["job_id"] for line in lines] == ["fox", "owl"]
    assert {line["type"] for line in lines} == {"image.job.succeeded"}
    assert app.left == []


def test_an_event_that_could_not_be_printed_stays(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(jobs, "print_json", fail)
    with pytest.raises(OSError, match="no space"):
        main(["events", QUEUE, "--json"])
    assert app.left == ["fox", "owl"]


def test_following_ends_at_ctrl_c(app: App, capsys: pytest.CaptureFixture[str]) -> None:
    def press_ctrl_c() -> None:
        raise KeyboardInterrupt

    app.app.clock.meanwhile = press_ctrl_c
    assert main(["events", QUEUE, "--follow"]) == 0
    assert capsys.readouterr().out.count("image.job.succeeded") == 2
    assert app.left == []


@pytest.mark.parametrize(
    ("queue", "whose"), [("image-events", "its receivers"), ("image-jobs", "the app itself")]
)
def test_the_queues_of_the_app_are_not_for_callers(
    app: App, capsys: pytest.CaptureFixture[str], queue: str, whose: str
) -> None:
    assert main(["events", queue]) == 2
    assert whose in capsys.readouterr().err
    assert app.left == ["fox", "owl"]


def test_a_line_of_a_failed_job_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    data = {"job_id": "fox", "code": "no_image", "message": "nothing\nthere"}
    jobs.print_event(Event("1", "image.job.failed", "/s", None, None, data))
    assert capsys.readouterr().out == "fox  image.job.failed  no_image: nothing\\nthere\n"
