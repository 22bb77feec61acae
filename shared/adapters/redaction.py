"""Removes secrets and pictures from every log line."""

import logging
import re
from collections.abc import Callable
from typing import Any, Final

#: These tell of every request at INFO, URLs included.
NOISY: Final = ("azure", "httpx", "httpcore", "aiohttp", "asyncio")

_HIDDEN: Final = "[hidden]"
_HEADER: Final = r"(?:authorization|api-key|x-functions-key)"
_SCHEME: Final = r"(?:bearer|basic|sharedkey)"
_QUOTE: Final = r"[\"']?"
_SECRETS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # The parts of a shared access signature.
        (r"((?:[?&]|&amp;|\b)(?:sig|se|sp)=)[^&\s\"'<>]+", rf"\1{_HIDDEN}"),
        (r"(AccountKey=|SharedAccessSignature=)[^;\s\"']+", rf"\1{_HIDDEN}"),
        # Headers, as they stand on the wire or in the text of a mapping.
        (
            rf"({_HEADER}{_QUOTE}\s*[:=,]\s*(?:b?[\"'])?)({_SCHEME}\s+)?[^\s\"',;}}]+",
            rf"\1{_HIDDEN}",
        ),
        (r"(\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}", rf"\1{_HIDDEN}"),
        # Pictures and masks.
        (r"(data:[\w.+-]+/[\w.+-]+;base64,)[A-Za-z0-9+/=_-]+", rf"\1{_HIDDEN}"),
    )
)


def redacted(text: str) -> str:
    """Return the text without what gives access or fills the log."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


class RedactingRecords:
    """A factory of log records that holds secrets back.

    A factory, not a filter: a filter on a logger does not see what its children log, and one on a
    handler does not see handlers that telemetry adds later.
    """

    def __init__(self, factory: Callable[..., logging.LogRecord]) -> None:
        self._factory = factory

    def __call__(self, *given: Any, **options: Any) -> logging.LogRecord:  # noqa: ANN401 (logging's own signature)
        """Make a record whose message holds no secret."""
        record = self._factory(*given, **options)
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return record  # a wrong format string: logging says so itself
        clean = redacted(message)
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
