from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.quota.instances import MOST, target_instances
from local.quota.scaled import ScaledOptions, ScaledRow, measure_scaled, missed_goals, table

START = datetime(2026, 11, 1, tzinfo=UTC)
OPTIONS = ScaledOptions(loads=(100,), rpm=60, minutes=5, formula="peek", seed=1)


def row(load: float = 100, *, jobs: int = 300, delay: float = 30, **facts: Any) -> ScaledRow:  # noqa: ANN401 - any field
    """Return a row of jobs sent once a second at full load, each made `delay` seconds later."""
    every = 100 / load
    sent = {f"quota-{n}": START + timedelta(seconds=n * every) for n in range(jobs)}
    entries = [
        {"client_request_id": f"{job_id}.1.0.1", "at": (at + timedelta(seconds=delay)).isoformat()}
        for job_id, at in sent.items()
    ]
    ledger = {"entries": entries, "outcomes": {"200": jobs}, "not_received": 0}
    figures = measure_scaled(ledger, sent, load=load, rpm=60)
    rest = {"cut": 2, "cold_starts": 3, "drains": 1, "mean_instances": 1.5, "most_instances": 2}
    return ScaledRow(**figures | rest | facts)


def test_the_share_counts_from_a_minute_after_the_first_call_to_the_last_job() -> None:
    assert row().share == pytest.approx(1, abs=0.01)
    assert row(10).share == pytest.approx(0.1, abs=0.01)
    assert (row().median_wait, row().longest_wait, row().done) == (30, 30, 300)


def test_a_missed_goal_is_reported() -> None:
    assert missed_goals([row(), row(10)]) == []
    (slow,) = missed_goals([row(10, delay=300)])
    assert "a job took 300 s" in slow
    wrong = missed_goals([row(share=0.9, throttled=1, cut_calls=2, done=299)])
    assert len(wrong) == 4


def test_the_table_has_a_column_for_each_load() -> None:
    assert len(table([row(), row(10)], OPTIONS).columns) == 3


@given(length=st.integers(1, 5000), slots=st.integers(1, 64), visible=st.booleans())
def test_the_scaler_wants_instances_for_all_messages_or_none(
    *, length: int, slots: int, visible: bool
) -> None:
    full = target_instances(length, visible=visible, slots=slots, formula="full")
    peek = target_instances(length, visible=visible, slots=slots, formula="peek")
    assert full == MOST or (full - 1) * slots < length <= full * slots
    assert peek == (full if visible else 0)
