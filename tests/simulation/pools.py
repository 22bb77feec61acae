"""A discrete-event simulation of hosts that share a quota pool: pure, seeded, on a fake clock.

The service counts as the Foundry emulator does: a bucket as large as one slice of the minute, at
least one call, and a refused call counts as well. Messages wait on a queue that deals in whole
seconds and is polled; a call reaches the service some tens of milliseconds after its turn.
"""

import heapq
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

from shared.adapters.clock import SystemClock
from shared.limits.adaptive_rate import Quota
from shared.limits.pacing import (
    DEFAULT_SHARE,
    IN_PLACE,
    LONGEST_DELAY,
    CallTime,
    Pace,
    Postponed,
    Share,
    Ticket,
    apply_successes,
    apply_throttle,
    find_call,
    find_lead,
    give_tickets,
    is_still_valid,
    reserve,
    start_pace,
)
from shared.stores.waiting_tasks import EVERY, HANDOVER, NEXT_LOOK

START = datetime(2026, 11, 1, tzinfo=UTC)
#: Seconds from the start of an invocation in which it does not call.
GUARD = 4.0


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


@dataclass(slots=True)
class Service:
    """The endpoint's quota; `rpm` may be changed at any moment, unannounced."""

    rpm: float
    slice_seconds: float
    tokens: float | None = None
    filled_at: float = 0.0
    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def call(self, now: float) -> float | None:
        """Count a call; None when accepted, else the seconds of its `retry-after-ms`."""
        largest, rate = max(1.0, self.rpm * self.slice_seconds / 60), self.rpm / 60
        held = largest if self.tokens is None else self.tokens
        held = min(largest, held + (now - self.filled_at) * rate)
        left = max(held - 1, -largest)
        self.tokens, self.filled_at = left, now
        (self.accepted if held >= 1 else self.refused).append(now)
        return None if held >= 1 else math.ceil((1 - left) / rate * 1000) / 1000


@dataclass(slots=True)
class Message:
    number: int
    arrived: float
    dequeues: int = 0
    ticket: Ticket | None = None
    called: float | None = None
    share: Share = DEFAULT_SHARE
    #: Calls that the service had accepted when it arrived, and when it was called.
    calls_before: tuple[int, int] = (0, 0)


@dataclass(slots=True)
class Run:
    """A simulation and its result."""

    quota: Quota
    service: Service
    hosts: int
    slots: int
    seconds: float
    backlog: int
    seed: int = 1
    service_seconds: float = 45.0
    #: The lead of the settings, seconds.
    lead: float = 40.0
    changes: tuple[tuple[float, float], ...] = ()
    #: Seconds from a turn to its arrival at the service.
    latency: tuple[float, float] = (0.02, 0.06)
    #: Seconds until somebody looks at the queue after a message has come to light, at most.
    polling: float = 0.5
    #: How far the clock of each host is off, seconds; hosts without a number are right.
    skews: tuple[float, ...] = ()
    #: Hosts hear the time of storage with each request, as `adapters.clock` does.
    corrected: bool = True
    done: list[Message] = field(default_factory=list)
    busy: float = 0.0
    served: float = 0.0
    pace: Pace | None = None

    def go(self) -> "Run":
        World(self).run()
        return self

    def used(self, since: float, until: float, rpm: float) -> float:
        """Part of the quota that was used."""
        calls = sum(since <= when < until for when in self.service.accepted)
        return calls / (rpm * (until - since) / 60)

    def wasted(self, since: float = 0.0) -> float:
        """Calls answered 429, per call accepted."""
        accepted = sum(when >= since for when in self.service.accepted)
        return sum(when >= since for when in self.service.refused) / max(accepted, 1)

    def dequeues(self, since: float = 0.0) -> float:
        """Times that a message was taken off the queue, per call accepted."""
        counts = [each.dequeues for each in self.done if (each.called or 0.0) >= since]
        return sum(counts) / max(len(counts), 1)


class World:
    """The hosts, their queue and the ledger."""

    def __init__(self, run: Run) -> None:
        self.run_ = run
        self.random = random.Random(run.seed)  # noqa: S311 (a simulation)
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.command = 0
        self.visible: deque[Message] = deque()
        #: What is visible in the waiting queue.
        self.waiting: list[Message] = []
        self.free = [run.slots] * run.hosts
        self.pace = start_pace(run.quota, now=START)
        self.successes: list[list[datetime]] = [[] for _ in range(run.hosts)]
        self.messages = 0
        skews = (*run.skews, *[0.0] * (run.hosts - len(run.skews)))
        self.clocks = [SystemClock(partial(self.local, skew)) for skew in skews]

    def local(self, skew: float) -> datetime:
        return at(self.now + skew)

    def time_of(self, host: int) -> datetime:
        """The time of a host, which has just read the ledger."""
        clock = self.clocks[host]
        if self.run_.corrected:
            clock.observe(format_datetime(at(self.now), usegmt=True), sent_at=clock.now())
        return clock.now()

    def at(self, when: float, what: Callable[[], None]) -> None:
        self.command += 1
        heapq.heappush(self.events, (when, self.command, what))

    def run(self) -> None:
        run = self.run_
        self._begin()
        self._move()
        for when, rpm in run.changes:
            self.at(when, partial(setattr, run.service, "rpm", rpm))
        while self.events:
            when, _, what = heapq.heappop(self.events)
            if when > run.seconds:
                break
            self.now = when
            what()
        run.pace = self.pace

    def _begin(self) -> None:
        for _ in range(self.run_.backlog):
            self._arrive()

    def _arrive(self, share: Share = DEFAULT_SHARE) -> None:
        self.messages += 1
        message = Message(self.messages, self.now, share=share)
        message.calls_before = len(self.run_.service.accepted), 0
        self.pace, (message.ticket,) = give_tickets(
            self.pace, 1, now=at(self.now), quota=self.run_.quota, share=share
        )
        self._send(message)

    def _show(self, message: Message) -> None:
        self.visible.append(message)
        self.at(self.now, self._dequeue)

    def _dequeue(self) -> None:
        while self.visible and any(self.free):
            host = max(range(len(self.free)), key=self.free.__getitem__)
            self.free[host] -= 1
            message = self.visible.popleft()
            self.run_.busy += GUARD
            self.at(self.now + GUARD, partial(self._ask, message, host))

    def _ask(self, message: Message, host: int) -> None:
        run, now = self.run_, self.time_of(host)
        message.dequeues += 1
        if self.successes[host]:
            told, self.successes[host] = tuple(self.successes[host]), []
            self.pace = apply_successes(self.pace, quota=run.quota, called_at=told)
        self.pace, answer = reserve(
            self.pace, now=now, quota=run.quota, share=message.share, ticket=message.ticket
        )
        if isinstance(answer, Postponed):
            self._postpone(message, host, answer)
            return
        turn, asked = answer, self.now
        if not turn.wait:
            self._go(message, host, turn, asked)
        else:
            when = self.now + turn.wait.total_seconds()
            self.at(when, lambda: self._look_again(message, host, turn, asked))

    def _postpone(self, message: Message, host: int, answer: Postponed) -> None:
        message.ticket = answer.ticket
        if answer.delay <= IN_PLACE * self._find_lead():
            wait = answer.next_look.total_seconds()
            message.dequeues -= 1  # it asks again within the slot
            self.run_.busy += wait
            self.at(self.now + wait, partial(self._ask, message, host))
            return
        self._send(message)
        self._release(host)

    def _look_again(self, message: Message, host: int, turn: CallTime, asked: float) -> None:
        if is_still_valid(self.pace, turn):
            self._go(message, host, turn, asked)
            return
        self.run_.busy += self.now - asked
        message.ticket = turn.ticket
        message.dequeues -= 1  # it asks again within the slot
        self._ask(message, host)

    def _go(self, message: Message, host: int, turn: CallTime, asked: float) -> None:
        called = self.now + self.random.uniform(*self.run_.latency)
        self.at(called, lambda: self._call(message, host, turn, asked))

    def _call(self, message: Message, host: int, turn: CallTime, asked: float) -> None:
        run = self.run_
        refused = run.service.call(self.now)
        if refused is not None:
            self.pace = apply_throttle(
                self.pace,
                now=self.time_of(host),
                call_time=turn,
                retry_after=timedelta(seconds=refused),
            )
            message.ticket = turn.ticket
            self._show_after(message, refused)
            run.busy += self.now - asked
            self._release(host)
            return
        message.called = self.now
        message.calls_before = message.calls_before[0], len(run.service.accepted) - 1
        self._succeed()
        takes = min(max(self.random.lognormvariate(math.log(run.service_seconds), 0.5), 8), 180)
        run.served += takes
        run.busy += self.now + takes - asked
        self.at(self.now + takes, lambda: self._finish(message, host, turn))

    def _succeed(self) -> None:
        # One more arrives: the backlog stays as long as it was.
        self._arrive()

    def _finish(self, message: Message, host: int, turn: CallTime) -> None:
        self.run_.done.append(message)
        if turn.at_full_rate:
            self.successes[host].append(turn.at)
        self._release(host)

    def _send(self, message: Message) -> None:
        """Send a message to wait for the time of its ticket, as `stores.waiting_tasks` does."""
        assert message.ticket
        wait = message.ticket.at - at(self.now) - self._find_lead()
        if wait > HANDOVER:
            hidden = min(wait - HANDOVER, LONGEST_DELAY).total_seconds()
            self.at(self.now + math.ceil(hidden), partial(self.waiting.append, message))
        else:
            self._show_after(message, max(wait.total_seconds(), 0.0))

    def _find_lead(self) -> timedelta:
        return find_lead(self.pace.rate, timedelta(seconds=self.run_.lead))

    def _move(self) -> None:
        """Send what is due soon to the task queue, and the rest back."""
        taken, now = tuple(self.waiting), at(self.now)
        self.waiting.clear()
        for message in taken:
            assert message.ticket
            due = find_call(self.pace, message.ticket, now=now, quota=self.run_.quota)
            message.ticket = message.ticket.model_copy(update={"at": max(due, now)})
            wait = due - now - self._find_lead()
            if wait > HANDOVER + NEXT_LOOK:
                self._send(message)
            else:
                self._show_after(message, max(wait.total_seconds(), 0.0))
        self.at(self.now + EVERY.total_seconds(), self._move)

    def _show_after(self, message: Message, delay: float) -> None:
        seen = self.now + math.ceil(delay) + self.random.uniform(0.0, self.run_.polling)
        self.at(seen, partial(self._show, message))

    def _release(self, host: int) -> None:
        self.free[host] += 1
        self.at(self.now, self._dequeue)
