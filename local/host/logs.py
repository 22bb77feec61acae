"""Logs on stderr: one line per record, with function and invocation."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from shared.redaction import printable

log = logging.getLogger("local.host")

#: Functions by the id of their running invocation.
_running: dict[str, str] = {}
_current: ContextVar[str | None] = ContextVar("invocation", default=None)


class _Line(logging.Formatter):
    """A line of time, level, logger, [function invocation] and message."""

    def __init__(self, invocation_id: ContextVar[str | None]) -> None:
        super().__init__()
        self._invocation_id = invocation_id

    def format(self, record: logging.LogRecord) -> str:
        invocation = _current.get() or self._invocation_id.get()
        where = f" [{_running.get(invocation, '?')} {invocation}]" if invocation else ""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        moment = self.formatTime(record, "%H:%M:%S")
        head = f"{moment}.{record.msecs:03.0f} {record.levelname} {record.name}{where}"
        return f"{head} {printable(text)}"


def configure(*, quiet: str, invocation_id: ContextVar[str | None] | None = None) -> None:
    """Log INFO and above to stderr, as the worker does in Azure; of `quiet` loggers warnings only.

    `invocation_id` is the library's, which it sets in the threads of functions that are not async.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line(invocation_id or _current))
    logging.getLogger(quiet).setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)


@contextmanager
def invocation(function: str, invocation_id: str) -> Iterator[None]:
    """Add function and invocation to the lines logged in the block and its threads."""
    _running[invocation_id] = function
    token = _current.set(invocation_id)
    try:
        yield
    finally:
        _current.reset(token)
        _running.pop(invocation_id, None)
