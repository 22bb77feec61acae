"""Sweep: what nobody came back for is found by the register, and carried on or ended.

An event that did not go out, an attempt that died, a job past its deadline, a task whose message
was lost, a job that waited for a new day's money, money set aside for a call that is over, a marker
that no job needs. Several sweeps may run side by side, and each look may be cut
short anywhere: every step is one that a redelivered message could have taken.

When a sweep should look at an open job, and what it should do then; from the record alone.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ..config.settings import Configuration
from ..errors import Unavailable, UnreadableRecord
from ..ports import Report, Versioned, What
from ..records.commands import resume
from ..records.costs import awaits_budget, resumes_at
from ..records.index_entry import index_entry_of
from ..records.record import JobRecord, JobState, TaskRecord, TaskState
from ..records.task_messages import TaskMessage
from ..stores.index import OpenEntry
from ..stores.world import World
from .control import change_job
from .finishing import wake_finish
from .generation.generate import generate
from .generation.reservations import reconcile
from .generation.steps import GiveUp, Resolve, next_step
from .outbox import publish_pending, update_index

#: How long a task or a finish may be pending before its message is taken for lost, and then twice
#: as long each time: a message too many finds nothing left to do, but costs a delivery.
IDLE: Final = timedelta(minutes=15)
#: A check comes this long after the moment it waits for, so that a running task is first.
MARGIN: Final = timedelta(seconds=15)
#: Looks are at least and at most this far apart, whatever a record promises.
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=1)


def next_check_at(record: JobRecord, *, now: datetime, lifetime: timedelta) -> datetime:
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


#: Looks of one run, and how long it may take: the next run goes on.
MOST_LOOKS: Final = 500
LONGEST_RUN: Final = timedelta(minutes=4)
#: A marker without a record is one that is being made, or whose maker died; by now its message has
#: come back, or was given up on and told as rejected.
ORPHAN_AFTER: Final = timedelta(hours=3)
#: Jobs whose look failed, named in the report.
MOST_NAMED: Final = 5


async def sweep(world: World, configuration: Configuration) -> Report:
    """Look at every open job that is due, within the bounds of one run.

    A job that can't be looked at now does not keep the others from it: its look stays due.
    """
    broom = _SweepRun(world, configuration, world.clock.now())
    await broom.run()
    await broom.reconcile()
    return broom.report()


def _resumed(record: JobRecord, now: datetime) -> JobRecord:
    return resume(record, now=now)


@dataclass(slots=True)
class _SweepRun:
    """One run of a sweep."""

    world: World
    configuration: Configuration
    began_at: datetime
    done: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    looks: int = 0

    async def run(self) -> None:
        async for marker in self.world.index.open_entries(due=self.began_at):
            late = self.world.clock.now() - self.began_at > LONGEST_RUN
            if late or self.looks >= MOST_LOOKS:
                self.done["left_for_the_next_run"] += 1
                return
            self.looks += 1
            try:
                await self.look(marker)
            except (Unavailable, UnreadableRecord) as error:
                self.failed[marker.entry.job_id] = str(error)

    async def reconcile(self) -> None:
        try:
            self.done["settled"] += await reconcile(self.world, self.configuration)
        except (Unavailable, UnreadableRecord) as error:
            self.failed["budget"] = str(error)

    async def look(self, marker: OpenEntry) -> None:
        """Carry one job on; then it is closed, or looked at later."""
        stored = await self.world.records.read(marker.entry.job_id)
        if stored is None or index_entry_of(stored.value).name != marker.entry.name:
            await self.pass_over(marker, stored)
            return
        stored = await self.tell(stored)
        if stored.value.state is JobState.RUNNING:
            await self.carry_on(stored.value, marker)
            return
        if awaits_budget(stored.value) and resumes_at(stored.value) <= self.began_at:
            await change_job(stored.value.job_id, _resumed, self.world, self.configuration)
            await self.world.index.remove(marker)  # of the opening that is past
            self.done["resumed"] += 1
            return
        await update_index(stored.value, self.world)
        self.done["closed"] += 1

    async def pass_over(self, marker: OpenEntry, stored: Versioned[JobRecord] | None) -> None:
        """Take a marker away that is of an opening long past, or never came to be."""
        past = stored is not None and (
            index_entry_of(stored.value).place != marker.entry.place
            or stored.value.run > marker.entry.run
        )
        if past or self.began_at - marker.entry.updated_at >= ORPHAN_AFTER:
            await self.world.index.remove(marker)
            self.done["withdrawn"] += 1
        else:
            later = marker.entry.updated_at + ORPHAN_AFTER
            await self.world.index.postpone(marker, next_check_at=later)

    async def tell(self, stored: Versioned[JobRecord]) -> Versioned[JobRecord]:
        owed = sum(entry.sent_at is None for entry in stored.value.outbox)
        source = self.configuration.settings.event_source
        stored = await publish_pending(stored, self.world, source=source)
        self.done["events_sent"] += owed
        return stored

    async def carry_on(self, record: JobRecord, marker: OpenEntry) -> None:
        """End what must be dead or is too late, wake what was forgotten, and come back later."""
        now = self.world.clock.now()
        if is_finish_forgotten(record, looked_until=marker.next_check_at, now=now):
            await wake_finish(record, self.world, self.configuration)
            self.done["woken"] += 1
        for task in record.tasks:
            await self.carry_on_with(record, task, marker.next_check_at)
        lifetime = self.configuration.settings.job_lifetime
        later = next_check_at(record, now=self.world.clock.now(), lifetime=lifetime)
        await self.world.index.postpone(marker, next_check_at=later)

    async def carry_on_with(
        self, record: JobRecord, task: TaskRecord, next_check_at: datetime
    ) -> None:
        message = TaskMessage(job_id=record.job_id, task=task.index, run=record.run)
        now = self.world.clock.now()
        step = next_step(record, message, now=now, configuration=self.configuration)
        if isinstance(step, Resolve | GiveUp):
            await generate(message, self.world, self.configuration)
            self.done["resolved" if isinstance(step, Resolve) else "given_up"] += 1
        elif is_forgotten(record, task, looked_until=next_check_at, now=now):
            queue = self.configuration.settings.lanes[record.plans[task.part].lane]
            await self.world.queues.send(queue, message.to_bytes())
            self.done["woken"] += 1

    def report(self) -> Report:
        what = What.SWEPT_IN_PART if self.failed else What.SWEPT
        facts: dict[str, Any] = {"looks": self.looks, **+self.done}
        if self.failed:
            facts["failed"] = dict([*self.failed.items()][:MOST_NAMED])
        return Report(what, None, facts)
