"""The whole stack as processes, and what a caller of it does: submit, wait, look."""

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from local.stack.stack import ROOT
from local.stack.stack_client import Json, StackClient, run_stack
from tests.simulation.waiting import until

#: On a busy machine with two cores.
PATIENCE_SECONDS = 60.0

__all__ = ["ROOT", "Json", "RunningStack", "running_stack"]


@dataclass(slots=True)
class RunningStack(StackClient):
    """A running stack, and what its callers wait for."""

    log: list[str] = field(default_factory=list)

    def submit(self, job: Mapping[str, Any] | str, *, queue: str = "image-jobs") -> None:
        body = job if isinstance(job, str) else json.dumps(job, ensure_ascii=False)
        self.send(queue, body)

    def event(self, job_id: str | None, *, nth: int = 1) -> Json:
        """Wait for the nth event of a job."""

        def look() -> list[Json]:
            found = [each for each in self.read_events() if each["data"].get("job_id") == job_id]
            return found if len(found) >= nth else []

        return until(look, f"event {nth} of {job_id}", seconds=PATIENCE_SECONDS)[nth - 1]

    def record(self, job_id: str) -> Json:
        body = self.blob("jobs", f"{job_id}.json")
        assert body, f"{job_id} has no record"
        record: Json = json.loads(body)
        return record

    def billed(self, job_id: str) -> list[Json]:
        """What the emulator billed for a job: a line a picture."""
        lines: list[Json] = self.admin("ledger")["entries"]
        return [line for line in lines if line["client_request_id"].startswith(f"{job_id}.")]

    def get(self, path: str) -> tuple[int, bytes]:
        url = f"{self.ready['host']}{path}"
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:  # noqa: S310 - our own host's
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


@contextmanager
def running_stack(*options: str) -> Iterator[RunningStack]:
    """Start the stack with these options of `python -m local up`; stop it at the end."""
    log: list[str] = []
    with run_stack(RunningStack, options, log.append) as stack:
        stack.log = log
        yield stack
