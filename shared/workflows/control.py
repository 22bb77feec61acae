"""Controlling: an order is carried out on the job's record, and whoever must know is told.

Order of writes: what the job owed before, the marker of its next opening, the record, the lane
messages, the event. Stopped between any two, the same order finds what is done and goes on; a sweep
finds the marker.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..config.settings import Configuration
from ..errors import IllegalStep
from ..jobs.commands import Command
from ..ports import Report, Versioned
from ..records.commands import apply_command
from ..records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from ..records.record import JobRecord, JobState
from ..stores.documents import until_written
from ..stores.world import World
from .acceptance import wake
from .outbox import publish_pending


async def execute_command(command: Command, world: World, configuration: Configuration) -> Report:
    """Carry an order out; raises only `Unavailable`. What can't be done is told in the report."""

    def step(record: JobRecord, now: datetime) -> JobRecord:
        return apply_command(record, command, now=now)

    facts: dict[str, Any] = {"command": command.command}
    try:
        state = await reopen(command.job_id, step, world, configuration)
    except IllegalStep as error:
        return Report("not_controlled", command.job_id, facts | {"why": str(error)})
    if state is None:
        return Report("no_such_job", command.job_id, facts)
    return Report("controlled", command.job_id, facts | {"state": state})


async def reopen(
    job_id: str,
    step: Callable[[JobRecord, datetime], JobRecord],
    world: World,
    configuration: Configuration,
) -> JobState | None:
    """Take a step that may open a job anew, and do what follows; None when there is no such job."""
    source = configuration.settings.event_source

    async def attempt(_is_first: bool) -> Versioned[JobRecord] | None:  # noqa: FBT001 (of `until_written`)
        stored = await world.records.read(job_id)
        if stored is None:
            return None
        stored = await publish_pending(stored, world, source=source)
        return await _taken(step, stored, world)

    stored = await until_written(attempt, world.clock, what=f"record of job {job_id}")
    if stored is None:
        return None
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
