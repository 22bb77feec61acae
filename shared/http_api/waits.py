"""Describe what a job waits for, and when its calls are expected."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from ..config.settings import Configuration
from ..events.data import Data
from ..limits.adaptive_rate import Quota
from ..limits.circuit_breaker import Circuit, open_until
from ..limits.pacing import find_next_call, locate, start_pace
from ..limits.pool_ledger import WHOLE_POOL, Ledger
from ..records.costs import awaits_budget, resumes_at
from ..records.record import JobRecord, JobState, TaskRecord, TaskState

type WaitReason = Literal[
    "not_before", "place_in_line", "throttled", "circuit_open", "budget", "reply", "renditions"
]


class WaitStatus(Data):
    """What a job waits for."""

    reason: WaitReason = Field(
        description="`place_in_line`: other calls of the quota pool come first. `throttled`: the "
        "service answered 429. `reply`: a call is in progress."
    )
    message: str = Field(description="The reason in a sentence.")
    until: datetime | None = Field(description="When this reason ends, if that is known.")
    pool: str | None = Field(description="The quota pool of its next call; null: no call waits.")
    ahead: int | None = Field(
        description="Calls of the pool that come before its next call; null before `not_before`."
    )
    call_at: datetime | None = Field(
        description="When its next call is expected, if other tenants come as often as in the last "
        "hour, and the rate stays."
    )
    done_at: datetime | None = Field(
        description="When the last of its calls is expected to end, likewise."
    )


@dataclass(frozen=True, slots=True)
class _Expected:
    """The call that is expected of one task that waits."""

    pool: str
    at: datetime
    ahead: int
    done_at: datetime
    throttled_until: datetime | None
    circuit: Circuit | None
    #: The next test call of the circuit.
    circuit_until: datetime | None


def find_pools(record: JobRecord, configuration: Configuration) -> tuple[str, ...]:
    """Return the pools that the calls of a job wait for; their ledgers give its times."""
    waiting = [task for task in record.tasks if task.state is TaskState.PENDING]
    if record.state is not JobState.RUNNING:
        return ()
    pools = [
        pool
        for task in waiting
        for pool in (
            *([task.ticket.pool] if task.ticket else []),
            *_pools_of(record, task, configuration).values(),
        )
    ]
    return tuple(dict.fromkeys(pools))


def describe_wait(
    record: JobRecord,
    ledgers: Mapping[str, Ledger | None],
    configuration: Configuration,
    *,
    now: datetime,
) -> WaitStatus | None:
    """Return what a job waits for, by the ledgers of `find_pools`; None if it does not wait.

    A pool without a ledger was never called.
    """
    if awaits_budget(record):
        message = "The budget of the day is spent; the job continues on the next day (UTC)."
        return _status("budget", message, until=resumes_at(record))
    if record.state is not JobState.RUNNING:
        return None
    if record.awaits_finish:
        return _status("renditions", "Its renditions are being made.")
    calls = [
        task.current.started_at + timedelta(seconds=record.plans[task.part].expected_seconds)
        for task in record.tasks
        if task.current
    ]
    expected = list(_expect_calls(record, ledgers, configuration, now))
    done_at = max((*calls, *(each.done_at for each in expected)), default=None)
    if not expected:
        message = "A call is in progress." if calls else "Its calls have ended."
        return _status("reply", message, until=done_at, done_at=done_at)
    first = min(expected, key=lambda each: each.at)
    reason, message, until = _explain(record, first, now)
    if calls:
        reason, until = "reply", min(calls)
        message = "A call is in progress; " + message[0].lower() + message[1:]
    return WaitStatus(
        reason=reason,
        message=message,
        until=until,
        pool=first.pool,
        ahead=None if reason == "not_before" else first.ahead,
        call_at=first.at,
        done_at=done_at,
    )


def _status(
    reason: WaitReason,
    message: str,
    *,
    until: datetime | None = None,
    done_at: datetime | None = None,
) -> WaitStatus:
    """Return the status of a job whose calls do not wait."""
    return WaitStatus(
        reason=reason,
        message=message,
        until=until,
        pool=None,
        ahead=None,
        call_at=None,
        done_at=done_at,
    )


def _explain(
    record: JobRecord, first: _Expected, now: datetime
) -> tuple[WaitReason, str, datetime]:
    """Return why the first call waits: what ends last is named."""
    begin = record.job.not_before
    if begin and begin > now:
        return "not_before", "The job asks for no call before its `not_before`.", begin
    if (circuit := first.circuit) and first.circuit_until:
        message = f"The circuit of {first.pool} is open ({circuit.reason}): {circuit.message}"
        return "circuit_open", message, first.circuit_until
    if first.throttled_until:
        message = f"The service throttles {first.pool} (429)."
        return "throttled", message, first.throttled_until
    if not first.ahead:
        return "place_in_line", f"It is the next call of the quota pool {first.pool}.", first.at
    calls = "1 call comes" if first.ahead == 1 else f"{first.ahead:,} calls come"
    return "place_in_line", f"{calls} first in the quota pool {first.pool}.", first.at


def _expect_calls(
    record: JobRecord,
    ledgers: Mapping[str, Ledger | None],
    configuration: Configuration,
    now: datetime,
) -> Iterator[_Expected]:
    """Yield the expected call of each task that waits."""
    new: dict[str, int] = {}  # tasks without a place in line, by pool
    for task in record.tasks:
        if task.state is not TaskState.PENDING:
            continue
        pools = _pools_of(record, task, configuration)
        pool = task.ticket.pool if task.ticket else next(iter(pools.values()))
        rpm = next((each.rpm for each in configuration.deployments if each.pool == pool), None)
        ledger = ledgers.get(pool)
        if ledger is None:
            ledger = Ledger(pace=start_pace(Quota(rpm or 60.0), now=now))
        quota, pace = Quota(rpm or ledger.pace.rate.configured), ledger.pace
        if task.ticket:
            place = locate(pace, task.ticket, now=now, quota=quota)
            at, ahead = place.at, place.ahead
        else:
            after = new[pool] = new.get(pool, -1) + 1
            at = find_next_call(pace, now=now, quota=quota) + after * pace.rate.spacing
            ahead = max(round((at - max(pace.free_at, now)) / pace.rate.spacing), 0)
        circuit, until = _find_circuit(pools, ledgers, now)
        at = max(at, until or at, record.job.not_before or at)
        stop = pace.stopped_until
        seconds = record.plans[task.part].expected_seconds
        yield _Expected(
            pool=pool,
            at=at,
            ahead=ahead,
            done_at=at + timedelta(seconds=seconds),
            throttled_until=stop if stop and stop > now else None,
            circuit=circuit,
            circuit_until=until,
        )


def _pools_of(record: JobRecord, task: TaskRecord, configuration: Configuration) -> dict[str, str]:
    """Return the pool of each deployment that may be called for a task.

    A client may not know the deployments: then a pool has the name of its model.
    """
    plan = record.plans[task.part]
    known = {each.name: each.pool for each in configuration.deployments}
    return {name: known.get(name, plan.model) for name in plan.deployments}


def _find_circuit(
    pools: Mapping[str, str], ledgers: Mapping[str, Ledger | None], now: datetime
) -> tuple[Circuit | None, datetime | None]:
    """Return the circuit that closes first, and until when; None if a deployment may be called."""
    found: list[tuple[datetime, Circuit]] = []
    for deployment, pool in pools.items():
        ledger = ledgers.get(pool)
        circuits = ledger.circuits if ledger else {}
        open_ones = [
            (until, circuit)
            for name in (WHOLE_POOL, deployment)
            if (circuit := circuits.get(name)) and (until := open_until(circuit, now=now))
        ]
        if not open_ones:
            return None, None
        found.append(max(open_ones, key=lambda each: each[0]))
    until, circuit = min(found, key=lambda each: each[0])
    return circuit, until
