"""A task that a message has wakened: what is written and said about it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from ...config.settings import Configuration
from ...errors import Superseded
from ...images_api.outcomes import OutcomeKind
from ...limits.circuit_breaker import NOTHING, CallFeedback
from ...limits.pacing import Ticket
from ...limits.pool_ledger import Alarm, CircuitOpen, Reservation
from ...ports import Report, StoredPicture, Versioned
from ...records.outcomes import FinishedCall, apply_outcome
from ...records.record import Attempt, Failure, JobRecord, TaskState
from ...records.task_messages import TaskMessage
from ...records.transitions import OPEN, give_up, park
from ...stores.world import World
from ..finishing import wake_finish
from ..outbox import publish_pending
from .attempts import ended_attempt, pictures_of
from .call import CallResult
from .reservations import ASK_AGAIN, NO_MONEY, settle_budget

#: A delayed copy of a message comes back this long after the attempt it waits for must be dead.
LOOK_AGAIN_MARGIN: Final = timedelta(seconds=2)
#: What a message says of why it waits.
MAX_HELD: Final = 400


@dataclass(frozen=True, slots=True)
class TaskRun:
    """A task, the message that has wakened it, and what it takes to work on it."""

    message: TaskMessage
    world: World
    configuration: Configuration

    async def leave_alone(self, record: JobRecord, until: datetime) -> Report:
        """Look again when a live attempt must be dead."""
        wait = until - self.world.clock.now() + LOOK_AGAIN_MARGIN
        await self.wake(record, wait)
        return self.report("left_alone", again_in_seconds=_seconds(wait))

    async def wait(self, record: JobRecord, place: Ticket, until: datetime) -> Report:
        """Go away until shortly before a turn."""
        wait = until - self.world.clock.now()
        await self.wake(record, wait, ticket=place)
        return self.report("postponed", pool=place.pool, again_in_seconds=_seconds(wait))

    async def hold(self, record: JobRecord, held: CircuitOpen, until: datetime) -> Report:
        """Go away until a pool that can't be called may be tried again."""
        wait = until - self.world.clock.now()
        why = f"the pool {held.pool} is {held.reason}: {held.message}"[:MAX_HELD]
        await self.wake(record, wait, ticket=self.message.ticket, held=why)
        return self.report(
            "held", pool=held.pool, reason=held.reason, again_in_seconds=_seconds(wait)
        )

    async def wait_for_money(self, record: JobRecord) -> Report:
        """Go away until calls under way have settled what was set aside for them."""
        await self.wake(record, ASK_AGAIN, held=NO_MONEY)
        return self.report("held", reason="budget", again_in_seconds=_seconds(ASK_AGAIN))

    async def fail(self, stored: Versioned[JobRecord], failure: Failure) -> Report:
        """End the task without a call, unless it has ended already, and tell the world."""
        index = self.message.task

        def step(record: JobRecord) -> JobRecord:
            if record.tasks[index].state not in OPEN:
                return record
            return give_up(record, index, failure, now=self.world.clock.now())

        return await self._end(step, stored, failure)

    async def park(self, stored: Versioned[JobRecord], failure: Failure) -> Report:
        """Park the task without a call, unless somebody has taken it up, and tell the world."""
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
        return self.report(state, code=failure.code, why=failure.message)

    async def apply_outcome(
        self,
        stored: Versioned[JobRecord],
        attempt: Attempt,
        result: CallResult,
        reservation: Reservation | None = None,
    ) -> Report:
        """Write the result of an attempt, wake the task again if it must be, tell the world."""
        record, index = stored.value, self.message.task
        found = await self._look_for(record, result)
        came_to = FinishedCall(
            ended_attempt(
                record, index, attempt, result, self.configuration, now=self.world.clock.now()
            ),
            result.outcome,
            pictures_of(
                record, index, found, container=self.configuration.settings.images_container
            ),
        )
        on_unknown = record.job.on_unknown or self.configuration.settings.on_unknown_outcome
        wake_after: timedelta | None = None

        def step(current: JobRecord) -> JobRecord:
            nonlocal wake_after
            transition = apply_outcome(
                current, index, came_to, on_unknown=on_unknown, now=self.world.clock.now()
            )
            wake_after = transition.wake_after
            return transition.record

        facts = _facts(came_to.attempt, len(result.stored))
        try:
            stored = await self.world.records.update(stored, step)
        except Superseded:
            return self.report("superseded", **facts)
        await settle_budget(came_to.attempt, self.world)
        if wake_after is not None:
            # Whoever was refused by the counter is due at once when it comes back.
            refused = reservation and result.outcome.kind is OutcomeKind.THROTTLED
            place = reservation.turn.ticket if reservation and refused else None
            await self.wake(stored.value, wake_after, ticket=place)
            facts["again_in_seconds"] = _seconds(wake_after)
        await self.publish_pending(stored)
        return self.report(stored.value.tasks[index].state, **facts)

    async def tell(self, reservation: Reservation, finding: CallFeedback) -> tuple[Alarm, ...]:
        """Tell the pool what came of a turn, and operators what the pool owes them; return that.

        A stop after the event and before the note of it repeats the event, with the same id.
        """
        alarms = await self.world.pools.report(reservation, finding)
        for alarm in alarms:
            from ...events.cloud_events import alarm_event  # noqa: PLC0415 (rare: no call waits for it)

            event = alarm_event(alarm, source=self.configuration.settings.event_source)
            await self.world.publisher.publish(event, reply_to=None)
        if alarms:
            await self.world.pools.mark_sent(reservation.pool, alarms)
        return alarms

    async def release(self, reservation: Reservation | None) -> None:
        """Give up a turn that will not be used: a probe's must not keep the pool waiting."""
        if reservation and reservation.probe:
            await self.tell(reservation, NOTHING)

    async def publish_pending(self, stored: Versioned[JobRecord]) -> None:
        """Bring about what comes next: the finish of the originals, or the news of the end."""
        await wake_finish(stored.value, self.world, self.configuration)
        await publish_pending(stored, self.world, source=self.configuration.settings.event_source)

    async def wake(
        self,
        record: JobRecord,
        delay: timedelta,
        *,
        ticket: Ticket | None = None,
        held: str | None = None,
    ) -> None:
        """Send a copy of the message back to its lane; the platform's dequeue count starts anew."""
        part = record.tasks[self.message.task].part
        queue = self.configuration.settings.lanes[record.plans[part].lane]
        copy = self.message.model_copy(update={"ticket": ticket, "held": held})
        await self.world.queues.send(queue, copy.to_bytes(), delay=max(delay, timedelta()))

    def report(self, what: str, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
        """Return what is logged of this piece of work."""
        return Report(what, self.message.job_id, {"task": self.message.task, **facts})

    async def _look_for(self, record: JobRecord, result: CallResult) -> dict[int, StoredPicture]:
        """Return the pictures that are stored; after an unknown outcome, whoever stored them."""
        found = dict(result.stored)
        if result.outcome.kind is OutcomeKind.UNKNOWN:
            for number, blob in enumerate(record.tasks[self.message.task].blobs):
                if number not in found and (picture := await self.world.pictures.find(blob)):
                    found[number] = picture
        return found


def _facts(attempt: Attempt, pictures: int) -> dict[str, Any]:
    """Return what an operator looks for after a call."""
    ended_at = attempt.ended_at or attempt.started_at
    return {
        "attempt": attempt.token,
        "deployment": attempt.deployment,
        "outcome": attempt.kind,
        "code": attempt.code,
        "request_id": attempt.request_id,
        "pictures": pictures,
        "cost_usd": attempt.cost_usd,
        "seconds": round((ended_at - attempt.started_at).total_seconds(), 2),
    }


def _seconds(duration: timedelta) -> float:
    return round(duration.total_seconds(), 1)
