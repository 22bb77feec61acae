"""Removes secrets, pictures and control characters from every log line."""

import logging
from collections.abc import Callable
from typing import Any, Final

from ..redaction import printable, redacted

#: These tell of every request at INFO, URLs included.
NOISY: Final = ("azure", "aiohttp", "asyncio")
#: Causes of an exception that are shown.
_MOST_CAUSES: Final = 5


class RedactingRecords:
    """A factory of log records that holds secrets back.

    A factory, not a filter: a filter on a logger does not see what its children log, and one on a
    handler does not see handlers that telemetry adds later.
    """

    def __init__(self, factory: Callable[..., logging.LogRecord]) -> None:
        self._factory = factory

    def __call__(self, *given: Any, **options: Any) -> logging.LogRecord:  # noqa: ANN401 (logging's own signature)
        """Make a record whose message holds no secret and is one line."""
        record = self._factory(*given, **options)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # a wrong format string: logging says so itself
        clean = printable(redacted(message))
        if clean != message:
            record.msg, record.args = clean, ()
        if record.exc_info and (error := record.exc_info[1]):
            safe = _safe(error)
            record.exc_info = (type(safe), safe, safe.__traceback__)
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        return record


def _safe(error: BaseException, *, depth: int = 0) -> BaseException:
    """Return an exception that shows as this one does, but whose messages are safe.

    Handlers write messages as they are: one with line breaks could forge lines of a log.
    """
    names = {"__module__": type(error).__module__, "__qualname__": type(error).__qualname__}
    try:
        message = printable(redacted(str(error)))
    except Exception:  # noqa: BLE001 (anybody's `__str__`)
        message = "its message can't be shown"
    safe: Exception = type(type(error).__name__, (Exception,), names)(message)
    safe.__traceback__ = error.__traceback__
    if depth < _MOST_CAUSES:
        inner = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error.__cause__
        safe.__cause__ = inner and _safe(inner, depth=depth + 1)
        safe.__context__ = error.__context__ and _safe(error.__context__, depth=depth + 1)
        safe.__suppress_context__ = error.__suppress_context__ or inner is not None
    return safe


def quiet() -> None:
    """Redact whatever this process logs, and let the libraries speak of trouble alone."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, RedactingRecords):
        logging.setLogRecordFactory(RedactingRecords(factory))
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
