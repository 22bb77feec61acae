"""Timer schedules in NCRONTAB: six fields with seconds first (five without), in UTC.

As in NCrontab, a day must match the day of the month *and* the day of the week (in cron: one of
them), and Sunday is only 0.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

#: Days to search: 29 February falls on a given weekday at least every 40 years.
_HORIZON_DAYS = 366 * 41


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def _part(self, part: str) -> range:
        found = re.fullmatch(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", part)
        if not found or (found[1] == "*" and found[2]) or found[3] == "0":
            raise ValueError(f"{part!r} is not a {self.name}: use *, n, n-m, */n, n-m/n or a list")
        step = int(found[3] or 1)
        if found[1] == "*":
            return range(self.low, self.high + 1, step)
        first = self._number(found[1])
        # "n/step" runs to the end of the field, "n" alone is one value.
        last = self._number(found[2]) if found[2] else self.high if found[3] else first
        if last < first:
            raise ValueError(f"{part!r} is not a {self.name}: its end is before its start")
        return range(first, last + 1, step)

    def _number(self, text: str) -> int:
        if text[:3].lower() in self.words:
            return self.low + self.words.index(text[:3].lower())
        if not text.isdecimal() or not self.low <= int(text) <= self.high:
            raise ValueError(f"{text!r} is not a {self.name}: it must be {self.low}-{self.high}")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 6, tuple(_DAYS)),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer is due."""

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    def after(self, moment: datetime) -> datetime:
        """Return the next due time after `moment` (aware), in UTC."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        midnight = start.replace(hour=0, minute=0, second=0)
        for offset in range(_HORIZON_DAYS):
            day = midnight + timedelta(days=offset)
            if not self._has(day):
                continue
            earliest = (start.hour, start.minute, start.second) if offset == 0 else (0, 0, 0)
            for hour in self.hours:
                for minute in self.minutes:
                    for second in self.seconds:
                        if (hour, minute, second) >= earliest:
                            return day.replace(hour=hour, minute=minute, second=second)
        raise ValueError(f"schedule {self.text!r} is never due after {moment.isoformat()}")

    def _has(self, day: datetime) -> bool:
        return (
            day.month in self.months
            and day.day in self.days
            and day.isoweekday() % 7 in self.weekdays
        )


def parse(text: str) -> Schedule:
    """Read a schedule; raise ValueError that names the fault."""
    words = text.split()
    if len(words) == len(_FIELDS) - 1:
        words.insert(0, "0")
    if len(words) != len(_FIELDS):
        raise ValueError(
            f"schedule {text!r} has {len(words)} fields: it must have six (second minute hour day "
            "month weekday), or five without seconds; hh:mm:ss works only on dedicated plans"
        )
    seconds, minutes, hours, days, months, weekdays = (
        field.values(word) for field, word in zip(_FIELDS, words, strict=True)
    )
    return Schedule(
        text,
        tuple(sorted(seconds)),
        tuple(sorted(minutes)),
        tuple(sorted(hours)),
        days,
        months,
        weekdays,
    )
