"""The clock of a host, by what storage says."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.clock import TOLERANCE, SystemClock

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def told(true: datetime) -> str:
    return format_datetime(true, usegmt=True)


class Host:
    """A host whose own clock is off, and the requests that it makes."""

    def __init__(self, skew: float) -> None:
        self.true = NOON
        self.skew = timedelta(seconds=skew)
        self.clock = SystemClock(lambda: self.true + self.skew)

    def ask(self, *, there: float = 0.01, back: float = 0.01) -> None:
        sent_at = self.clock.now()
        self.true += timedelta(seconds=there)
        date = told(self.true)
        self.true += timedelta(seconds=back)
        self.clock.observe(date, sent_at=sent_at)

    @property
    def error(self) -> float:
        return abs((self.clock.now() - self.true).total_seconds())


@given(
    skew=st.floats(-900, 900),
    trips=st.lists(st.tuples(st.floats(0, 2), st.floats(0, 2)), min_size=5, max_size=30),
)
def test_a_host_is_never_further_off_than_a_slow_reply_allows(
    skew: float, trips: list[tuple[float, float]]
) -> None:
    host = Host(skew)
    for there, back in trips:
        host.ask(there=there, back=back)
    host.ask()
    assert host.error <= TOLERANCE.total_seconds() + 1.02


@pytest.mark.parametrize("skew", [600, -600])
def test_one_reply_corrects_a_host_that_is_ten_minutes_off(
    skew: float, caplog: pytest.LogCaptureFixture
) -> None:
    host = Host(skew)
    host.ask()
    assert host.error <= 0.51
    for _ in range(100):
        host.ask()
    assert len(caplog.records) == 1


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(0, 30)), max_size=50))
def test_a_host_that_is_right_stays_right_however_slow_storage_is(
    trips: list[tuple[float, float]],
) -> None:
    host = Host(0)
    for there, back in trips:
        host.ask(there=there, back=back)
    assert host.error == 0


@pytest.mark.parametrize("date", ["", "yesterday", "Sun, 22 Nov 2026 11:00:00", "Sun, 99 Foo"])
def test_a_date_that_is_none_changes_nothing(date: str) -> None:
    host = Host(600)
    host.clock.observe(date, sent_at=host.clock.now())
    assert host.error == 600
