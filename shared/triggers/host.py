"""What a function tells the host: log lines and spans."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from ..adapters.world import telemetry_enabled
from ..ports import Report
from ..redaction import printable

log: Final = logging.getLogger("image_jobs")


def log_report(function: str, report: Report) -> None:
    """Log one line about one report, and count it.

    Each alarm is a separate line of level ERROR, so that operators can be alerted; of level INFO
    where it says that a circuit closed.
    """
    level = logging.getLevelNamesMapping()[report.what.level]
    fields = {
        "function": function,
        "what": str(report.what),
        "job_id": printable(report.job_id or ""),
    }
    log.log(level, "%s: %s", function, report, extra=fields)
    for alarm in report.alarms:
        is_over = getattr(alarm, "kind", None) == "closed"
        level = logging.INFO if is_over else logging.ERROR
        extra = {"function": function, "what": "alarm"}
        log.log(level, "%s: alarm: %s", function, alarm, extra=extra)
    if telemetry_enabled():
        from ..adapters.telemetry import note  # noqa: PLC0415 (22 modules that no start needs)

        note(function, report)


def start_span(function: str, traceparent: str | None) -> AbstractContextManager[object]:
    """Follow what is done within, linked to its caller, when telemetry is on."""
    if not telemetry_enabled():
        return nullcontext()
    from ..adapters.telemetry import task_span  # noqa: PLC0415 (as above)

    return task_span(function, traceparent)
