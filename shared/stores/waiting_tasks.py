"""Where tasks wait: far from their time in a queue without a trigger, near it on the tasks queue.

The platform starts instances for every message of the tasks queue, the hidden ones included. So a
task that has long to wait lies in the waiting queue, and `move_due` sends it to the tasks queue
shortly before its time. It sends before it deletes: a process that dies in between leaves a second
copy, which finds its task taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ..config.settings import FORMER_LANES, Settings
from ..errors import MalformedMessage, NoSuchQueue, StoreUnavailable
from ..limits.adaptive_rate import Quota
from ..limits.pacing import IN_PLACE, LONGEST_DELAY, Postponed, Ticket, find_call, find_lead
from ..ports import Clock, Queues, ReceivedMessage
from ..records.task_messages import TaskMessage, read_task
from .ledgers import PoolLedgers

#: A task that is due later than `AHEAD`, or with a ticket delivered later than `HANDOVER`, waits in
#: the waiting queue and is visible there so long before.
AHEAD: Final = timedelta(seconds=55)
HANDOVER: Final = timedelta(seconds=15)
#: What is visible and so much too early, because its line has slowed down, is moved nevertheless:
#: the next look comes within this time while calls run. More would ask for instances too early.
NEXT_LOOK: Final = timedelta(seconds=20)
#: A process looks for what is due at most this often.
EVERY: Final = timedelta(seconds=5)
#: Messages taken at a time, as many as a queue gives, and how long they are hidden meanwhile.
_PAGE: Final = 32
_HIDDEN: Final = timedelta(seconds=60)
#: Pages of one look: the next look continues.
_MOST_PAGES: Final = 30


@dataclass(frozen=True, slots=True)
class WaitingState:
    """How many tasks are in the waiting queue, and the most that one should have left it before."""

    count: int
    late: timedelta


class WaitingTasks:
    """The tasks queue and the waiting queue, by one rule."""

    def __init__(
        self, queues: Queues, pools: PoolLedgers, clock: Clock, settings: Settings
    ) -> None:
        self._queues = queues
        self._pools = pools
        self._clock = clock
        self._tasks = settings.tasks_queue
        self._waiting = settings.waiting_queue
        self._lead = settings.lead
        self._moved_at: datetime | None = None
        #: Queues of the version before, and where their messages go.
        self._former = {
            f"{lane}{kind}": f"{self._tasks}{kind}"
            for lane in FORMER_LANES
            for kind in ("", "-poison")
        }

    async def send(self, message: TaskMessage, *, due: datetime | None = None) -> None:
        """Send a task to work on at `due`; without it at its ticket's time, else at once.

        A task with a ticket alone is delivered before its time, to wait in its place.
        """
        now = self._clock.now()
        visible_at, early = self._plan(message, due, now)
        if early > timedelta():
            kept = message.model_copy(update={"due": due})
            delay = min(early, LONGEST_DELAY)
            await self._queues.send(self._waiting, kept.to_bytes(), delay=delay)
        else:
            await self._send_near(message, visible_at, now)

    async def look(self) -> WaitingState:
        """Count the waiting tasks, and look at the first that should have left."""
        first = await self._queues.peek(self._waiting, limit=_PAGE)
        return WaitingState(await self._queues.count(self._waiting), self.find_lateness(first))

    def find_lateness(self, texts: Iterable[str]) -> timedelta:
        """Return the most that one of these messages should have left the waiting queue before."""
        return max(map(self._lateness, texts), default=timedelta())

    def _lateness(self, text: str) -> timedelta:
        try:
            message = read_task(text.encode())
        except MalformedMessage:
            return timedelta()
        _, early = self._plan(message, message.due, self._clock.now())
        return max(-early, timedelta()) if message.due or message.ticket else timedelta()

    async def move_due(self) -> int:
        """Send what is due soon to the tasks queue; return how many were moved.

        It looks at most every `EVERY` in one process. Raises `Unavailable`; what was taken and not
        moved is seen again a minute later.
        """
        now = self._clock.now()
        if self._moved_at and timedelta() <= now - self._moved_at < EVERY:
            return 0
        self._moved_at, moved = now, 0
        for _ in range(_MOST_PAGES):
            taken = await self.take()
            for each in taken:
                if await self._move(each):
                    await self._queues.delete(self._waiting, each)
                    moved += 1
            if len(taken) < _PAGE:
                break
        return moved

    async def take(self) -> list[ReceivedMessage]:
        """Take the next visible messages from the waiting queue, hidden from others meanwhile."""
        return await self._receive(self._waiting)

    async def empty_lanes(self) -> int:
        """Move what is visible on the lanes of the version before; return how many were moved.

        Poison messages of a lane become poison messages of the tasks queue. Raises `Unavailable`.
        A lane that does not exist is not read again by this process: an app that began with this
        version has none. The records wake the tasks of a message that stays on another one.
        """
        moved = 0
        for lane, queue in [*self._former.items()]:
            for _ in range(_MOST_PAGES):
                found = await self._move_page(lane, queue)
                moved += found
                if found < _PAGE:
                    break
        return moved

    async def _move_page(self, lane: str, queue: str) -> int:
        try:
            taken = await self._receive(lane)
        except NoSuchQueue:
            self._former.pop(lane, None)  # a sweep beside this one may have done so
            return 0
        except StoreUnavailable:
            return 0  # the next sweep reads it
        for each in taken:
            await self._queues.send(queue, each.text.encode())
            await self._queues.delete(lane, each)
        return len(taken)

    async def _receive(self, queue: str) -> list[ReceivedMessage]:
        return await self._queues.receive(queue, limit=_PAGE, hidden=_HIDDEN)

    async def _move(self, received: ReceivedMessage) -> bool:
        """Send a copy to the tasks queue, or let the message wait on; tell whether it was sent."""
        try:
            message = read_task(received.text.encode())
        except MalformedMessage:
            # Of no use here; there the platform sets it aside as poison, and people see it.
            await self._queues.send(self._tasks, received.text.encode())
            return True
        now, due = self._clock.now(), message.due
        if due is None and message.ticket:
            at = await self._find_call(message.ticket, now)
            ticket = message.ticket.model_copy(update={"at": at})
            message = message.model_copy(update={"ticket": ticket})
        visible_at, early = self._plan(message, due, now)
        if early > NEXT_LOOK:
            delay = min(early, LONGEST_DELAY)
            await self._queues.put_back(self._waiting, received, message.to_bytes(), delay=delay)
            return False
        await self._send_near(message, visible_at, now)
        return True

    def _plan(
        self, message: TaskMessage, due: datetime | None, now: datetime
    ) -> tuple[datetime, timedelta]:
        """Return when a task is to be delivered, and how long before it has to wait until then."""
        if due or not message.ticket:
            visible_at = due or now
            return visible_at, visible_at - now - AHEAD
        visible_at = message.ticket.at - self._find_lead(message.ticket)
        return visible_at, visible_at - now - HANDOVER

    def keeps(self, postponed: Postponed) -> bool:
        """Return whether a task that has come waits in its invocation, and not in a queue."""
        return postponed.delay <= IN_PLACE * self._find_lead(postponed.ticket)

    def _find_lead(self, ticket: Ticket) -> timedelta:
        ledger = self._pools.last_seen(ticket.pool)
        return find_lead(ledger.pace.rate if ledger else None, self._lead)

    async def _send_near(self, message: TaskMessage, visible_at: datetime, now: datetime) -> None:
        body = message.model_copy(update={"due": None}).to_bytes()
        await self._queues.send(self._tasks, body, delay=max(visible_at - now, timedelta()))

    async def _find_call(self, ticket: Ticket, now: datetime) -> datetime:
        """Return when a ticket is due as its line is now: a 429 or a new rate has moved it."""
        ledger = await self._pools.look(ticket.pool)
        if ledger is None:
            return now
        quota = Quota(rpm=ledger.pace.rate.configured)
        return max(find_call(ledger.pace, ticket, now=now, quota=quota), now)
