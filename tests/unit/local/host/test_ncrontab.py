from datetime import UTC, datetime

import pytest

from local.host.ncrontab import parse

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("* * * * * *", "2026-01-01T00:00:01"),
        ("*/15 * * * * *", "2026-01-01T00:00:15"),
        ("0 */5 * * * *", "2026-01-01T00:05:00"),
        ("*/5 * * * *", "2026-01-01T00:05:00"),
        ("0 30 9-17/4 * * *", "2026-01-01T09:30:00"),
        ("0 0 9 * * Mon-Fri", "2026-01-01T09:00:00"),
        ("0 0 9 * * 6,0", "2026-01-03T09:00:00"),
        ("0 0 0 29 feb *", "2028-02-29T00:00:00"),
        ("0 0 0 13 * friday", "2026-02-13T00:00:00"),
        ("5,10 0 0 1 1 *", "2026-01-01T00:00:05"),
    ],
)
def test_a_schedule_is_next_due(schedule: str, due: str) -> None:
    assert parse(schedule).after(NEW_YEAR).isoformat() == f"{due}+00:00"


@pytest.mark.parametrize(
    ("schedule", "reason"),
    [
        ("* * *", "has 3 fields"),
        ("00:05:00", "dedicated plans"),
        ("60 * * * * *", "'60' is not a second: it must be 0-59"),
        ("* * * * * 7", "'7' is not a day of the week"),
        ("* */0 * * * *", "is not a minute"),
        ("* * 9-8 * * *", "its end is before its start"),
        ("* * * ? * *", "is not a day of the month"),
    ],
)
def test_a_wrong_schedule_is_refused_with_a_reason(schedule: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(schedule)


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(ValueError, match="never due"):
        parse("0 0 0 31 2 *").after(NEW_YEAR)
