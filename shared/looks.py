"""When a sweep should look at an open job, and what it should do then; from the record alone."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from .records import JobRecord, TaskRecord, TaskState

#: How long a task or a finish may be pending before its message is taken for lost, and then twice
#: as long each time: a message too many finds nothing left to do, but costs a delivery.
IDLE: Final = timedelta(minutes=15)
#: A look comes this long after the moment it waits for, so that whoever is at work is first.
MARGIN: Final = timedelta(seconds=15)
#: Looks are at least and at most this far apart, whatever a record promises.
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=1)


def next_look(record: JobRecord, *, now: datetime, lifetime: timedelta) -> datetime:
    """Return when there may be something to do for a running job."""
    moments = [record.give_up_at(lifetime), *_moments(record, now)]
    return min(max(min(moments) + MARGIN, now + SHORTEST), now + LONGEST)


def _moments(record: JobRecord, now: datetime) -> Iterator[datetime]:
    for task in record.tasks:
        if task.current:
            yield task.current.deadline_at
        elif task.state is TaskState.PENDING:
            yield _alarm_after(record, now)
    if record.awaits_finish:
        yield _alarm_after(record, now)


def is_forgotten(
    record: JobRecord, task: TaskRecord, *, looked_until: datetime, now: datetime
) -> bool:
    """Tell whether a task should be woken again: it has been pending for long.

    `looked_until` is the moment this look was due: what was due before it was done by another.
    """
    return task.state is TaskState.PENDING and _is_idle(record, looked_until, now)


def is_finish_forgotten(record: JobRecord, *, looked_until: datetime, now: datetime) -> bool:
    """Tell whether a finish should be woken again; one under way writes down each picture."""
    return record.awaits_finish and _is_idle(record, looked_until, now)


def _is_idle(record: JobRecord, looked_until: datetime, now: datetime) -> bool:
    if now - record.updated_at < IDLE:
        return False
    return _alarm_before(record, now) + MARGIN >= looked_until


def _alarm_before(record: JobRecord, now: datetime) -> datetime:
    """Return the last moment, of those twice as far from the newest change each, that is past."""
    idle = IDLE
    while record.updated_at + 2 * idle <= now:
        idle *= 2
    return record.updated_at + idle


def _alarm_after(record: JobRecord, now: datetime) -> datetime:
    idle = IDLE
    while record.updated_at + idle <= now:
        idle *= 2
    return record.updated_at + idle
