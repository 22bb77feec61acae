"""A cold start: the app indexed, one message taken in, up to the moment its paid call would go out.

Run in a process of its own, beside the app (see `deployed`); prints CPU milliseconds and modules at
each step as JSON.
"""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta


class Reached(BaseException):  # no Exception: nothing may catch it
    """The call would go out now."""


class Stops:
    """An endpoint that is never called."""

    def post(self, request: object, *, limit: timedelta, client_request_id: str) -> None:
        del request, limit, client_request_id
        raise Reached


async def first_call(mark: Callable[[str], None] = lambda _: None) -> None:
    """Take in a job under the environment's settings and go on to its paid call."""
    # ruff: noqa: PLC0415 (what is loaded, and when, is what this is about)
    from function_app import configuration

    mark("indexed")
    from shared.adapters.world import open_world
    from shared.jobs.parsing import Message
    from shared.records.task_messages import TaskMessage
    from shared.workflows.generation.generate import generate
    from shared.workflows.intake import handle_job_message

    world = replace(open_world(configuration), endpoint=Stops())  # type: ignore[arg-type] # it stops
    mark("opened")
    job_id = f"bench-{uuid.uuid4().hex}"
    body = json.dumps({"job_id": job_id, "prompt": "a fox"}).encode()
    await handle_job_message(Message(body, "id", datetime.now(UTC)), world, configuration)
    mark("accepted")
    try:
        await generate(TaskMessage(job_id=job_id, task=0), world, configuration)
    except Reached:
        mark("call")


def main() -> None:
    """Start, and tell what it took."""
    seen: dict[str, tuple[float, int]] = {}

    def mark(step: str) -> None:
        seen[step] = (time.process_time() * 1000, len(sys.modules))

    asyncio.run(first_call(mark))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
