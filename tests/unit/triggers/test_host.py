"""The log lines of a report, and their levels."""

import logging
from datetime import UTC, datetime
from typing import Literal

import pytest

from shared.events.data import StorageData
from shared.limits.pool_ledger import Alarm
from shared.ports import Report, What
from shared.triggers.host import log_report

AT = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def circuit(kind: Literal["opened", "closed"]) -> Alarm:
    return Alarm(
        kind=kind,
        pool="p",
        deployment=None,
        reason="unavailable",
        message="503",
        opened_at=AT,
        time=AT,
    )


@pytest.mark.parametrize(
    ("alarm", "level"),
    [
        (circuit("opened"), logging.ERROR),
        (circuit("closed"), logging.INFO),
        (StorageData(container="images", message="404", since=AT), logging.ERROR),
    ],
    ids=["opened", "closed", "storage"],
)
def test_a_circuit_that_closed_is_no_error(
    caplog: pytest.LogCaptureFixture, alarm: object, level: int
) -> None:
    caplog.set_level(logging.INFO, "image_jobs")
    log_report("generate", Report(What.DONE, "fox", {}, alarms=(alarm,)))
    (line,) = [each for each in caplog.records if "alarm: " in each.getMessage()]
    assert line.levelno == level
    assert line.getMessage() == f"generate: alarm: {alarm}"
