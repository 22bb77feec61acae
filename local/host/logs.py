"""What the app logs, one line each on stderr, with the function and the invocation it came from."""

import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from azure_functions_runtime import (  # type: ignore[import-untyped]  # ships no types
    invocation_id_cv,
)

log = logging.getLogger("local.host")

#: Invocation ids of this process that are running, and their functions.
_running: dict[str, str] = {}
_current: ContextVar[str | None] = ContextVar("invocation", default=None)


class _Line(logging.Formatter):
    """Time, level, logger, [function invocation], and everything else behind it on one line."""

    def format(self, record: logging.LogRecord) -> str:
        invocation = _current.get() or invocation_id_cv.get()
        where = f" [{_running.get(invocation, '?')} {invocation}]" if invocation else ""
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        moment = self.formatTime(record, "%H:%M:%S")
        one_line = text.replace("\n", "\\n")
        return f"{moment}.{record.msecs:03.0f} {record.levelname} {record.name}{where} {one_line}"


def _is_logged(record: logging.LogRecord) -> bool:
    """Not what the worker says of itself, nor what the host's own storage clients say."""
    if record.levelno >= logging.WARNING or not record.name.startswith("azure"):
        return True
    is_ours = record.thread == threading.main_thread().ident
    return not is_ours and not record.name.startswith("azure.functions")


def configure() -> None:
    """Log INFO and above to stderr: the level the worker gives the root logger in Azure."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    handler.addFilter(_is_logged)
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)


@contextmanager
def invocation(function: str, invocation_id: str) -> Iterator[None]:
    """Lines logged within the block, or in a thread it starts through the worker, name it."""
    _running[invocation_id] = function
    token = _current.set(invocation_id)
    try:
        yield
    finally:
        _current.reset(token)
        _running.pop(invocation_id, None)
