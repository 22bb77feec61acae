"""Check that queues and containers exist, and that this caller may use them."""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from ..config.settings import Settings
from ..errors import ImageJobsError
from .connection import Connection
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
    said: str = ""

    @classmethod
    def failed(cls, what: str, error: ImageJobsError) -> "Check":
        """Return the check of something that raised."""
        return cls(what, "bad", str(error))


async def check_storage(app: Connection, *, may_send: bool) -> AsyncGenerator[Check]:
    """Yield a check of every queue and container, and of every permission that can be tried.

    `may_send` puts a hidden message on the jobs queue and deletes it.
    """
    for queue in list_queues(app.settings):
        yield await _check_queue(queue, app)
    for container in list_containers(app.settings):
        yield await _check_container(container, app)
    yield await _check_writing(app.settings.inputs_container, app)
    if may_send:
        yield await _check_sending(app.settings.jobs_queue, app)


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
    what = f"queue {queue}"
    try:
        waiting = await app.queues.count(queue)
    except ImageJobsError as error:
        return Check.failed(what, error)
    if waiting and queue.endswith(POISON):
        return Check(what, "doubtful", f"{waiting} messages that nobody has dealt with")
    return Check(what, "good", f"{waiting} messages" if waiting else "")


async def _check_container(container: str, app: Connection) -> Check:
    what = f"container {container}"
    try:
        await app.blobs(container).list("", limit=1)
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")


async def _check_writing(container: str, app: Connection) -> Check:
    what = f"writing into {container}"
    try:
        await put_input(PROBE, b"", TEXT, app)
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")


async def _check_sending(queue: str, app: Connection) -> Check:
    what = f"sending to {queue}"
    try:
        await app.queues.delete(queue, await app.queues.send(queue, b"{}", delay=HIDDEN))
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")
