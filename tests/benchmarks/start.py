"""A cold start: the app indexed, one message taken in, up to the moment its paid call would go out.

Run in a process of its own; prints CPU milliseconds and modules at each step as JSON. With `eager`
everything the app may ever import is imported at the top first, as is usual.
"""

import asyncio
import importlib
import json
import pkgutil
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

#: What functions of the app import, where most apps would at the top.
LATE = (
    *("azure.identity.aio", "standardwebhooks"),
    *("cloudevents.core.formats.json", "cloudevents.core.v1.event"),
)


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
    from shared.adapters.world import open_world
    from shared.jobs.parsing import Message
    from shared.records.task_messages import TaskMessage
    from shared.workflows.generation.generate import generate
    from shared.workflows.intake import handle_job_message

    mark("indexed")
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


def import_everything() -> None:
    """Import whatever the app may ever import, its own modules included."""
    import shared

    for name in LATE:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(shared.__path__, "shared."):
        if not module.name.startswith("shared.client"):  # the wheel's, not the app's
            importlib.import_module(module.name)


def main() -> None:
    """Start, and tell what it took."""
    seen: dict[str, tuple[float, int]] = {}

    def mark(step: str) -> None:
        seen[step] = (time.process_time() * 1000, len(sys.modules))

    if sys.argv[1:] == ["eager"]:
        import_everything()
    asyncio.run(first_call(mark))
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
