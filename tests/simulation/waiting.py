"""Waiting for what another process does: look again until it is there or time is up."""

import time
from collections.abc import Callable
from threading import Event

#: Seconds after which what was waited for will not come; nothing takes as long on an idle machine.
PATIENCE_SECONDS = 30.0

_INTERVAL_SECONDS = 0.03


def until[T](look: Callable[[], T], what: str, *, seconds: float = PATIENCE_SECONDS) -> T:
    """The first true value of `look`; AssertionError says what was waited for and last seen."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"no {what} within {seconds:g} s; last seen: {seen!r}"
        Event().wait(_INTERVAL_SECONDS)
    return seen
