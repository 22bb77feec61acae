"""The time that all hosts share: the clock of this machine, corrected by what storage says.

A host whose clock is minutes off would stall a quota pool for all others, and end jobs too early
or too late. Every reply of storage has a `Date`: no host believes its own clock beyond it.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

_LOG: Final = logging.getLogger("image_jobs")
#: A `Date` has whole seconds, cut off.
_RESOLUTION: Final = timedelta(seconds=1)
#: A clock that is off by less is left alone: what replies allow differs by as much.
TOLERANCE: Final = timedelta(seconds=0.5)

#: Reads a time of HTTP; `ValueError` for another text. Replies of one second have the same text.
read_time: Final = lru_cache(maxsize=16)(parsedate_to_datetime)


class SystemClock:
    """`Clock` of this machine; `read` returns its own time, UTC and aware."""

    def __init__(self, read: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._read = read
        self._offset = timedelta()

    def now(self) -> datetime:
        """Return the time, UTC and aware."""
        return self._read() + self._offset

    async def sleep(self, seconds: float) -> None:
        """Let others work for so long."""
        await asyncio.sleep(seconds)

    def observe(self, date: str, *, sent_at: datetime) -> None:
        """Correct the clock by the `Date` of a reply; the request was sent at `sent_at`, by `now`.

        The service read its clock between request and reply, so a slow reply corrects little.
        """
        try:
            told = read_time(date)
        except ValueError:
            return
        if told.tzinfo is None:
            return
        least, most = told - self.now(), told + _RESOLUTION - sent_at
        if least - TOLERANCE <= timedelta() <= most + TOLERANCE:
            return
        error = (least + most) / 2
        self._offset += error
        _LOG.warning(
            "clock: storage's time differs by %.1f s; this process uses it", error.total_seconds()
        )
