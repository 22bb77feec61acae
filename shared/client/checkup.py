"""Check that queues and containers exist, and that this caller may use them."""

from collections.abc import AsyncGenerator, Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

from ..config.settings import Settings
from ..errors import ImageJobsError
from .connection import Connection, attempt
from .submission import TEXT, put_input

POISON: Final = "-poison"
#: Written once into the inputs container, to check that this caller may.
PROBE: Final = "prompts/probe.txt"
#: How long a probe message is hidden; it is deleted at once.
HIDDEN: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check."""

    what: str
    state: Literal["good", "doubtful", "bad"]
    message: str = ""


async def check_storage(app: Connection, *, may_send: bool) -> AsyncGenerator[Check]:
    """Yield a check of every queue and container, and of every permission that can be tried.

    `may_send` puts a hidden message on the jobs queue and deletes it.
    """
    for queue in list_queues(app.settings):
        yield await _check_queue(queue, app)
    for container in list_containers(app.settings):
        yield await _check(f"container {container}", app.blobs(container).list("", limit=1))
    inputs, queue = app.settings.inputs_container, app.settings.jobs_queue
    yield await _check(f"writing into {inputs}", put_input(PROBE, b"", TEXT, app))
    if may_send:
        yield await _check(f"sending to {queue}", _send_hidden(queue, app))


def list_queues(settings: Settings) -> Iterator[str]:
    """Yield the queues, each that starts a function followed by its poison queue."""
    for field in type(settings).model_fields:
        if field.endswith("_queue"):
            queue = getattr(settings, field)
            yield queue
            if field != "events_queue":  # its messages are for others
                yield f"{queue}{POISON}"


def list_containers(settings: Settings) -> Iterator[str]:
    """Yield the containers that the settings name."""
    for name in type(settings).model_fields:
        if name.endswith("_container"):
            yield getattr(settings, name)


async def _check_queue(queue: str, app: Connection) -> Check:
    what, waiting = f"queue {queue}", await attempt(app.queues.count(queue))
    if isinstance(waiting, ImageJobsError):
        return Check(what, "bad", str(waiting))
    if waiting and queue.endswith(POISON):
        return Check(what, "doubtful", f"{waiting} messages that nobody has dealt with")
    return Check(what, "good", f"{waiting} messages" if waiting else "")


async def _check(what: str, work: Coroutine[Any, Any, object]) -> Check:
    """Return whether some work succeeds."""
    done = await attempt(work)
    if isinstance(done, ImageJobsError):
        return Check(what, "bad", str(done))
    return Check(what, "good")


async def _send_hidden(queue: str, app: Connection) -> None:
    await app.queues.delete(queue, await app.queues.send(queue, b"{}", delay=HIDDEN))
