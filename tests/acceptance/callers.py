"""A caller of the app over HTTP, as one would write it with nothing but the standard library."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any

from tests.acceptance.running_stack import RunningStack
from tests.simulation.waiting import until

PATIENCE_SECONDS = 60.0


class _StayHere(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_StayHere)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:  # noqa: ANN401 - a document
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Caller:
    """Calls with the function key, or without."""

    host: str
    key: str | None

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        **headers: str,
    ) -> Reply:
        """Send a request; names of headers with `_` for `-`."""
        sent: Mapping[str, str] = {
            **({"x-functions-key": self.key} if self.key else {}),
            **({} if body is None else {"content-type": "application/json"}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - our own host's
            f"{self.host}{path}", data=data, headers=dict(sent), method=method
        )
        try:
            with _OPENER.open(request, timeout=30) as reply:
                return Reply(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Reply(error.code, error.headers, error.read())

    def ended(self, path: str) -> Any:  # noqa: ANN401 - a document
        """Wait until the job at this path has ended and is announced; its status."""

        def look() -> Any:  # noqa: ANN401 - as above
            status = self.call("GET", path).json
            told = all(event["sent_at"] for event in status["events"])
            return status if status["state"] != "running" and told else None

        return until(look, f"end of {path}", seconds=PATIENCE_SECONDS)

    def completed(self, path: str) -> Reply:
        """Wait until the batch at this path is completed and its event was sent."""

        def look() -> Reply | None:
            reply = self.call("GET", path)
            return reply if reply.json["sent_at"] else None

        found = until(look, f"end of {path}", seconds=PATIENCE_SECONDS)
        assert found
        return found


def caller_of(stack: RunningStack) -> Caller:
    """A caller who has the stack's function key."""
    return Caller(stack.ready["host"], stack.ready["keys"]["function"])
