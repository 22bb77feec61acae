"""Carry out a command on a job's record, wake its tasks and publish its events.

Order of writes: the pending events, the tickets, the index entry of the next run, the record, the
task messages, the event. After a stop between any two, the same command continues, or a sweep that
finds the entry.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from ..config.settings import Configuration
from ..errors import BlobLeased, IllegalStep, NewerRecord, RecordGone, UnreadableRecord
from ..ports import Report, Versioned, What
from ..records.commands import Action, Command, apply_command
from ..records.index_entry import FIRST_CHECK_AFTER, index_entry_of
from ..records.record import JobRecord, JobState
from ..stores.documents import until_written
from ..stores.world import World
from .acceptance import wake
from .finishing import wait_for_record
from .generation.reservations import take_tickets
from .outbox import publish_pending

#: How long a command waits for a record that it can't change now.
LONGEST_COMMAND_WAIT: Final = timedelta(days=1)


async def handle_command(
    command: Command, began_at: datetime, world: World, configuration: Configuration
) -> Report:
    """Carry out a command of a message; raises `Unavailable`.

    While the record is leased, or of a newer version, a copy of the message waits, for a day since
    `began_at`: the platform would give the message up after a few deliveries.
    """
    facts = {"command": str(command.command)}
    try:
        return await execute_command(command, world, configuration)
    except (BlobLeased, NewerRecord) as error:
        if world.clock.now() - began_at < LONGEST_COMMAND_WAIT:
            queue = configuration.settings.jobs_queue
            body = _copy(command, began_at, configuration)
            report = await wait_for_record(command.job_id, body, queue, error, world)
            return replace(report, facts={**facts, **report.facts})
        return Report(What.NOT_EXECUTED, command.job_id, {**facts, "why": str(error)})
    except RecordGone as error:
        return Report(What.NO_SUCH_JOB, command.job_id, {**facts, "why": str(error)})
    except (IllegalStep, UnreadableRecord) as error:
        return Report(What.NOT_EXECUTED, command.job_id, {**facts, "why": str(error)})


def _copy(command: Command, began_at: datetime, configuration: Configuration) -> bytes:
    """Return the command as a CloudEvent, which any version reads, with its time."""
    event = {
        "specversion": "1.0",
        "id": f"{command.command}/{command.job_id}",
        "source": configuration.settings.event_source,
        "type": "image.job.command",
        "time": began_at.isoformat(),
        "data": json.loads(command.to_bytes()),
    }
    return json.dumps(event).encode()


async def execute_command(command: Command, world: World, configuration: Configuration) -> Report:
    """Carry out a command; raises `IllegalStep`, `RecordGone` or `Unavailable`."""
    if command.command is Action.ERASE:
        from .erasure import erase_job  # noqa: PLC0415 (rare)

        state = await erase_job(command.job_id, world, configuration)
    else:
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
            record = await take_tickets(record, world, configuration)
            await world.index.add(index_entry_of(record), next_check_at=now + FIRST_CHECK_AFTER)
        return Versioned(record, await world.records.replace(record, stored.version))

    stored = await until_written(attempt, world.clock, what=f"record of job {job_id}")
    await wake(stored.value, world, configuration)
    return (await publish_pending(stored, world, source=source)).value.state
