"""Removes secrets, pictures and control characters from every log line."""

import logging
from collections.abc import Callable
from typing import Any, Final

from ..redaction import printable, redacted

#: These tell of every request at INFO, URLs included.
NOISY: Final = ("azure", "httpx", "httpcore", "aiohttp", "asyncio")


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
        if record.exc_info and not record.exc_text:
            record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
        return record


def quiet() -> None:
    """Redact whatever this process logs, and let the libraries speak of trouble alone."""
    factory = logging.getLogRecordFactory()
    if not isinstance(factory, RedactingRecords):
        logging.setLogRecordFactory(RedactingRecords(factory))
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
