"""Is everything there that the app and its callers need, and may we use it?"""

from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..config.settings import Settings
from ..errors import ImageJobsError
from .storage import Received, Storage

POISON: Final = "-poison"
#: Written once into the inputs container, to see whether we may.
PROBE: Final = "prompts/probe.txt"
#: How long a probe message is hidden before it is taken back, seconds.
HIDDEN: Final = 60


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    what: str
    state: Literal["good", "doubtful", "bad"]
    said: str = ""

    @classmethod
    def failed(cls, what: str, error: ImageJobsError) -> "Check":
        """Return the check of something that raised."""
        return cls(what, "bad", str(error))


async def storage_checks(
    settings: Settings, storage: Storage, *, may_send: bool
) -> AsyncGenerator[Check]:
    """Yield a check for every queue and container, and for every right that can be tried.

    `may_send` puts a message on the jobs queue, hidden, and takes it back.
    """
    for queue in queues_of(settings):
        yield await _queue(queue, storage)
    for container in containers_of(settings):
        yield await _container(container, storage)
    yield await _writing(settings.inputs_container, storage)
    if may_send:
        yield await _sending(settings.jobs_queue, storage)


def queues_of(settings: Settings) -> Iterator[str]:
    """Yield the queues, each that wakes a function followed by its poison queue."""
    for field in type(settings).model_fields:
        if field.endswith("_queue"):
            queue = getattr(settings, field)
            yield queue
            if field != "events_queue":  # its messages are for others
                yield f"{queue}{POISON}"


def containers_of(settings: Settings) -> Iterator[str]:
    """Yield the containers that the settings name."""
    for name in type(settings).model_fields:
        if name.endswith("_container"):
            yield getattr(settings, name)


async def _queue(queue: str, storage: Storage) -> Check:
    what = f"queue {queue}"
    try:
        waiting = await storage.count(queue)
    except ImageJobsError as error:
        return Check.failed(what, error)
    if waiting and queue.endswith(POISON):
        return Check(what, "doubtful", f"{waiting} messages that nobody has dealt with")
    return Check(what, "good", f"{waiting} messages" if waiting else "")


async def _container(container: str, storage: Storage) -> Check:
    what = f"container {container}"
    try:
        await storage.listed(container, prefix="", most=1)
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")


async def _writing(container: str, storage: Storage) -> Check:
    what = f"writing into {container}"
    try:
        await storage.create(container, PROBE, b"", content_type="text/plain")
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")


async def _sending(queue: str, storage: Storage) -> Check:
    what = f"sending to {queue}"
    try:
        sent = await storage.send(queue, b"{}", hidden_seconds=HIDDEN)
        hidden = Received(sent.message_id, sent.receipt, "", storage.now())
        await storage.delete(queue, hidden)
    except ImageJobsError as error:
        return Check.failed(what, error)
    return Check(what, "good")
