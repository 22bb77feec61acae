"""What the doctor says of the clock of this machine."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from shared.client.cli.doctor import check_clock


class _Clock(BaseHTTPRequestHandler):
    ahead = timedelta()

    def do_HEAD(self) -> None:
        self.send_response_only(400)  # as storage does without a signature
        time = datetime.now(UTC) + self.ahead
        self.send_header("date", format_datetime(time, usegmt=True))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def storage() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Clock) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("ahead", "state", "words"),
    [(0, "good", "to a few seconds"), (90, "bad", "s behind"), (-90, "bad", "s ahead of")],
)
def test_a_clock_that_is_wrong_is_told(
    monkeypatch: pytest.MonkeyPatch, storage: str, ahead: int, state: str, words: str
) -> None:
    monkeypatch.setattr(_Clock, "ahead", timedelta(seconds=ahead))
    check = check_clock(storage)
    assert check.state == state
    assert words in check.message
