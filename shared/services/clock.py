"""The time of day."""

from datetime import UTC, datetime


class SystemClock:
    """`Clock` of this machine."""

    def now(self) -> datetime:
        """Return the time, UTC and aware."""
        return datetime.now(UTC)
