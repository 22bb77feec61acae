"""One delivery of a task message: what it writes, sends and reports."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from ...config.settings import Configuration
from ...errors import (
    BlobLeased,
    NameTaken,
    StoreUnavailable,
    Superseded,
    Unavailable,
    UnreadableRecord,
)
from ...images_api.outcomes import OutcomeKind
from ...limits.circuit_breaker import NOTHING, CallFeedback
from ...limits.pacing import Ticket, is_same_place
from ...limits.pool_ledger import Alarm, CircuitOpen, Reservation
from ...ports import Report, StoredPicture, Versioned, What
from ...records.outcomes import FinishedCall, OnUnknown, apply_outcome
from ...records.record import Attempt, Failure, JobRecord, TaskState
from ...records.task_messages import MAX_HELD, TaskMessage
from ...records.transitions import OPEN, adopt, give_up, keep_ticket, park
from ...stores.world import World
from ...vocabulary import clip, picture_names, preview_name
from ..finishing import BLOB_AGAIN, wake_finish
from ..outbox import publish_pending
from .attempts import end_attempt, merge_pictures
from .call import CallResult
from .reservations import ASK_AGAIN, NO_MONEY, settle_budget

#: The wait before a task looks again whether storage takes pictures.
STORAGE_AGAIN: Final = timedelta(seconds=30)
#: A message comes back this long after the attempt it waits for must be over.
CHECK_AGAIN_MARGIN: Final = timedelta(seconds=2)
_TAKEN: Final = (
    "an earlier version of the app has stored {name!r}, and the record of that job is gone; use a "
    "new job_id, or move the blob away"
)


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One delivery of a task message, and what it needs to work on the task."""

    message: TaskMessage
    world: World
    configuration: Configuration

    async def wait_for_attempt(self, until: datetime) -> Report:
        """Put the message back until another process's attempt must be over."""
        wait = until - self.world.clock.now() + CHECK_AGAIN_MARGIN
        await self.wake(wait)
        return self.report(What.IN_PROGRESS, again_in_seconds=_seconds(wait))

    async def wait_until(self, until: datetime) -> Report:
        """Put the message back until the job's `not_before`."""
        wait = until - self.world.clock.now()
        await self.wake(wait)
        return self.report(What.WAITING, reason="not_before", again_in_seconds=_seconds(wait))

    async def wait_in_line(
        self, stored: Versioned[JobRecord], ticket: Ticket, until: datetime
    ) -> Report:
        """Put the message back until shortly before its ticket's call time, or until it is late."""
        record, index = stored.value, self.message.task
        if not is_same_place(record.tasks[index].ticket, ticket):
            await self.world.records.update(
                stored, lambda current: keep_ticket(current, index, ticket)
            )
        wait = until - self.world.clock.now()
        await self.wake(None if until >= ticket.at else wait, ticket=ticket)
        return self.report(What.POSTPONED, pool=ticket.pool, again_in_seconds=_seconds(wait))

    async def wait_for_circuit(self, circuit: CircuitOpen, until: datetime) -> Report:
        """Put the message back until a pool with an open circuit may be tried again."""
        wait = until - self.world.clock.now()
        why = f"the pool {circuit.pool} is {circuit.reason}: {circuit.message}"[:MAX_HELD]
        await self.wake(wait, ticket=self.message.ticket, held=why)
        return self.report(
            What.WAITING, pool=circuit.pool, reason=circuit.reason, again_in_seconds=_seconds(wait)
        )

    async def wait_for_storage(self, error: StoreUnavailable, until: datetime) -> Report:
        """Put the message back until storage may take pictures again: nothing is paid meanwhile."""
        alarms = await self.report_storage(str(error))
        why = f"storage takes no pictures: {error}"[:MAX_HELD]
        wait = min(until - self.world.clock.now(), STORAGE_AGAIN)
        await self.wake(wait, ticket=self.message.ticket, held=why)
        report = self.report(What.WAITING, reason="storage", again_in_seconds=_seconds(wait))
        return replace(report, alarms=alarms)

    async def wait_for_blob(self, error: BlobLeased | UnreadableRecord) -> Report:
        """Put the message back until an operator has broken a lease, or mended a ledger."""
        reason = "leased" if isinstance(error, BlobLeased) else "unreadable"
        await self.wake(BLOB_AGAIN, ticket=self.message.ticket, held=str(error)[:MAX_HELD])
        return self.report(
            What.WAITING, reason=reason, why=str(error), again_in_seconds=_seconds(BLOB_AGAIN)
        )

    async def report_storage(self, message: str) -> tuple[object, ...]:
        """Tell operators that storage takes no pictures, once until it does again.

        The alarm is logged even where the events' queue, which is in storage too, takes no event.
        """
        pictures, settings = self.world.pictures, self.configuration.settings
        if pictures.blocked:
            return ()
        pictures.blocked = True
        from ...events import cloud_events, data  # noqa: PLC0415 (rare: no call waits for it)

        alarm = data.StorageData(
            container=settings.images_container,
            message=clip(message),
            since=self.world.clock.now(),
        )
        event = cloud_events.storage_blocked(alarm, source=settings.event_source)
        with suppress(Unavailable):
            await self.world.publisher.publish(event, reply_to=None)
        return (alarm,)

    async def wait_for_budget(self) -> Report:
        """Put the message back until calls under way have settled their reservations."""
        await self.wake(ASK_AGAIN, held=NO_MONEY)
        return self.report(What.WAITING, reason="budget", again_in_seconds=_seconds(ASK_AGAIN))

    async def wait_for_replies(self, reservation: Reservation) -> Report:
        """Put the message back while too many calls of its pool wait for their replies."""
        await self.wake(ASK_AGAIN, ticket=reservation.call_time.ticket)
        return self.report(
            What.WAITING,
            pool=reservation.pool,
            reason="no_reply",
            again_in_seconds=_seconds(ASK_AGAIN),
        )

    def ticket_of(self, record: JobRecord) -> Ticket | None:
        """Return the place in line: the message's, or the record's for a first call."""
        task = record.tasks[self.message.task]
        return self.message.ticket or (None if task.claims else task.ticket)

    def on_unknown(self, record: JobRecord) -> OnUnknown:
        """Return what the job does after an unknown outcome."""
        return record.job.on_unknown or self.configuration.settings.on_unknown_outcome

    async def fail(self, stored: Versioned[JobRecord], failure: Failure) -> Report:
        """Fail the task without a call, unless it has ended, and publish the job's events."""
        index = self.message.task

        def step(record: JobRecord) -> JobRecord:
            if record.tasks[index].state not in OPEN:
                return record
            return give_up(record, index, failure, now=self.world.clock.now())

        return await self._end(step, stored, failure)

    async def park(self, stored: Versioned[JobRecord], failure: Failure) -> Report:
        """Park the task without a call, if it is still pending, and publish the job's events."""
        index = self.message.task

        def step(record: JobRecord) -> JobRecord:
            if record.tasks[index].state is not TaskState.PENDING:
                return record
            return park(record, index, failure, now=self.world.clock.now())

        return await self._end(step, stored, failure)

    async def _end(
        self,
        step: Callable[[JobRecord], JobRecord],
        stored: Versioned[JobRecord],
        failure: Failure,
    ) -> Report:
        stored = await self.world.records.update(stored, step)
        await self.publish_pending(stored)
        state = stored.value.tasks[self.message.task].state
        return self.report(What[state.name], code=failure.code, why=failure.message)

    async def apply_outcome(
        self,
        stored: Versioned[JobRecord],
        attempt: Attempt,
        result: CallResult,
        reservation: Reservation | None = None,
    ) -> Report:
        """Write the result of an attempt, wake the task if it continues, and publish events."""
        record, index = stored.value, self.message.task
        found = await self._complete(record, result)
        await self._remove_previews(record)
        finished = FinishedCall(
            end_attempt(
                record, index, attempt, result, self.configuration, now=self.world.clock.now()
            ),
            result.outcome,
            merge_pictures(
                record, index, found, container=self.configuration.settings.images_container
            ),
        )
        on_unknown = self.on_unknown(record)
        wake_after: timedelta | None = None

        def step(current: JobRecord) -> JobRecord:
            nonlocal wake_after
            transition = apply_outcome(
                current, index, finished, on_unknown=on_unknown, now=self.world.clock.now()
            )
            wake_after = transition.wake_after
            return transition.record

        facts = _facts(finished.attempt, len(result.stored))
        facts["tenant"] = self.configuration.settings.find_tenant(record.job.tenant).name
        try:
            stored = await self.world.records.update(stored, step)
        except Superseded:
            return self.report(What.SUPERSEDED, **facts)
        await settle_budget(finished.attempt, self.world)
        if wake_after is not None:
            # A throttled call keeps its place in line, so it is due as soon as it comes back.
            throttled = result.outcome.kind is OutcomeKind.THROTTLED
            ticket = reservation.call_time.ticket if reservation and throttled else None
            await self.wake(wake_after, ticket=ticket)
            facts["again_in_seconds"] = _seconds(wake_after)
        await self.publish_pending(stored)
        report = self.report(What[stored.value.tasks[index].state.name], **facts)
        if result.outcome.kind is OutcomeKind.NOT_STORED:
            return replace(report, alarms=await self.report_storage(result.outcome.message))
        return report

    async def report_to_pool(
        self, reservation: Reservation, feedback: CallFeedback
    ) -> tuple[Alarm, ...]:
        """Report a call to its pool; publish and return the alarms that this raises.

        A stop after the event and before the note of it repeats the event, with the same id.
        """
        alarms = await self.world.pools.report(reservation, feedback)
        for alarm in alarms:
            from ...events.cloud_events import alarm_event  # noqa: PLC0415 (rare: no call waits for it)

            event = alarm_event(alarm, source=self.configuration.settings.event_source)
            await self.world.publisher.publish(event, reply_to=None)
        if alarms:
            await self.world.pools.mark_sent(reservation.pool, alarms)
        return alarms

    async def release(self, reservation: Reservation | None) -> None:
        """Return a reservation that is not used: a probe's must not keep the pool waiting."""
        if reservation and reservation.probe:
            await self.report_to_pool(reservation, NOTHING)

    async def publish_pending(self, stored: Versioned[JobRecord]) -> None:
        """Start the finish of the originals if that is next, and publish the pending events."""
        await wake_finish(stored.value, self.world, self.configuration)
        await publish_pending(stored, self.world, source=self.configuration.settings.event_source)

    async def wake(
        self,
        delay: timedelta | None,
        *,
        ticket: Ticket | None = None,
        held: str | None = None,
    ) -> None:
        """Send a copy of the message, for after `delay` or, without one, for its ticket's time.

        The platform's dequeue count starts anew.
        """
        copy = self.message.model_copy(update={"ticket": ticket, "held": held})
        due = None if delay is None else self.world.clock.now() + delay
        await self.world.tasks.send(copy, due=due)

    def report(self, what: What, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
        """Return the report of this delivery."""
        return Report(what, self.message.job_id, {"task": self.message.task, **facts})

    async def find_pictures(self, record: JobRecord) -> dict[int, StoredPicture]:
        """Return the missing pictures of the task that storage holds, by index within the task.

        Raises `StoreUnavailable`, or `NameTaken` if a name is that of a blob of another job.
        """
        task = record.tasks[self.message.task]
        found: dict[int, StoredPicture] = {}
        for slot in task.missing:
            # A call that was made may have been answered with pictures of another type.
            names = picture_names(slot.blob) if task.claims else (slot.blob,)
            for name in names:
                if picture := await self.world.pictures.find(name, record.labels):
                    if not task.claims and "fingerprint" not in picture.labels:
                        raise NameTaken(_TAKEN.format(name=name))
                    found[slot.index] = picture
                    break
        return found

    async def adopt(
        self, stored: Versioned[JobRecord], found: Mapping[int, StoredPicture]
    ) -> Versioned[JobRecord]:
        """Put pictures that were found into the record, unless the task is taken or has ended."""
        container = self.configuration.settings.images_container

        def step(record: JobRecord) -> JobRecord:
            index = self.message.task
            if record.tasks[index].state is not TaskState.PENDING:
                return record
            pictures = merge_pictures(record, index, found, container=container)
            return adopt(record, index, pictures, now=self.world.clock.now())

        return await self.world.records.update(stored, step)

    async def _remove_previews(self, record: JobRecord) -> None:
        """Delete the previews of an attempt that has ended."""
        task = record.tasks[self.message.task]
        for slot in task.missing if record.plans[task.part].previews else ():
            # One that stays is shown to nobody; it must not cost what the call has made.
            with suppress(StoreUnavailable):
                await self.world.pictures.remove(preview_name(slot.blob))

    async def _complete(self, record: JobRecord, result: CallResult) -> dict[int, StoredPicture]:
        """Return the call's stored pictures; after a lost result, with those that storage holds."""
        found, kind = dict(result.stored), result.outcome.kind
        if kind not in {OutcomeKind.UNKNOWN, OutcomeKind.NOT_STORED}:
            return found
        try:
            return await self.find_pictures(record) | found
        except NameTaken:
            return found
        except StoreUnavailable:
            if kind is OutcomeKind.UNKNOWN:
                raise
            return found


def _facts(attempt: Attempt, pictures: int) -> dict[str, Any]:
    """Return the facts of a call that operators need."""
    ended_at = attempt.ended_at or attempt.started_at
    ignored = {"usage_ignored": attempt.usage_ignored} if attempt.usage_ignored else {}
    return {
        "attempt": attempt.token,
        "deployment": attempt.deployment,
        "outcome": attempt.kind,
        "code": attempt.code,
        "request_id": attempt.request_id,
        "pictures": pictures,
        "cost_usd": attempt.cost_usd,
        "cost_usd_at_most": attempt.cost_usd_at_most,
        "seconds": round((ended_at - attempt.started_at).total_seconds(), 2),
        **ignored,
    }


def _seconds(duration: timedelta) -> float:
    return round(duration.total_seconds(), 1)
