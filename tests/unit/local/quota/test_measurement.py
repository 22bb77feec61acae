from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.quota.measurement import Measurement, measure
from local.quota.run import QuotaOptions, missed_goals, table

START = datetime(2026, 11, 1, tzinfo=UTC)
OPTIONS = QuotaOptions(jobs=200, rpm=60, hosts=(1,), seed=1)


def ledger(every: float, *, jobs: int = 200, burst: int = 10, refused: int = 0) -> dict[str, Any]:
    """Return the ledger after a burst and then a call every `every` seconds."""
    times = [0.0] * burst + [every * number for number in range(1, jobs - burst + 1)]
    return {
        "entries": [{"at": (START + timedelta(seconds=at)).isoformat()} for at in times],
        "outcomes": {"200": jobs, "429 quota": refused},
    }


def of(document: dict[str, Any], name: str = "1 host") -> Measurement:
    return measure(name, document, jobs=200, rpm=60, seconds=200, dequeues=400)


def test_the_burst_of_a_full_bucket_does_not_count() -> None:
    assert of(ledger(1)).share == pytest.approx(1)
    assert of(ledger(2)).share == pytest.approx(0.5)


def test_throttling_and_dequeues_are_counted_per_job() -> None:
    row = of(ledger(1, refused=3))
    assert row.throttled == pytest.approx(0.015)
    assert row.dequeues == 2
    assert row.jobs_a_minute == 60


def test_a_run_that_did_nothing_used_nothing() -> None:
    row = of({"entries": [], "outcomes": {"429 quota": 9}})
    assert (row.share, row.done, row.throttled) == (0, 0, 9)


def test_a_missed_goal_is_reported_and_a_naive_worker_has_no_goals() -> None:
    assert missed_goals([of(ledger(1))]) == []
    (slow,) = missed_goals([of(ledger(1.1))])
    assert "goal 97%" in slow
    (refused,) = missed_goals([of(ledger(1, refused=10))])
    assert "goal below 0.02" in refused
    (lost,) = missed_goals([of(ledger(1, jobs=199))])
    assert "199 of 200" in lost
    assert missed_goals([of(ledger(3, refused=500), "naive x4")]) == []


def test_the_table_has_every_row() -> None:
    assert table([of(ledger(1)), of(ledger(3), "naive x4")], OPTIONS).row_count == 2
