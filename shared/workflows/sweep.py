"""Find open jobs that no message continues, and continue or end them.

A sweep finds an event that was not published, an attempt that died, a job past its deadline, a task
whose message was lost, a job that waits for a new day's budget, a reservation of the budget for a
call that is over, a record that is damaged, and an index entry without a job. Several sweeps may
run side by side, and each may stop anywhere: every step is one that can be taken again.
"""

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ..config.settings import Configuration
from ..errors import BlobLeased, NewerRecord, RecordGone, Unavailable, UnreadableRecord
from ..limits.adaptive_rate import Quota
from ..limits.pacing import find_call
from ..ports import Report, Versioned, What
from ..records.commands import expire_review, resume
from ..records.costs import awaits_budget, resumes_at
from ..records.index_entry import index_entry_of
from ..records.record import JobRecord, JobState, TaskRecord, TaskState
from ..records.task_messages import task_message
from ..stores.index import OpenEntry
from ..stores.world import World
from .control import change_job
from .finishing import wake_finish
from .generation.generate import continue_task
from .generation.reservations import reconcile
from .generation.steps import GiveUp, Resolve, TooEarly, next_step
from .outbox import end_damaged, publish_pending, update_index

#: A message counts as lost after so long without a change, or after its expected call, then after
#: twice as long each time: one that is sent without need does nothing, but costs a delivery.
IDLE: Final = timedelta(minutes=15)
#: A check comes this long after the moment it waits for, so that a running task is first.
MARGIN: Final = timedelta(seconds=15)
#: Two checks of a job are at least and at most this far apart.
SHORTEST: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(hours=1)
#: The next check of a job whose record, or a ledger it needs, is leased or damaged.
BLOCKED_AGAIN: Final = timedelta(minutes=10)
#: Checks of one run, and how long it may take: the next run continues.
MOST_CHECKS: Final = 500
LONGEST_RUN: Final = timedelta(minutes=4)
#: An entry without a record belongs to a job that is being accepted, or whose process died. After
#: this time its message has come back, or was given up and published as rejected.
ORPHAN_AFTER: Final = timedelta(hours=3)
#: Jobs whose check failed, named in the report.
MOST_NAMED: Final = 5


async def sweep(world: World, configuration: Configuration) -> Report:
    """Check every open job that is due, within the limits of one run.

    A job that can't be checked now stays due, and the others are checked.
    """
    run = _SweepRun(world, configuration, world.clock.now())
    await run.move_due()
    await run.check_jobs()
    await run.reconcile()
    return run.report()


@dataclass(slots=True)
class _SweepRun:
    """One run of a sweep."""

    world: World
    configuration: Configuration
    began_at: datetime
    done: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    checks: int = 0

    async def move_due(self) -> None:
        """Move tasks that are due: no call may be running that would do it at its end."""
        try:
            self.done["moved"] += await self.world.tasks.move_due()
            self.done["moved"] += await self.world.tasks.empty_lanes()
        except Unavailable as error:
            self.failed["waiting tasks"] = str(error)

    async def check_jobs(self) -> None:
        async for entry in self.world.index.open_entries(due=self.began_at):
            late = self.world.clock.now() - self.began_at > LONGEST_RUN
            if late or self.checks >= MOST_CHECKS:
                self.done["left_for_the_next_run"] += 1
                return
            self.checks += 1
            try:
                await self.check(entry)
            except (Unavailable, UnreadableRecord, RecordGone) as error:
                self.failed[entry.entry.job_id] = str(error)
                if isinstance(error, BlobLeased | UnreadableRecord):
                    await self.postpone_blocked(entry)

    async def postpone_blocked(self, entry: OpenEntry) -> None:
        """Let a leased or damaged record, which stays so for long, take no checks from others."""
        with suppress(Unavailable):
            await self.world.index.postpone(entry, next_check_at=self.began_at + BLOCKED_AGAIN)

    async def reconcile(self) -> None:
        async for name, error in reconcile(self.world, self.configuration):
            if error:
                self.failed[name] = str(error)
            else:
                self.done["settled"] += 1

    async def check(self, entry: OpenEntry) -> None:
        """Continue or end the job of an entry; then close the entry, or set its next check."""
        source = self.configuration.settings.event_source
        try:
            stored = await self.world.records.read(entry.entry.job_id)
        except NewerRecord:
            raise
        except UnreadableRecord as error:
            await end_damaged(entry.entry, str(error), self.world, source=source)
            self.failed[entry.entry.job_id] = str(error)
            self.done["ended_damaged"] += 1
            return
        if stored is None or index_entry_of(stored.value).name != entry.entry.name:
            await self.drop_stale_entry(entry, stored)
            return
        self.done["events_sent"] += sum(each.sent_at is None for each in stored.value.outbox)
        stored = await publish_pending(stored, self.world, source=source)
        record = stored.value
        if record.state is JobState.RUNNING:
            await self.continue_job(record, entry)
        elif awaits_budget(record) and resumes_at(record) <= self.began_at:
            await change_job(record.job_id, resume, self.world, self.configuration)
            await self.world.index.remove(entry)  # of the past run
            self.done["resumed"] += 1
        elif record.review_by and record.review_by <= self.began_at:
            await change_job(record.job_id, expire_review, self.world, self.configuration)
            await self.world.index.remove(entry)  # of the past run
            self.done["reviews_expired"] += 1
        else:
            await update_index(record, self.world)
            self.done["closed"] += 1

    async def drop_stale_entry(self, entry: OpenEntry, stored: Versioned[JobRecord] | None) -> None:
        """Remove an entry of an earlier run, or one that got no record in `ORPHAN_AFTER`."""
        past = stored is not None and (
            index_entry_of(stored.value).place != entry.entry.place
            or stored.value.run > entry.entry.run
        )
        orphan_at = entry.entry.updated_at + ORPHAN_AFTER
        if past or self.began_at >= orphan_at:
            await self.world.index.remove(entry)
            self.done["entries_dropped"] += 1
        else:
            await self.world.index.postpone(entry, next_check_at=orphan_at)

    async def continue_job(self, record: JobRecord, entry: OpenEntry) -> None:
        """Continue the finish and the tasks of a running job, and set its next check."""
        due, now = entry.next_check_at, self.world.clock.now()
        if record.awaits_finish and is_message_lost(record.updated_at, due=due, now=now):
            await wake_finish(record, self.world, self.configuration)
            self.done["woken"] += 1
        for task in record.tasks:
            await self.continue_task(record, task, due)
        lifetime = self.configuration.settings.job_lifetime
        later = next_check_at(record, now=self.world.clock.now(), lifetime=lifetime)
        await self.world.index.postpone(entry, next_check_at=later)

    async def continue_task(self, record: JobRecord, task: TaskRecord, due: datetime) -> None:
        """End a task that died or is too late, or wake it if its message was lost."""
        message = task_message(record, task)
        now = self.world.clock.now()
        step = next_step(record, message, now=now, configuration=self.configuration)
        if isinstance(step, Resolve | GiveUp):
            await continue_task(message, self.world, self.configuration)
            self.done["resolved" if isinstance(step, Resolve) else "given_up"] += 1
        elif isinstance(step, TooEarly):
            return
        elif (
            task.state is TaskState.PENDING
            and is_message_lost(silent_since(record, task), due=due, now=now)
            and not await self.waits_in_line(record, task)
        ):
            await self.world.tasks.send(message, due=self.world.clock.now())
            self.done["woken"] += 1

    async def waits_in_line(self, record: JobRecord, task: TaskRecord) -> bool:
        """Tell whether the number of a task is yet to come, or has just passed: a slower line."""
        known = map(self.configuration.deployment, record.plans[task.part].deployments)
        ticket = task.ticket
        pool = next((each for each in known if each and ticket and each.pool == ticket.pool), None)
        if not ticket or not pool or not (ledger := await self.world.pools.look(pool.pool)):
            return False
        quota, now = Quota(rpm=pool.rpm or 0.0), self.world.clock.now()
        return now < find_call(ledger.pace, ticket, now=now, quota=quota) + IDLE

    def report(self) -> Report:
        what = What.SWEPT_IN_PART if self.failed else What.SWEPT
        facts: dict[str, Any] = {"checks": self.checks, **+self.done}
        if self.failed:
            facts["failed"] = dict([*self.failed.items()][:MOST_NAMED])
        return Report(what, None, facts)


def next_check_at(record: JobRecord, *, now: datetime, lifetime: timedelta) -> datetime:
    """Return when there may be something to do for a running job."""
    moments = [record.give_up_at(lifetime)]
    moments += [task.current.deadline_at for task in record.tasks if task.current]
    silences = [
        silent_since(record, task) for task in record.tasks if task.state is TaskState.PENDING
    ]
    if record.awaits_finish:
        silences.append(record.updated_at)
    for since in silences:
        idle = _idle(since, now)
        moments.append(since + (idle if now < since + idle else 2 * idle))
    return min(max(min(moments) + MARGIN, now + SHORTEST), now + LONGEST)


def silent_since(record: JobRecord, task: TaskRecord) -> datetime:
    """Return from when on a pending task's message counts as silent: not while it has to wait."""
    waits = (task.ticket and task.ticket.at, record.job.not_before)
    return max([record.updated_at, *(until for until in waits if until)])


def is_message_lost(since: datetime, *, due: datetime, now: datetime) -> bool:
    """Tell whether what is pending must be woken again: nothing has happened for long.

    `due` is the moment of this check: an alarm before it was handled by an earlier check.
    """
    idle = _idle(since, now)
    return now - since >= idle and since + idle + MARGIN >= due


def _idle(since: datetime, now: datetime) -> timedelta:
    """Return the longest of `IDLE`, doubled again and again, that has passed; at least `IDLE`."""
    idle = IDLE
    while since + 2 * idle <= now:
        idle *= 2
    return idle
