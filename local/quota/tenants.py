"""The quota trial of several tenants: who gets how much of the quota, and a newcomer's wait."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final

from rich.table import Table

from local.chaos.target import Target, start_target
from local.quota.run import MODEL, PATIENCE, QuotaOptions
from local.stack.report import run_and_report
from shared.limits.pacing import SHORT_WAIT

#: Comes when the others have worked for a while, with weight 1 and few jobs.
NEWCOMER: Final = "newcomer"
NEWCOMER_JOBS: Final = 3
#: When it comes, as a share of the time that the quota needs.
COMES_AFTER: Final = 0.4
#: A tenant with more calls than this share of its jobs may have none waiting.
BACKLOGGED: Final = 0.9
#: The goals: deviation of a tenant's calls from its weight, or some calls, since a run of minutes
#: begins with calls that were granted before; Jain's index; the wait of a newcomer for its first
#: call, seconds and calls for each active tenant, whichever is more.
MAX_DEVIATION: Final = 0.03
MAX_DEVIATION_CALLS: Final = 3
MIN_JAIN: Final = 0.99
MAX_WAIT_SECONDS: Final = 12.0
MAX_WAIT_CALLS: Final = 2


@dataclass(frozen=True, slots=True)
class TenantCalls:
    """The calls of one tenant."""

    tenant: str
    weight: float
    #: In each minute of the run.
    minutes: tuple[int, ...]
    #: While every tenant had jobs waiting, and what its weight gives it of all those calls.
    calls: int
    fair: float


@dataclass(frozen=True, slots=True)
class TenantShares:
    """The figures of one run."""

    tenants: tuple[TenantCalls, ...]
    #: Jobs that were not called.
    missing: int
    #: Seconds from its submission to the newcomer's first call; None: it was not called.
    newcomer_wait: float | None

    @property
    def jain(self) -> float:
        """Jain's index of the calls by weight: 1 is fair, 1/tenants is one tenant for itself."""
        shares = [each.calls / each.weight for each in self.tenants if each.fair]
        squares = len(shares) * sum(share**2 for share in shares)
        return sum(shares) ** 2 / squares if squares else 0.0


def measure_shares(
    called: Mapping[str, Sequence[datetime]],
    weights: Mapping[str, float],
    *,
    jobs: int,
    began: datetime,
    newcomer_sent: datetime,
) -> TenantShares:
    """Return the figures of a run from the times at which each tenant's jobs were called.

    The shares count from `began` until one of the tenants in `weights` has had `BACKLOGGED` of its
    calls, while all have jobs waiting; the newcomer's calls do not count.
    """
    end = min((_when(called[name], BACKLOGGED) or began for name in weights), default=began)
    counted = {name: sum(began <= at < end for at in called[name]) for name in weights}
    every = [at for times in called.values() for at in times]
    first, last = min(every, default=began), max(every, default=began)
    length, total = int((last - first).total_seconds() // 60) + 1, sum(weights.values())
    rows = []
    for name, times in called.items():
        minutes = [0] * length
        for at in times:
            minutes[int((at - first).total_seconds() // 60)] += 1
        calls, weight = counted.get(name, 0), weights.get(name, 0.0)
        fair = sum(counted.values()) * weight / total
        rows.append(TenantCalls(name, weight or 1.0, tuple(minutes), calls, fair))
    new = called.get(NEWCOMER, ())
    wait = (min(new) - newcomer_sent).total_seconds() if new else None
    return TenantShares(tuple(rows), jobs - len(every), wait)


def _when(times: Sequence[datetime], share: float) -> datetime | None:
    return sorted(times)[int(share * (len(times) - 1))] if times else None


def run_tenants(options: QuotaOptions, tenants: int, log: Callable[[str], None]) -> TenantShares:
    """Run hosts with a backlog of each tenant, and with a newcomer."""
    weights = {f"tenant-{number}": float(number) for number in range(1, tenants + 1)}
    total = sum(weights.values())
    jobs = {name: round(options.jobs * weight / total) for name, weight in weights.items()}
    configured = [{"name": name, "weight": weight} for name, weight in weights.items()]
    settings = {
        "FOUNDRY_DEPLOYMENTS": [{"name": MODEL, "rpm": options.rpm}],
        "TENANTS": [*configured, {"name": NEWCOMER}],
    }
    given = [part for name, value in settings.items() for part in _set(name, value)]
    length = 60 * options.jobs / options.rpm
    with start_target(max(options.hosts), given, log) as stack:
        stack.admin("settings", method="POST", body={"jitter": 0, "cache": True})
        for name, count in jobs.items():
            _submit(stack, name, count)
        _wait_until(stack, lambda: stack.left("image-jobs") == 0, length)
        # Calls that were granted before the last job had come can't be overtaken.
        began = datetime.now(UTC) + SHORT_WAIT
        time.sleep(COMES_AFTER * length)
        sent = datetime.now(UTC)
        _submit(stack, NEWCOMER, NEWCOMER_JOBS)
        every = {**jobs, NEWCOMER: NEWCOMER_JOBS}
        wanted = sum(every.values())
        _wait_until(stack, lambda: len(stack.ended()) >= wanted, PATIENCE * length)
        called = {name: _read_calls(stack, name, count) for name, count in every.items()}
    return measure_shares(called, weights, jobs=wanted, began=began, newcomer_sent=sent)


def _set(name: str, value: object) -> tuple[str, str]:
    return "--set", f"{name}={json.dumps(value)}"


def _submit(stack: Target, tenant: str, count: int) -> None:
    for number in range(count):
        job = {"job_id": f"{tenant}-{number:04d}", "tenant": tenant, "prompt": f"{number}"}
        kind = {"quality": "low", "size": "1024x1024", "model": MODEL}
        stack.send("image-jobs", json.dumps(job | kind))


def _wait_until(stack: Target, done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done() and time.monotonic() < until:
        stack.read_events()
        time.sleep(0.2)


def _read_calls(stack: Target, tenant: str, count: int) -> list[datetime]:
    """Return when the jobs of a tenant were called, from their records."""
    ids = [f"{tenant}-{number:04d}" for number in range(count)]
    bodies = [body for each in ids if (body := stack.blob("jobs", f"{each}.json"))]
    return [
        datetime.fromisoformat(attempt["started_at"])
        for body in bodies
        for task in json.loads(body)["tasks"]
        for attempt in task["attempts"][:1]
    ]


def table(shares: TenantShares, options: QuotaOptions) -> Table:
    """Return who got what: calls by tenant and minute, and shares against weights."""
    wait = shares.newcomer_wait
    told = "never called" if wait is None else f"first call after {wait:.1f} s"
    title = f"{options.rpm:g} calls a minute; Jain's index {shares.jain:.4f}; {NEWCOMER}: {told}"
    shown = Table(title=title, title_justify="left")
    shown.add_column("tenant")
    length = max(len(each.minutes) for each in shares.tenants)
    for head in ("weight", "calls", "by weight", *(f"min {minute}" for minute in range(length))):
        shown.add_column(head, justify="right")
    for each in shares.tenants:
        counted = (str(each.calls), f"{each.fair:.1f}") if each.fair else ("-", "-")
        shown.add_row(each.tenant, f"{each.weight:g}", *counted, *map(str, each.minutes))
    return shown


def missed_goals(shares: TenantShares, rpm: float) -> list[str]:
    """Return a sentence for each goal that was missed."""
    limit = max(MAX_WAIT_SECONDS, MAX_WAIT_CALLS * len(shares.tenants) * 60 / rpm)
    wait = shares.newcomer_wait
    return [
        *([f"{shares.missing} jobs were not called"] if shares.missing else []),
        *(
            f"{each.tenant}: {each.calls} calls, {each.fair:.1f} by its weight"
            for each in shares.tenants
            if abs(each.calls - each.fair) > max(MAX_DEVIATION * each.fair, MAX_DEVIATION_CALLS)
        ),
        *([f"Jain's index {shares.jain:.4f}, goal {MIN_JAIN}"] if shares.jain < MIN_JAIN else []),
        *(
            [f"the {NEWCOMER} waited for {wait} s, goal {limit:g} s"]
            if wait is None or wait > limit
            else []
        ),
    ]


def main(options: QuotaOptions, tenants: int) -> int:
    """Run the trial and print who got what; return 0 when every goal is met."""
    what = (
        f"{options.jobs} jobs of {tenants} tenants with the weights 1 to {tenants} on "
        f"{max(options.hosts)} hosts, then a newcomer"
    )
    return run_and_report(
        "quota",
        what,
        partial(run_tenants, options, tenants),
        table=partial(table, options=options),
        wrong=partial(missed_goals, rpm=options.rpm),
    )
