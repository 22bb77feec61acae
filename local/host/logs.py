"""Logs on stderr: one line per record, with function and invocation."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from azure_functions_runtime import (  # type: ignore[import-untyped]  # ships no types
    invocation_id_cv,
)

from shared.redaction import printable

log = logging.getLogger("local.host")

#: Functions by the id of their running invocation.
_running: dict[str, str] = {}
_current: ContextVar[str | None] = ContextVar("invocation", default=None)


class _Line(logging.Formatter):
    """A line of time, level, logger, [function invocation] and message."""

    def format(self, record: logging.LogRecord) -> str:
        invocation = _current.get() or invocation_id_cv.get()
        where = f" [{_running.get(invocation, '?')} {invocation}]" if invocation else ""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        moment = self.formatTime(record, "%H:%M:%S")
        head = f"{moment}.{record.msecs:03.0f} {record.levelname} {record.name}{where}"
        return f"{head} {printable(text)}"


def _is_logged(record: logging.LogRecord) -> bool:
    """Return False for INFO of the worker library and of the host's storage clients."""
    if record.levelno >= logging.WARNING or not record.name.startswith("azure"):
        return True
    is_ours = record.thread == threading.main_thread().ident
    return not is_ours and not record.name.startswith("azure.functions")


def configure() -> None:
    """Log INFO and above to stderr, as the worker does in Azure."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    handler.addFilter(_is_logged)
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
