"""Tenants that share a quota pool, simulated: who gets how many calls, and when.

`python -m tests.simulation.tenants 4` prints the table of `docs/sharing.md` for 4 hosts.
"""

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shared.limits.adaptive_rate import Quota
from shared.limits.pacing import Postponed, Share, Ticket, locate
from tests.simulation.pools import Message, Run, Service, World, at

#: Seconds of a call; whatever they are, the quota counts calls.
CALL_SECONDS: Final = 20.0
#: Seconds until a ticket is due from which on its message waits in the waiting queue, between two
#: looks of the mover, and in which it moves what is due.
WAITING_QUEUE: Final = 55.0
MOVER_PERIOD: Final = 5.0


@dataclass(slots=True)
class SharedRun(Run):
    """A run with the jobs of several tenants, each with the time of its arrival."""

    jobs: Sequence[tuple[float, Share]] = ()
    #: Share of the messages that are lost when they are put back.
    lost: float = 0.0
    #: A tenant whose messages all vanish at a time.
    vanishes: tuple[str, float] | None = None
    #: Seconds before its time that a message is visible; None: as the ledger says.
    lead: float | None = None
    #: Seconds that a message waits in place, without a reservation, before it is put back.
    hold: float = 0.0
    #: What waits long is in a queue that a mover looks through.
    mover: bool = False
    everyone: list[Message] = field(default_factory=list)
    bytes: int = 0
    flows: int = 0

    def go(self) -> "SharedRun":
        SharedWorld(self).run()
        return self


class SharedWorld(World):
    """The hosts of a shared run."""

    run_: SharedRun

    def __init__(self, run: SharedRun) -> None:
        super().__init__(run)
        self.waiting: list[Message] = []

    def _begin(self) -> None:
        for when, share in self.run_.jobs:
            self.at(when, partial(self._arrive, share))
        if self.run_.mover:
            self.at(MOVER_PERIOD, self._move)

    def _succeed(self) -> None:
        """No other job arrives for it."""

    def _show(self, message: Message) -> None:
        if message.number > len(self.run_.everyone):
            self.run_.everyone.append(message)
        super()._show(message)

    def _ask(self, message: Message, host: int) -> None:
        vanishes = self.run_.vanishes
        if vanishes and message.share.tenant == vanishes[0] and self.now >= vanishes[1]:
            self._release(host)
            return
        super()._ask(message, host)
        if self.messages and self.command % 50 == 0:
            self.run_.bytes = max(self.run_.bytes, len(self.pace.model_dump_json()))
            self.run_.flows = max(self.run_.flows, len(self.pace.flows.flows))

    def _postpone(self, message: Message, host: int, answer: Postponed) -> None:
        run, due = self.run_, (answer.ticket.at - at(self.now)).total_seconds()
        message.expected.append((self.now, self.now + due))
        if due <= run.hold:
            message.ticket = answer.ticket
            message.dequeues -= 1
            self.at(max(self.now + due - 1, self.now + 0.5), partial(self._ask, message, host))
            return
        if run.mover and due > WAITING_QUEUE:
            message.ticket = answer.ticket
            self._lose_or(partial(self.waiting.append, message))
        else:
            self._put_back(message, answer.ticket, self._delay(answer, due))
        self._release(host)

    def _delay(self, answer: Postponed, due: float) -> float:
        if self.run_.lead is None:
            return answer.delay.total_seconds()
        return max(due - self.run_.lead, 1.0)

    def _put_back(self, message: Message, place: Ticket, delay: float) -> None:
        self._lose_or(partial(super()._put_back, message, place, delay))

    def _lose_or(self, put_back: "partial[None]") -> None:
        if self.random.random() >= self.run_.lost:
            put_back()

    def _move(self) -> None:
        """Move what is due soon from the waiting queue to the task queue."""
        lead = self.run_.lead or 0.0
        left = list[Message]()
        for message in self.waiting:
            assert message.ticket
            due = (
                locate(self.pace, message.ticket, now=at(self.now)).at - at(self.now)
            ).total_seconds()
            if due > WAITING_QUEUE:
                left.append(message)
            else:
                delay = max(due - lead, 0.0)
                self.at(
                    self.now + math.ceil(delay) + self.random.uniform(0, 0.5),
                    partial(self._show, message),
                )
        self.waiting = left
        self.at(self.now + MOVER_PERIOD, self._move)


@dataclass(frozen=True, slots=True)
class Case:
    """Who submits what and when, and what is compared."""

    name: str
    jobs: Sequence[tuple[float, Share]]
    seconds: float
    #: Seconds from and until which shares and the quota are measured.
    window: tuple[float, float]
    #: The tenants whose shares are compared, all with jobs to the end of the window.
    weights: dict[str, float] = field(default_factory=dict)
    lost: float = 0.0
    vanishes: tuple[str, float] | None = None
    changes: tuple[tuple[float, float], ...] = ()
    #: Share of the quota that is left in the window.
    quota_left: float = 1.0


def flood(rpm: float, *, seed: int, lost: float = 0.0, cut: bool = False) -> Case:
    """A tenant with far more jobs than the quota serves, and now and then a new one with three."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    seconds, every = (900.0, 60.0) if rpm > SLOW else (3000.0, 180.0)
    jobs = [(0.0, Share("big"))] * int(max(1000, 17 * rpm))
    for index in range(1, int(seconds / every)):
        came = index * every + chance.uniform(0, every)
        jobs += [(came + 0.01 * n, Share(f"new-{index}")) for n in range(3)]
    if cut:
        when, since = (200.0, 300.0) if rpm > SLOW else (600.0, 1000.0)
        changes = ((when, rpm * 0.6),)
        return Case(
            "quota cut by 40 %", jobs, seconds, (since, seconds), changes=changes, quota_left=0.6
        )
    name = "5 % of messages lost" if lost else "1,000 jobs, newcomers"
    return Case(name, jobs, seconds, (60.0, seconds), lost=lost)


def backlogged(
    rpm: float, weights: dict[str, float], *, seed: int, late: float = 0.0, name: str
) -> Case:
    """Tenants that all have more jobs than their shares; all but the first come `late`."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    length = 600.0 if rpm > SLOW else 3600.0
    since = (late or 0.0) + (60.0 if rpm > SLOW else 300.0)
    until = since + length
    total, jobs = sum(weights.values()), list[tuple[float, Share]]()
    for index, (tenant, weight) in enumerate(weights.items()):
        needed = math.ceil(rpm / 60 * (until + 120) * weight / total * 1.15) + 10
        came = late if index else 0.0
        needed += math.ceil(rpm / 60 * late) if not index else 0
        jobs += [(came + chance.uniform(0, 20), Share(tenant, weight)) for _ in range(needed)]
    return Case(name, jobs, until, (since, until), weights)


def vanished(rpm: float, *, seed: int) -> Case:
    """The messages of a tenant vanish; another tenant comes later."""
    base = backlogged(rpm, {"a": 1, "b": 1, "d": 1}, seed=seed, late=300, name="messages vanish")
    jobs = [*base.jobs, *[(0.0, Share("c"))] * int(5 * rpm)]
    # `a` also takes the calls that nobody came for.
    weights = {"b": 1.0, "d": 1.0}
    return Case(base.name, jobs, base.seconds, base.window, weights, vanishes=("c", 20.0))


def own_batch(rpm: float, *, seed: int) -> Case:
    """A large batch of low priority, and single jobs of the same tenant."""
    chance = random.Random(seed)  # noqa: S311 (a simulation)
    seconds = 900.0 if rpm > SLOW else 3000.0
    jobs = [(0.0, Share("shop", priority="low"))] * int(max(1000, 17 * rpm))
    every = seconds / 15
    jobs += [(n * every + chance.uniform(0, every), Share("shop")) for n in range(1, 14)]
    return Case("single jobs beside the own batch", jobs, seconds, (60.0, seconds))


#: Requests a minute from which on ten minutes are enough to compare shares.
SLOW: Final = 10.0


def cases(rpm: float, *, seed: int) -> list[Case]:
    """Return all cases at a quota."""
    equal = {f"team-{index:02}": 1.0 for index in range(20)}
    return [
        flood(rpm, seed=seed),
        flood(rpm, seed=seed, cut=True),
        flood(rpm, seed=seed, lost=0.05),
        backlogged(rpm, {"a": 1, "b": 2, "c": 5}, seed=seed, name="weights 1:2:5"),
        backlogged(rpm, equal, seed=seed, name="20 tenants"),
        backlogged(rpm, equal, seed=seed, late=100, name="19 tenants come late"),
        vanished(rpm, seed=seed),
        own_batch(rpm, seed=seed),
    ]


@dataclass(frozen=True, slots=True)
class Figures:
    """The result of a case."""

    #: Seconds, and calls, until the first job of each new tenant is called.
    newcomers: Sequence[tuple[float, int]]
    #: Largest relative deviation of a tenant's calls from its weight, and Jain's index.
    deviation: float
    jain: float
    used: float
    throttled: float
    dequeues: float
    bytes: int
    flows: int
    run: SharedRun


def simulate(
    case: Case,
    rpm: float,
    *,
    hosts: int,
    seed: int,
    lead: float | None = None,
    hold: float = 0.0,
    mover: bool = False,
) -> Figures:
    """Run a case with the ledger's own code."""
    needed = rpm / 60 * (CALL_SECONDS * 1.15 + 9 + hold)
    run = SharedRun(
        quota=Quota(rpm, growth=1.0),
        service=Service(rpm, 10),
        hosts=hosts,
        slots=max(4, math.ceil(1.4 * needed / hosts) + 2),
        seconds=case.seconds,
        backlog=0,
        seed=seed,
        service_seconds=CALL_SECONDS,
        changes=case.changes,
        jobs=sorted(case.jobs, key=lambda job: job[0]),
        lost=case.lost,
        vanishes=case.vanishes,
        lead=lead,
        hold=hold,
        mover=mover,
    ).go()
    since, until = case.window
    called = [each for each in run.everyone if each.called is not None]
    counts = {
        tenant: sum(
            each.share.tenant == tenant and since <= (each.called or 0) < until for each in called
        )
        for tenant in case.weights
    }
    shares = [counts[tenant] / weight for tenant, weight in case.weights.items()]
    mean = sum(shares) / max(len(shares), 1)
    return Figures(
        newcomers=newcomers(run),
        deviation=max((abs(share / mean - 1) for share in shares), default=0.0),
        jain=sum(shares) ** 2 / (len(shares) * sum(share**2 for share in shares)) if shares else 1,
        used=run.used(since, until, rpm * case.quota_left),
        throttled=run.wasted(),
        dequeues=sum(each.dequeues for each in called) / max(len(called), 1),
        bytes=run.bytes,
        flows=run.flows,
        run=run,
    )


def newcomers(run: SharedRun) -> list[tuple[float, int]]:
    """Return how long the first job of each tenant that came new waited, in seconds and calls."""
    first = dict[str, Message]()
    for each in run.everyone:
        first.setdefault(each.share.tenant, each)
    single = [each for each in run.everyone if each.share == Share("shop")]
    known = [each for tenant, each in first.items() if tenant.startswith("new-")]
    return [
        ((each.called or run.seconds) - each.arrived, each.calls_before[1] - each.calls_before[0])
        for each in (*known, *single)
        if each.arrived < run.seconds - 120 and (each.called or not run.lost)
    ]


HEAD: Final = (
    "| case | rpm | newcomer waits, median / longest s | deviation | Jain | quota used |"
    " 429s a job | looks a job | ledger, bytes |\n"
    "| --- | --: | --: | --: | --: | --: | --: | --: | --: |\n"
)


def main(hosts: int) -> None:
    """Print the table of all cases."""
    sys.stdout.write(HEAD)
    for rpm in (6.0, 60.0, 600.0):
        for case in cases(rpm, seed=1):
            found = simulate(case, rpm, hosts=hosts, seed=1)
            sys.stdout.write(row(case, rpm, found) + "\n")


def row(case: Case, rpm: float, found: Figures) -> str:
    """Return a row of the table."""
    waits = sorted(wait for wait, _ in found.newcomers)
    new = f"{waits[len(waits) // 2]:.0f} / {waits[-1]:.0f}" if waits else "-"
    compared = (f"{found.deviation:.1%}", f"{found.jain:.4f}") if case.weights else ("-", "-")
    cells = (
        case.name,
        f"{rpm:.0f}",
        new,
        *compared,
        f"{found.used:.1%}",
        f"{found.throttled:.3f}",
        f"{found.dequeues:.2f}",
        f"{found.bytes:,}",
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main(int(sys.argv[1]))
