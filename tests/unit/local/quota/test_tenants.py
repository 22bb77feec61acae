from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from local.quota.run import QuotaOptions
from local.quota.tenants import NEWCOMER, TenantShares, measure_shares, missed_goals, table

START = datetime(2026, 11, 1, tzinfo=UTC)
WEIGHTS = {"one": 1.0, "two": 2.0}
OPTIONS = QuotaOptions(jobs=90, rpm=60, hosts=(2,), seed=1)


def at(*seconds: float) -> list[datetime]:
    return [START + timedelta(seconds=each) for each in seconds]


def shares(
    one: Sequence[float], two: Sequence[float], new: Sequence[float] = (63,), *, jobs: int = 91
) -> TenantShares:
    called = {"one": at(*one), "two": at(*two), NEWCOMER: at(*new)}
    sent = START + timedelta(seconds=60)
    return measure_shares(called, WEIGHTS, jobs=jobs, began=START, newcomer_sent=sent)


FAIR = shares(range(0, 90, 3), [*range(1, 90, 3), *range(2, 90, 3)])


def test_calls_by_weight_are_fair() -> None:
    assert [(each.tenant, each.calls) for each in FAIR.tenants[:2]] == [("one", 26), ("two", 52)]
    assert FAIR.jain == pytest.approx(1)
    assert FAIR.newcomer_wait == 3
    assert missed_goals(FAIR, rpm=60) == []


def test_a_call_that_comes_late_is_not_a_share() -> None:
    late = shares([*range(0, 87, 3), 200], [*range(1, 90, 3), *range(2, 90, 3)])
    assert [each.calls for each in late.tenants] == [each.calls for each in FAIR.tenants]


def test_each_minute_has_its_calls() -> None:
    assert [each.minutes for each in FAIR.tenants] == [(20, 10), (40, 20), (0, 1)]


def test_a_tenant_that_is_served_first_misses_the_goals() -> None:
    unfair = shares(range(30), range(10, 70), jobs=95, new=(99,))
    jain = "Jain's index 0.7811, goal 0.99"
    assert missed_goals(unfair, rpm=60) == [
        "4 jobs were not called",
        "one: 26 calls, 14.0 by its weight",
        "two: 16 calls, 28.0 by its weight",
        jain,
        "the newcomer waited for 39.0 s, goal 12 s",
    ]


def test_a_newcomer_that_was_never_called_misses_the_goal() -> None:
    lost = shares([1.0, 4.0], [2.0, 3.0, 5.0], ())
    assert missed_goals(lost, rpm=60)[-1] == "the newcomer waited for None s, goal 12 s"


def test_the_table_has_a_column_for_each_minute() -> None:
    shown = table(FAIR, OPTIONS)
    assert [str(each.header) for each in shown.columns][-2:] == ["min 0", "min 1"]
    assert shown.row_count == 3
    assert "Jain's index 1.0000" in str(shown.title)
