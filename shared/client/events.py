"""Events from a queue, each deleted when the caller is done with it."""

import json
import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ..errors import StoreUnavailable
from ..events.data import Image
from ..ports import ReceivedMessage
from .connection import Connection

_LOG: Final = logging.getLogger(__name__)
#: Received at a time: few, so that the last one is still hidden from others when it is yielded.
AT_A_TIME: Final = 8
#: Between two looks at an empty queue, seconds: the first wait and the longest.
FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent from the events queue or a reply queue; `docs/messages.md` lists their data."""

    id: str
    type: str
    source: str
    subject: str | None
    time: datetime | None
    data: Mapping[str, Any]

    @property
    def job_id(self) -> str | None:
        """The job it is about; None for a message that held no readable id, or for a batch."""
        job_id = self.data.get("job_id")
        return job_id if isinstance(job_id, str) else None

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures that it names."""
        one = [self.data["image"]] if "image" in self.data else ()
        named = self.data.get("images", one)
        return tuple(Image.model_validate(image, extra="ignore") for image in named)


def read_event(text: str) -> Event:
    """Return the event in a queue message; `ValueError` if it holds none."""
    document = json.loads(text)
    if not isinstance(document, dict) or document.get("specversion") != "1.0":
        raise ValueError("it is not a CloudEvent 1.0 in structured JSON")
    data, time = document.get("data"), document.get("time")
    if not isinstance(data, dict):
        raise ValueError("its data is not a JSON object")  # noqa: TRY004 (one kind of error for all)
    subject = document.get("subject")
    return Event(
        id=str(document.get("id")),
        type=str(document.get("type")),
        source=str(document.get("source")),
        subject=None if subject is None else str(subject),
        time=None if time is None else datetime.fromisoformat(str(time)),
        data=data,
    )


async def receive_events(
    queue: str, app: Connection, *, idle: float | None, hidden: timedelta
) -> AsyncGenerator[Event]:
    """Yield events as they come; each is deleted when the next one is asked for.

    An event whose caller stopped, or raised, comes again. Ends after `idle` seconds without any
    event, never if that is None. Other messages stay on the queue, with a warning in the log.
    """
    waiting: list[ReceivedMessage] = []
    wait, quiet_since = FIRST_WAIT, app.clock.now()
    try:
        while True:
            waiting = await app.queues.receive(queue, limit=AT_A_TIME, hidden=hidden)
            if not waiting:
                quiet = app.clock.now() - quiet_since
                if idle is not None and quiet >= timedelta(seconds=idle):
                    return
                await app.clock.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)
                continue
            while waiting:
                message = waiting[0]
                if message.until > app.clock.now() and (event := _read(message, queue)):
                    yield event
                    await app.queues.delete(queue, message)
                del waiting[0]
            wait, quiet_since = FIRST_WAIT, app.clock.now()
    finally:
        for message in waiting:
            # The role that reads events may not change them: they are seen when their time is up.
            with suppress(StoreUnavailable):
                await app.queues.put_back(queue, message, message.text.encode())


def _read(message: ReceivedMessage, queue: str) -> Event | None:
    try:
        return read_event(message.text)
    except ValueError as error:
        _LOG.warning(
            "message %s of the queue %s is left there: %s", message.message_id, queue, error
        )
        return None
