"""Events beyond the queues: a topic and a webhook on this machine, one of them broken at first."""

import base64
import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from standardwebhooks import Webhook

from tests.acceptance.running_stack import RunningStack, running_stack
from tests.simulation.waiting import until

SECRET = f"whsec_{base64.b64encode(bytes(range(32))).decode()}"


class Receiving(ThreadingHTTPServer):
    """Takes every POST but the first `refusing` ones to each path."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.refusing = {"/hook": 1, "/mine": 1, "/down": 10_000}
        self.taken: list[tuple[str, dict[str, str], bytes]] = []
        Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def at(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        return [(headers, body) for where, headers, body in self.taken if where == path]


class _Handler(BaseHTTPRequestHandler):
    server: Receiving

    def do_POST(self) -> None:
        path = self.path.partition("?")[0]
        body = self.rfile.read(int(self.headers["content-length"]))
        refused = self.server.refusing.get(path, 0) > 0
        if refused:
            self.server.refusing[path] -= 1
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.server.taken.append((path, headers, body))
        self.send_response(503 if refused else 200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:  # noqa: ANN401 - http.server's own signature
        """Say nothing."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiving]:
    with Receiving() as made:
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def stack(azurite: str, receiver: Receiving) -> Iterator[RunningStack]:
    del azurite  # where it is missing, this skips or fails
    hooks = [
        {"name": "shop", "url": f"{receiver.url}/hook", "secrets": ["SHOP"]},
        {"name": "down", "url": f"{receiver.url}/down", "secrets": ["SHOP"]},
        {
            "name": "picky",
            "url": f"{receiver.url}/picky",
            "secrets": ["SHOP"],
            "events": ["image.job.failed"],
        },
    ]
    settings = {
        "WEBHOOKS": json.dumps(hooks),
        "WEBHOOK_LOCAL_HOSTS": "127.0.0.1",
        "SHOP": SECRET,
        "CALLBACK_SECRETS": "SHOP",
        "EVENT_GRID_TOPIC_ENDPOINT": f"{receiver.url}/topic",
        "EVENT_GRID_TOPIC_KEY": "a-key",
        "DELIVERY_WINDOW_SECONDS": "12",
    }
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    with running_stack(*options) as made:
        yield made


def test_every_sink_gets_the_event_and_one_that_is_down_holds_up_no_other(
    stack: RunningStack, receiver: Receiving
) -> None:
    stack.submit({"job_id": "fox-1", "prompt": "a fox", "quality": "low"})
    event = stack.event("fox-1")
    ((headers, body),) = until(lambda: receiver.at("/topic"), "event at the topic")
    assert json.loads(body) == event
    assert headers["aeg-sas-key"] == "a-key"
    ((headers, body),) = until(lambda: receiver.at("/hook"), "event at the webhook")
    assert Webhook(SECRET).verify(body, headers) == event
    assert headers["webhook-id"] == event["id"]
    assert not receiver.at("/picky")

    def kept() -> list[dict[str, Any]]:
        return [each for each in stack.dead_letters() if each["reason"] == "undeliverable"]

    (letter,) = until(kept, "dead letter of the webhook that is down", seconds=60)
    assert (letter["sink"], letter["event"]) == ("webhook-down", event)
    assert letter["tries"] >= 2
    assert "503" in letter["why"]


def test_a_job_is_called_back_at_its_own_url_signed_and_after_a_failure_again(
    stack: RunningStack, receiver: Receiving
) -> None:
    hook = f"{receiver.url}/mine?token=s3cret"
    stack.submit({"job_id": "fox-2", "prompt": "a fox", "quality": "low", "callback": hook})
    event = stack.event("fox-2")
    ((headers, body),) = until(lambda: receiver.at("/mine"), "event at the callback", seconds=60)
    assert Webhook(SECRET).verify(body, headers) == event
    assert not [line for line in stack.log if "s3cret" in line]
    stack.submit({"job_id": "fox-3", "prompt": "a fox", "callback": "https://evil.example/"})
    (fault,) = stack.event("fox-3")["data"]["faults"]
    assert fault["field"] == "callback"
