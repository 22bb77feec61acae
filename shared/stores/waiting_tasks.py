"""Where tasks wait: far from their time in a queue without a trigger, near it on the tasks queue.

The platform starts instances for every message of the tasks queue, the hidden ones included. So a
task that has long to wait lies in the waiting queue, and `move_due` sends it to the tasks queue
shortly before its time. It sends before it deletes: a process that dies in between leaves a second
copy, which finds its task taken.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from ..config.settings import FORMER_LANES, Settings
from ..errors import MalformedMessage, StoreUnavailable
from ..limits.adaptive_rate import Quota
from ..limits.pacing import LEAD, LONGEST_DELAY, Ticket, find_call
from ..ports import Clock, Queues, ReceivedMessage
from ..records.task_messages import TaskMessage, read_task
from .ledgers import PoolLedgers

#: A task with a ticket is delivered so long before its call, as long as `LEAD_CALLS` take, but at
#: most `LONGEST_LEAD`: where calls are rare, the platform takes the instance away meanwhile, looks
#: 30 s later and starts another one in up to 40 s (docs/decisions/0018).
LEAD_CALLS: Final = 12
LONGEST_LEAD: Final = timedelta(seconds=75)
#: A task that is due later than `AHEAD`, or delivered later than `HANDOVER`, waits in the waiting
#: queue and is visible there so long before.
AHEAD: Final = timedelta(seconds=55)
HANDOVER: Final = timedelta(seconds=15)
#: What is visible and so much too early, because its line has slowed down, is moved nevertheless:
#: the next look comes within this time while calls run. More would ask for instances too early.
NEXT_LOOK: Final = timedelta(seconds=20)
#: What is at most so much too early is left until it is seen again, if that is in time.
LEFT: Final = timedelta(minutes=5)
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
        time = message.due or (message.ticket.at if message.ticket else None)
        return max(self._clock.now() - (time - AHEAD), timedelta()) if time else timedelta()

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
                done = await self._move(each)
                moved += done == "moved"
                if done != "left":
                    await self._queues.delete(self._waiting, each)
            if len(taken) < _PAGE:
                break
        return moved

    async def take(self) -> list[ReceivedMessage]:
        """Take the next visible messages from the waiting queue, hidden from others meanwhile."""
        return await self._receive(self._waiting)

    async def empty_lanes(self) -> int:
        """Move what is visible on the lanes of the version before; return how many were moved.

        Poison messages of a lane become poison messages of the tasks queue. Raises `Unavailable`.
        A lane that can't be read is not read again by this process: an app that began with this
        version has none, and its storage answers 404, or 403 where roles are per queue. The records
        wake the tasks of a message that stays there.
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
        except StoreUnavailable:
            self._former.pop(lane, None)  # a sweep beside this one may have done so
            return 0
        for each in taken:
            await self._queues.send(queue, each.text.encode())
            await self._queues.delete(lane, each)
        return len(taken)

    async def _receive(self, queue: str) -> list[ReceivedMessage]:
        return await self._queues.receive(queue, limit=_PAGE, hidden=_HIDDEN)

    async def _move(self, received: ReceivedMessage) -> Literal["moved", "sent back", "left"]:
        """Send a copy to the tasks queue, or back to wait, or leave the message where it is."""
        try:
            message = read_task(received.text.encode())
        except MalformedMessage:
            # Of no use here; there the platform sets it aside as poison, and people see it.
            await self._queues.send(self._tasks, received.text.encode())
            return "moved"
        now, due = self._clock.now(), message.due
        if due is None and message.ticket:
            at = await self._find_call(message.ticket, now)
            ticket = message.ticket.model_copy(update={"at": at})
            message = message.model_copy(update={"ticket": ticket})
        visible_at, early = self._plan(message, due, now)
        if _HIDDEN - HANDOVER + EVERY <= early <= LEFT:
            return "left"
        if early > NEXT_LOOK:
            await self.send(message, due=due)
            return "sent back"
        await self._send_near(message, visible_at, now)
        return "moved"

    def _plan(
        self, message: TaskMessage, due: datetime | None, now: datetime
    ) -> tuple[datetime, timedelta]:
        """Return when a task is to be delivered, and how long before it has to wait until then."""
        if due or not message.ticket:
            visible_at = due or now
            return visible_at, visible_at - now - AHEAD
        ledger = self._pools.last_seen(message.ticket.pool)
        spacing = ledger.pace.rate.spacing if ledger else timedelta()
        lead = min(max(LEAD, LEAD_CALLS * spacing), LONGEST_LEAD)
        return message.ticket.at - lead, message.ticket.at - now - max(AHEAD, lead + HANDOVER)

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
