"""Control: carry out a command on a job's record, wake its tasks and publish its events.

Order of writes: the pending events, the index entry of the next run, the record, the lane messages,
the event. After a stop between any two, the same command continues; a sweep finds the entry.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..config.settings import Configuration
from ..errors import RecordGone
from ..jobs.commands import Command
from ..ports import Report, Versioned, What
from ..records.commands import apply_command
from ..records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from ..records.record import JobRecord, JobState
from ..stores.documents import until_written
from ..stores.world import World
from .acceptance import wake
from .outbox import publish_pending


async def execute_command(command: Command, world: World, configuration: Configuration) -> Report:
    """Carry out a command; raises `IllegalStep`, `RecordGone` or `Unavailable`."""

    def step(record: JobRecord, now: datetime) -> JobRecord:
        return apply_command(record, command, now=now)

    state = await change_job(command.job_id, step, world, configuration)
    facts: dict[str, Any] = {"command": command.command, "state": state}
    return Report(What.CONTROLLED, command.job_id, facts)


async def change_job(
    job_id: str,
    step: Callable[[JobRecord, datetime], JobRecord],
    world: World,
    configuration: Configuration,
) -> JobState:
    """Take a step that may begin a new run, and do what follows; `RecordGone` without a record."""
    source = configuration.settings.event_source

    async def attempt(_is_first: bool) -> Versioned[JobRecord]:  # noqa: FBT001 (of `until_written`)
        stored = await world.records.read(job_id)
        if stored is None:
            raise RecordGone(f"there is no job {job_id!r}")
        stored = await publish_pending(stored, world, source=source)
        return await _taken(step, stored, world)

    stored = await until_written(attempt, world.clock, what=f"record of job {job_id}")
    await wake(stored.value, world, configuration)
    return (await publish_pending(stored, world, source=source)).value.state


async def _taken(
    step: Callable[[JobRecord, datetime], JobRecord], stored: Versioned[JobRecord], world: World
) -> Versioned[JobRecord]:
    now = world.clock.now()
    record = step(stored.value, now)
    if record == stored.value:
        return stored
    if record.run > stored.value.run:
        await world.index.add(index_entry_of(record), next_check_at=now + FIRST_CHECK_AFTER)
    return Versioned(record, await world.records.replace(record, stored.version))
