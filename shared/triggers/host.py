"""Connect workflows to the host: queue functions, messages, log lines and spans."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from typing import Final

import azure.functions as func

from ..adapters.world import telemetry_enabled
from ..config.settings import CONNECTION
from ..jobs.parsing import Message
from ..ports import Report

type Handler = Callable[[func.QueueMessage], Awaitable[None]]

log: Final = logging.getLogger("image_jobs")


def queue_function(blueprint: func.Blueprint, name: str, queue: str) -> Callable[[Handler], object]:
    """Return a decorator that makes a handler the function of a queue, with this name."""
    triggered = blueprint.queue_trigger(
        arg_name="message",
        queue_name=queue,
        connection=CONNECTION,
        # As bytes, so that fields of the payload can't overwrite the id and times of the message.
        data_type=func.DataType.BINARY,
    )

    def register(handle: Handler) -> object:
        handle.__name__ = name
        return blueprint.function_name(name)(triggered(handle))

    return register


def read_message(message: func.QueueMessage) -> Message:
    """Return a delivery as plain data; its id and insertion time are the same each time."""
    return Message(
        body=message.get_body(),
        message_id=message.id or "",
        inserted_at=message.insertion_time or datetime.now(UTC),
    )


def log_report(function: str, report: Report) -> None:
    """Log one line about one report, and count it.

    Each alarm is a separate line of level ERROR, so that operators can be alerted.
    """
    level = logging.getLevelNamesMapping()[report.what.level]
    fields = {"function": function, "what": str(report.what), "job_id": report.job_id or ""}
    log.log(level, "%s: %s", function, report, extra=fields)
    for alarm in report.alarms:
        log.error("%s: alarm: %s", function, alarm, extra={"function": function, "what": "alarm"})
    if telemetry_enabled():
        from ..adapters.telemetry import note  # noqa: PLC0415 (22 modules that no start needs)

        note(function, report)


def start_span(function: str, traceparent: str | None) -> AbstractContextManager[object]:
    """Follow what is done within, linked to its caller, when telemetry is on."""
    if not telemetry_enabled():
        return nullcontext()
    from ..adapters.telemetry import task_span  # noqa: PLC0415 (as above)

    return task_span(function, traceparent)
