"""Carry out a command on a job's record, wake its tasks and publish its events.

Order of writes: the pending events, the index entry of the next run, the record, the lane messages,
the event. After a stop between any two, the same command continues, or a sweep that
finds the entry.
"""

from collections.abc import Callable
from functools import partial

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
    step = partial(apply_command, command=command)
    state = await change_job(command.job_id, step, world, configuration)
    return Report(What.EXECUTED, command.job_id, {"command": command.command, "state": state})


async def change_job(
    job_id: str, step: Callable[..., JobRecord], world: World, configuration: Configuration
) -> JobState:
    """Take a step that may begin a new run, and return the state after it.

    `step` gets the record and `now`. Raises what it raises, and `RecordGone` without a record.
    """
    source = configuration.settings.event_source

    async def attempt(_is_first: bool) -> Versioned[JobRecord]:  # noqa: FBT001 (of `until_written`)
        stored = await world.records.read(job_id)
        if stored is None:
            raise RecordGone(f"there is no job {job_id!r}")
        stored = await publish_pending(stored, world, source=source)
        now = world.clock.now()
        record = step(stored.value, now=now)
        if record == stored.value:
            return stored
        if record.run > stored.value.run:
            await world.index.add(index_entry_of(record), next_check_at=now + FIRST_CHECK_AFTER)
        return Versioned(record, await world.records.replace(record, stored.version))

    stored = await until_written(attempt, world.clock, what=f"record of job {job_id}")
    await wake(stored.value, world, configuration)
    return (await publish_pending(stored, world, source=source)).value.state
