"""Flex Consumption, simulated in virtual time: queues, the scaler's votes, instances, drains.

The app's own code runs on it. What only Azure can tell is a field of `Platform`; the default is the
worse guess. Sources: `docs/scaling.md`.
"""

import asyncio
import heapq
import json
import math
import random
import selectors
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from shared.adapters.storage.queues import visibility
from shared.errors import Unavailable
from shared.ports import ReceivedMessage, SentMessage
from shared.stores.world import World

ROOT: Final = Path(__file__).parents[2]
_QUEUES: Final = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
#: A listener reads on so long after its instance began to drain.
READS_ON: Final = 0.5
#: The first pause of a listener that found nothing; it doubles up to `maxPollingInterval`.
FIRST_PAUSE: Final = 0.1


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on which waiting takes no time: when nobody can go on, the clock is moved."""

    def __init__(self) -> None:
        self.passed = 0.0
        super().__init__(_NeverWaits(self))

    def time(self) -> float:
        return self.passed


class _NeverWaits(selectors.DefaultSelector):
    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everybody waits for somebody else"
        self._loop.passed += timeout
        return super().select(0)


def seconds_now() -> float:
    """Return the seconds since the start."""
    return asyncio.get_running_loop().time()


class VirtualClock:
    """The clock of all processes."""

    def now(self) -> datetime:
        return START + timedelta(seconds=seconds_now())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Platform:
    """How the platform behaves; times in seconds."""

    #: The scaler counts hidden messages always, or (else) only while one is visible.
    counts_hidden: bool = False
    #: Between the vote for an instance and its first look at the queue.
    cold_start: tuple[float, float] = (10.0, 40.0)
    batch_size: int = _QUEUES["batchSize"]
    new_batch_threshold: int = _QUEUES["newBatchThreshold"]
    longest_pause: float = 5.0
    most_instances: int = 40
    #: Instances of each function of tasks that are never drained.
    always_ready: int = 0
    #: Between two votes; without an instance, up to three times as long.
    vote_every: float = 10.0
    #: Instances stay until all votes for so long were for fewer.
    keep: float = 30.0
    #: Invocations that are younger when their instance begins to drain are ended, 1 to 3 s after
    #: they began; their messages are visible again after `hidden_when_ended`.
    ended_young: float = 3.0
    hidden_when_ended: float = 30.0
    #: Of a request to storage.
    storage: tuple[float, float] = (0.005, 0.03)

    @property
    def calls_an_instance(self) -> int:
        """Messages that the scaler counts an instance for."""
        return self.batch_size + self.new_batch_threshold


@dataclass(slots=True)
class _Queue:
    """Messages by id: their body, and the receipt of their last reader."""

    messages: dict[str, tuple[str, str]] = field(default_factory=dict)
    visible: deque[str] = field(default_factory=deque)
    hidden: list[tuple[float, str, str]] = field(default_factory=list)

    def settle(self, now: float) -> None:
        """Show what is hidden no longer, and forget what was deleted."""
        while self.hidden and self.hidden[0][0] <= now:
            _, message_id, receipt = heapq.heappop(self.hidden)
            if self.messages.get(message_id, ("", ""))[1] == receipt:
                self.visible.append(message_id)
        while self.visible and self.visible[0] not in self.messages:
            self.visible.popleft()


@dataclass(slots=True)
class SimulatedQueues:
    """The queues of the account; requests are counted."""

    platform: Platform
    chance: random.Random
    #: By queue: the queue that gets the messages of a job instead.
    routes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _numbers: int = 0

    def queue(self, name: str) -> _Queue:
        """Return a queue as it is now."""
        queue = self._queues.setdefault(name, _Queue())
        queue.settle(seconds_now())
        return queue

    async def send(self, queue: str, body: bytes, *, delay: timedelta = timedelta()) -> SentMessage:
        await self._request("send", queue)
        self._numbers += 1
        message_id, receipt = f"m{self._numbers}", f"r{self._numbers}"
        if route := self.routes.get(queue):
            queue = route[json.loads(body)["job_id"]]
        there = self.queue(queue)
        there.messages[message_id] = (body.decode(), receipt)
        self._hide(there, message_id, visibility(delay))
        return SentMessage(message_id, VirtualClock().now(), receipt)

    async def oldest(self, queue: str) -> datetime | None:
        raise NotImplementedError(f"nobody asks how long the queue {queue!r} waits")

    async def peek(self, queue: str, *, limit: int) -> list[str]:
        await self._request("peek", queue)
        there = self.queue(queue)
        shown = [there.messages[each][0] for each in there.visible if each in there.messages]
        return shown[:limit]

    async def count(self, queue: str) -> int:
        await self._request("count", queue)
        return len(self.queue(queue).messages)

    async def receive(self, queue: str, *, limit: int, hidden: timedelta) -> list[ReceivedMessage]:
        await self._request("", queue)
        taken, there = list[ReceivedMessage](), self.queue(queue)
        while there.visible and len(taken) < limit:
            message_id = there.visible.popleft()
            if message_id not in there.messages:
                continue
            text, receipt = there.messages[message_id]
            there.messages[message_id] = text, receipt + "'"
            self._hide(there, message_id, hidden.total_seconds())
            until = VirtualClock().now() + hidden
            taken.append(ReceivedMessage(message_id, receipt + "'", text, until))
        self.requests["receive" if taken else "empty receive"] += 1
        return taken

    async def delete(self, queue: str, message: SentMessage | ReceivedMessage) -> None:
        await self._request("delete", queue)
        there = self.queue(queue)
        if there.messages.get(message.message_id, ("", ""))[1] == message.receipt:
            del there.messages[message.message_id]

    async def put_back(
        self, queue: str, message: ReceivedMessage, body: bytes, *, delay: timedelta = timedelta()
    ) -> None:
        await self._request("put back", queue)
        there = self.queue(queue)
        if there.messages.get(message.message_id, ("", ""))[1] == message.receipt:
            there.messages[message.message_id] = body.decode(), message.receipt + "'"
            self._hide(there, message.message_id, visibility(delay))

    def show_after(self, queue: str, message: ReceivedMessage, seconds: float) -> None:
        """Let a message that nobody has finished be visible again."""
        there = self.queue(queue)
        there.messages[message.message_id] = message.text, message.receipt + "~"
        self._hide(there, message.message_id, seconds)

    def _hide(self, queue: _Queue, message_id: str, seconds: float) -> None:
        entry = (seconds_now() + seconds, message_id, queue.messages[message_id][1])
        heapq.heappush(queue.hidden, entry)

    async def _request(self, operation: str, queue: str) -> None:
        await asyncio.sleep(self.chance.uniform(*self.platform.storage))
        if operation and not queue.endswith("-events"):
            self.requests[operation] += 1


#: Handles a message in a process.
type Work = Callable[[World, ReceivedMessage], Awaitable[None]]


@dataclass(slots=True, eq=False)
class Instance:
    """One process of one function."""

    function: "Function"
    is_always_ready: bool = False
    running: dict[asyncio.Task[None], float] = field(default_factory=dict)
    drained_at: float | None = None
    born: float = field(default_factory=seconds_now)
    busy_since: float = 0.0
    _room: asyncio.Event = field(default_factory=asyncio.Event)
    world: World = field(init=False)

    async def live(self) -> None:
        function, platform = self.function, self.function.platform
        if not self.is_always_ready:
            await asyncio.sleep(function.chance.uniform(*platform.cold_start))
        self.world, pause = function.open_world(), FIRST_PAUSE
        while self.drained_at is None or seconds_now() <= self.drained_at + READS_ON:
            if len(self.running) > platform.new_batch_threshold:
                self._room.clear()
                await self._room.wait()
                continue
            taken = await function.queues.receive(
                function.queue, limit=platform.batch_size, hidden=timedelta(days=1)
            )
            for message in taken:
                self._begin(message)
            if taken:
                pause = FIRST_PAUSE
                continue
            await asyncio.sleep(pause * function.chance.uniform(0.8, 1.2))
            pause = min(2 * pause, platform.longest_pause)

    def drain(self) -> None:
        """Read no more, end the youngest invocations, and let the others end."""
        self.drained_at, now = seconds_now(), seconds_now()
        for task, began in self.running.items():
            if now - began <= self.function.platform.ended_young:
                self._end_soon(task, began)

    def _begin(self, message: ReceivedMessage) -> None:
        now = seconds_now()
        if not self.running:
            self.busy_since = now
        task = asyncio.create_task(self._invoke(message))
        self.running[task] = now
        task.add_done_callback(self._ended)
        if self.drained_at is not None:
            self._end_soon(task, now)

    def _end_soon(self, task: asyncio.Task[None], began: float) -> None:
        when = began + self.function.chance.uniform(1.0, 3.0)
        asyncio.get_running_loop().call_at(when, task.cancel)

    async def _invoke(self, message: ReceivedMessage) -> None:
        function = self.function
        try:
            await function.work(self.world, message)
            await function.queues.delete(function.queue, message)
        except asyncio.CancelledError:
            function.ended += 1
        except Unavailable:
            function.failed += 1
        except Exception as error:  # noqa: BLE001 (raised by the run)
            function.errors.append(error)
        else:
            return
        hidden = function.platform.hidden_when_ended
        function.queues.show_after(function.queue, message, hidden)

    def _ended(self, task: asyncio.Task[None]) -> None:
        function = self.function
        del self.running[task]
        if not self.running and not self.is_always_ready:
            function.billed += max(1.0, seconds_now() - self.busy_since)
        if len(self.running) <= function.platform.new_batch_threshold:
            self._room.set()
        function.forget_drained()


@dataclass(slots=True, eq=False)
class Function:
    """A function of a queue, with the instances that the scaler gives it."""

    queue: str
    work: Work
    platform: Platform
    queues: SimulatedQueues
    open_world: Callable[[], World]
    chance: random.Random
    instances: list[Instance] = field(default_factory=list)
    #: Invocations that a drain has ended and that failed, instances that were started, and seconds
    #: billed.
    ended: int = 0
    failed: int = 0
    cold_starts: int = 0
    billed: float = 0.0
    #: Faults of the app's code.
    errors: list[Exception] = field(default_factory=list)
    #: The time and number of instances at each change.
    history: list[tuple[float, int]] = field(default_factory=list)
    _votes: deque[tuple[float, int]] = field(default_factory=deque)
    _lives: dict[Instance, asyncio.Task[Any]] = field(default_factory=dict)

    async def scale(self) -> None:
        """Vote, start and drain, again and again."""
        for _ in range(self.platform.always_ready):
            self._start(Instance(self, is_always_ready=True))
        await asyncio.sleep(self.chance.uniform(0, self.platform.vote_every))
        while True:
            self._follow(self._vote())
            every = self.platform.vote_every
            await asyncio.sleep(every if self._alive else self.chance.uniform(every, 3 * every))

    def forget_drained(self) -> None:
        """Forget instances that have drained."""
        gone = [
            each
            for each in self.instances
            if each.drained_at is not None
            and not each.running
            and seconds_now() > each.drained_at + READS_ON
        ]
        for instance in gone:
            self.instances.remove(instance)
            self._lives.pop(instance).cancel()
        if gone:
            self._note()

    @property
    def _alive(self) -> list[Instance]:
        return [each for each in self.instances if each.drained_at is None]

    def _vote(self) -> int:
        queue = self.queues.queue(self.queue)
        if not queue.visible and not self.platform.counts_hidden:
            return 0
        wanted = math.ceil(len(queue.messages) / self.platform.calls_an_instance)
        return min(wanted, self.platform.most_instances)

    def _follow(self, vote: int) -> None:
        now, platform = seconds_now(), self.platform
        self.forget_drained()
        self._votes.append((now, vote))
        while self._votes[0][0] < now - platform.keep + 1:
            self._votes.popleft()
        alive = self._alive
        for _ in range(vote - len(alive)):
            self.cold_starts += 1
            self._start(Instance(self))
        kept = max(platform.always_ready, *(each for _, each in self._votes))
        old = [
            each for each in alive if not each.is_always_ready and now - each.born >= platform.keep
        ]
        self.chance.shuffle(old)
        for instance in old[: max(len(alive) - kept, 0)]:
            instance.drain()
            asyncio.get_running_loop().call_later(READS_ON + 0.1, self.forget_drained)

    def _start(self, instance: Instance) -> None:
        self.instances.append(instance)
        self._lives[instance] = asyncio.create_task(instance.live())
        self._note()

    def _note(self) -> None:
        self.history.append((seconds_now(), len(self.instances)))

    def mean_instances(self, since: float, until: float) -> float:
        """Return how many instances there were on average between two times."""
        steps = pairwise([*self.history, (until, 0)])
        return sum(
            number * max(min(later, until) - max(when, since), 0.0)
            for (when, number), (later, _) in steps
        ) / max(until - since, 1.0)

    @property
    def most_instances(self) -> int:
        """Return the largest number of instances that there was."""
        return max((number for _, number in self.history), default=0)

    def bill(self, until: float) -> float:
        """Return the seconds billed until then."""
        under_way = sum(
            until - each.busy_since
            for each in self.instances
            if each.running and not each.is_always_ready
        )
        return self.billed + under_way + self.platform.always_ready * until
