"""Events off a queue, one by one, each acknowledged when the caller is done with it."""

import logging
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final

from .answers import Event, read_event
from .storage import Received, Storage

_log: Final = logging.getLogger(__name__)

#: Taken off the queue at a time: few, so that the last one's time is not up before its turn.
AT_A_TIME: Final = 8
#: Between two looks at an empty queue, seconds: the first and the longest.
FIRST_LOOK: Final = 0.25
LONGEST_LOOK: Final = 5.0


async def events_of(
    queue: str, storage: Storage, *, idle: float | None, hidden_seconds: int
) -> AsyncGenerator[Event]:
    """Yield events as they come; each is deleted when the next one is asked for.

    An event whose caller stopped, or raised, comes again. Ends after `idle` seconds without any
    event, never if that is None. What is no event stays on the queue, with a warning in the log.
    """
    waiting: list[Received] = []
    pause, quiet_since = FIRST_LOOK, storage.now()
    try:
        while True:
            waiting = await storage.receive(queue, most=AT_A_TIME, hidden_seconds=hidden_seconds)
            if not waiting:
                quiet = storage.now() - quiet_since
                if idle is not None and quiet >= timedelta(seconds=idle):
                    return
                await storage.pause(pause)
                pause = min(pause * 2, LONGEST_LOOK)
                continue
            while waiting:
                message = waiting[0]
                if message.until > storage.now() and (event := _event(message, queue)):
                    yield event
                    await storage.delete(queue, message)
                del waiting[0]
            pause, quiet_since = FIRST_LOOK, storage.now()
    finally:
        for message in waiting:
            await storage.put_back(queue, message)


def _event(message: Received, queue: str) -> Event | None:
    try:
        return read_event(message.text)
    except ValueError as error:
        _log.warning(
            "message %s of the queue %s is left there: %s", message.message_id, queue, error
        )
        return None
