from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.quota.measuring import Measured, measured
from local.quota.run import Wish, missed, table

START = datetime(2026, 11, 1, tzinfo=UTC)
WISH = Wish(jobs=200, rpm=60, hosts=(1,), seed=1)


def ledger(every: float, *, jobs: int = 200, burst: int = 10, refused: int = 0) -> dict[str, Any]:
    """What an endpoint tells that took a burst and then a call every so many seconds."""
    times = [0.0] * burst + [every * number for number in range(1, jobs - burst + 1)]
    return {
        "entries": [{"at": (START + timedelta(seconds=at)).isoformat()} for at in times],
        "outcomes": {"200": jobs, "429 quota": refused},
    }


def of(document: dict[str, Any], who: str = "1 host") -> Measured:
    return measured(who, document, jobs=200, rpm=60, seconds=200, dequeues=400)


def test_the_burst_that_a_full_bucket_gives_is_no_quota_used() -> None:
    assert of(ledger(1)).share == pytest.approx(1)
    assert of(ledger(2)).share == pytest.approx(0.5)


def test_refusals_and_dequeues_are_told_for_each_job() -> None:
    row = of(ledger(1, refused=3))
    assert row.refused == pytest.approx(0.015)
    assert row.dequeues == 2
    assert row.jobs_a_minute == 60


def test_a_run_that_did_nothing_used_nothing() -> None:
    row = of({"entries": [], "outcomes": {"429 quota": 9}})
    assert (row.share, row.done, row.refused) == (0, 0, 9)


def test_an_aim_that_is_missed_is_said_and_a_naive_worker_has_none() -> None:
    assert missed([of(ledger(1))]) == []
    (slow,) = missed([of(ledger(1.1))])
    assert "aim 97%" in slow
    (refused,) = missed([of(ledger(1, refused=10))])
    assert "aim below 0.02" in refused
    (lost,) = missed([of(ledger(1, jobs=199))])
    assert "199 of 200" in lost
    assert missed([of(ledger(3, refused=500), "naive x4")]) == []


def test_every_row_stands_in_the_table() -> None:
    assert table([of(ledger(1)), of(ledger(3), "naive x4")], WISH).row_count == 2
