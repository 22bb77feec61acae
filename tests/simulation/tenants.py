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
from shared.limits.pacing import Share, locate
from tests.simulation.pools import GUARD, START, Message, Run, Service, World, at

#: Seconds of a call; whatever they are, the quota counts calls. And those of the lead.
CALL_SECONDS: Final = 20.0
LEAD: Final = 40.0
#: Seconds between two looks at what jobs that wait would see, and the part of the jobs.
TELL_EVERY: Final = 300.0
TELL_PART: Final = 7


@dataclass(slots=True)
class SharedRun(Run):
    """A run with the jobs of several tenants, each with the time of its arrival."""

    jobs: Sequence[tuple[float, Share]] = ()
    #: Share of the messages that are lost when they are delivered.
    lost: float = 0.0
    #: A tenant whose messages all vanish at a time.
    vanishes: tuple[str, float] | None = None
    #: From this second on, the times that jobs that wait would see are recorded now and then.
    tells_from: float | None = None
    #: A job, when it was looked at, and the expected time of its call.
    told: list[tuple[Message, float, float]] = field(default_factory=list)
    everyone: list[Message] = field(default_factory=list)
    bytes: int = 0
    flows: int = 0

    def go(self) -> "SharedRun":
        SharedWorld(self).run()
        return self


class SharedWorld(World):
    """The hosts of a shared run."""

    run_: SharedRun

    def _begin(self) -> None:
        for when, share in self.run_.jobs:
            self.at(when, partial(self._arrive, share))
        if self.run_.tells_from is not None:
            self.at(self.run_.tells_from, self._tell)

    def _succeed(self) -> None:
        """No other job arrives for it."""

    def _send(self, message: Message) -> None:
        if message.number > len(self.run_.everyone):
            self.run_.everyone.append(message)
        super()._send(message)

    def _show(self, message: Message) -> None:
        """Show it, unless it is lost."""
        if self.random.random() >= self.run_.lost:
            super()._show(message)

    def _tell(self) -> None:
        """Tell jobs that wait when they are expected to be called, as the app does."""
        run, now = self.run_, at(self.now)
        for message in run.everyone[::TELL_PART]:
            if message.called is None and message.ticket:
                place = locate(self.pace, message.ticket, now=now, quota=run.quota)
                run.told.append((message, self.now, (place.at - START).total_seconds()))
        self.at(self.now + TELL_EVERY, self._tell)

    def _ask(self, message: Message, host: int) -> None:
        vanishes = self.run_.vanishes
        if vanishes and message.share.tenant == vanishes[0] and self.now >= vanishes[1]:
            self._release(host)
            return
        super()._ask(message, host)
        if self.messages and self.command % 50 == 0:
            self.run_.bytes = max(self.run_.bytes, len(self.pace.model_dump_json()))
            self.run_.flows = max(self.run_.flows, len(self.pace.flows.flows))


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
    tells_from: float | None = None


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


def hours(
    rpm: float, *, seed: int, arriving: float = 0.0, jobs_each: int = 5, lost: float = 0.0
) -> Case:
    """A backlog of three hours, and tenants that come all the time with a part of all jobs."""
    chance, seconds = random.Random(seed), 3 * 3600.0  # noqa: S311 (a simulation)
    jobs = [(0.0, Share("big"))] * int(rpm / 60 * seconds * (1 - arriving))
    came, index = 0.0, 0
    while arriving and came < seconds:
        came, index = came + chance.expovariate(rpm / 60 * arriving / jobs_each), index + 1
        jobs += [(came, Share(f"new-{index}"))] * jobs_each
    return Case("hours", jobs, seconds, (60.0, seconds), lost=lost, tells_from=1800.0)


def errors(run: SharedRun, tenant: str, *, since: float, until: float) -> list[float]:
    """Return how wrong the told waits of a tenant were: 0.1, it took a tenth longer than told."""
    return sorted(
        (message.called - when) / (told - when) - 1
        for message, when, told in run.told
        if message.called and message.share.tenant == tenant and since <= told - when < until
    )


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
) -> Figures:
    """Run a case with the ledger's own code."""
    needed = rpm / 60 * (CALL_SECONDS * 1.15 + 5 + GUARD + LEAD)
    run = SharedRun(
        quota=Quota(rpm, growth=1.0),
        service=Service(rpm, 10),
        hosts=hosts,
        slots=max(4, math.ceil(1.4 * needed / hosts) + 2),
        seconds=case.seconds,
        backlog=0,
        seed=seed,
        service_seconds=CALL_SECONDS,
        lead=LEAD,
        changes=case.changes,
        jobs=sorted(case.jobs, key=lambda job: job[0]),
        lost=case.lost,
        vanishes=case.vanishes,
        tells_from=case.tells_from,
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
