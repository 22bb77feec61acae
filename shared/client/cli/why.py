"""Explain where a job is: why it waits or failed, what it cost, and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ...errors import Rejected, StoreUnavailable
from ...http_api.limits import BudgetStatus, PaceStatus, describe_budget, describe_pace
from ...limits.adaptive_rate import Quota
from ...records.costs import awaits_budget
from ...records.dead_letter import dead_letter_name
from ...records.record import JobRecord, JobState, TaskState
from ...vocabulary import FAILURES, REJECTIONS, FailureCode, RejectionCode
from ..clients import ImageJobs
from ..jobs import id_of
from ..results import NoSuchJob, Status
from .access import client
from .output import (
    MARKS,
    AsJson,
    bar,
    console,
    cost,
    count,
    describe_times,
    dollars,
    duration,
    gallery_link,
    now,
    print_json,
    styled,
)

_RETRY: Final = "`image-jobs replay {id}` makes the missing pictures, and pays for them"
_CHANGE: Final = "send a new job with {change}; this one fails again"
_DECIDE: Final = (
    "`image-jobs release {id}` calls again and may pay twice; `image-jobs fail {id}` ends the job"
)
_REPAIR: Final = (
    "find out why {what} refuses: docs/runbook.md#{section}; then it continues by itself"
)
_WAITS: Final = "nothing: it continues by itself; `image-jobs watch {id}` shows when"

#: What to do about each failure.
ACTIONS: Final[dict[FailureCode, str]] = {
    FailureCode.CONTENT_REFUSED: _CHANGE.format(change="other words or pictures"),
    FailureCode.PROVIDER_REJECTED: _CHANGE.format(change="what the message asks for"),
    FailureCode.NO_IMAGE: _RETRY,
    FailureCode.PICTURE_LINKED: "add the host to `picture_hosts` of the deployment; then " + _RETRY,
    FailureCode.STORE_FAILED: "`image-jobs doctor` checks storage; then " + _RETRY,
    FailureCode.NAME_TAKEN: "move that blob away; then " + _RETRY,
    FailureCode.FEWER_IMAGES: _RETRY,
    FailureCode.OUTCOME_UNKNOWN: "`image-jobs replay {id}` makes the missing pictures; if the lost "
    "call was paid for, it pays twice",
    FailureCode.DEADLINE_EXCEEDED: "`image-jobs doctor` shows what calls waited for; then "
    + _RETRY,
    FailureCode.PROMPT_MISSING: "upload the prompt again; then " + _RETRY,
    FailureCode.INPUT_CHANGED: _CHANGE.format(change="the picture under a new name"),
    FailureCode.FINISH_FAILED: "`image-jobs replay {id}` makes the renditions; the originals stay",
    FailureCode.MISCONFIGURED: "`image-jobs doctor` shows the circuit; then " + _RETRY,
    FailureCode.POISONED: "look for exceptions of this job in the log; then " + _RETRY,
    FailureCode.CANCELLED: _RETRY,
    FailureCode.OVER_BUDGET: "wait for midnight UTC, or `image-jobs release {id}` to exceed the "
    "budget now",
    FailureCode.OVER_COST_LIMIT: "send a new job with a higher `max_cost_usd`",
    FailureCode.RECORD_DAMAGED: "restore the record (docs/operate.md); then " + _RETRY,
    FailureCode.NOT_APPROVED: "the pictures stay; `image-jobs replay {id}` has them reviewed again",
    FailureCode.UNCLASSIFIED: "read `image-jobs status {id} --json`; then " + _RETRY,
}
#: What to do about each rejection.
CORRECTIONS: Final[dict[RejectionCode, str]] = {
    RejectionCode.MALFORMED_MESSAGE: "send JSON as docs/messages.md describes it",
    RejectionCode.INVALID_JOB: "correct these fields and send the job again",
    RejectionCode.UNSUPPORTED_REQUEST: "change model, size or options; `image-jobs route` checks "
    "a job without sending it",
    RejectionCode.OVER_COST_LIMIT: "raise `max_cost_usd`, or make less; `image-jobs estimate` "
    "shows prices",
    RejectionCode.CONFLICT: "send it under a new id; this id has another job",
    RejectionCode.NOT_ALLOWED: "ask the operator what your tenant may do, or change these fields",
    RejectionCode.TOO_MANY_JOBS: "send it again when some jobs of your tenant have ended",
    RejectionCode.POISONED: "look for exceptions of `intake` in the log; then "
    "`image-jobs dead replay`",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the app besides a job's record."""

    #: The state of each quota pool, by the deployments that share it.
    paces: Mapping[str, PaceStatus]
    budget: BudgetStatus
    #: Why the container of pictures can't be read; None if it can.
    storage_problem: str | None
    now: datetime


def why(
    job_id: Annotated[str, typer.Argument(help="Id of a job.")], *, as_json: AsJson = False
) -> None:
    """Explain why a job waits or failed, what it cost and what to do.

    The exit code is 4 if the id is not known.
    """
    code = 0
    with client() as jobs:
        try:
            status = jobs.status(id_of(job_id))
        except Rejected as rejection:
            lines = list(_explain_rejection(rejection)) if rejection.job_id else []
            if not lines:
                raise
        except NoSuchJob:
            lines, code = list(_explain_absence(job_id, jobs)), 4
        else:
            lines = list(explain(status, _collect(jobs)))
    if link := gallery_link(job=job_id):
        lines.append(("see", Text(link)))
    if as_json:
        print_json({"job_id": job_id, **{name: text.plain for name, text in lines}})
    else:
        _print(job_id, lines)
    raise typer.Exit(code)


def _print(job_id: str, lines: list[tuple[str, Text]]) -> None:
    width = max(len(name) for name, _ in lines)
    console().print(styled(job_id, "bold"))
    for name, text in lines:
        label = Text(f"  {name:>{width}}  ", "dim")
        # A line is broken by the terminal, never here: what is copied of it stays whole.
        console().print(Text.assemble(label, text), soft_wrap=True)


def explain(status: Status, facts: Facts) -> Iterator[tuple[str, Text]]:
    """Yield what there is to say about a job, as names and texts."""
    record = status.record
    until = record.updated_at if status.ended else facts.now
    age = duration((until - record.accepted_at).total_seconds())
    pictures = count(len(status.images), "picture")
    calls = bar(status).append(" calls")
    yield "state", Text.assemble(MARKS[status.state], f"  after {age}, {pictures}, ", calls)
    if record.state is JobState.RUNNING:
        early = (wait := status.wait) and wait.reason == "not_before"
        reason = "its `not_before`" if early else _find_wait(record, facts)
        yield "waits for", styled(reason)
    if (wait := status.wait) and (expected := describe_times(wait, facts.now)):
        ahead = f"; {count(wait.ahead, 'call comes', 'calls come')} first" if wait.ahead else ""
        yield "expected", styled(f"{expected}{ahead}")
    if failure := record.failure:
        yield "reason", styled(f"{failure.code}: {failure.message}")
        if meaning := _of_code(FAILURES, failure.code):
            yield "means", styled(meaning)
    if attempts := record.attempts:
        last = attempts[-1]
        ids = f", request {last.request_id}" if last.request_id else ""
        kind = f"{last.kind}" if last.kind else "under way"
        yield "last call", styled(f"{last.deployment} {last.started_at:%H:%M:%S} UTC: {kind}{ids}")
    yield "cost", styled(f"{cost(status)}{_budget(facts.budget)}")
    for name, pace in _paces(record, facts).items():
        yield "pool", styled(f"{name}: {_describe_pace(pace, facts.now)}")
    if record.state is JobState.FAILED:
        yield "dead letter", styled(" or ".join(_name_letters(record)))
    if record.batch:
        yield "batch", styled(f"{record.batch.batch_id}, entry {record.batch.entry:,}")
    yield "do", styled(_find_action(record, facts))


def _name_letters(record: JobRecord) -> Iterator[str]:
    """Yield the dead letter of a failed job: its day (UTC) is that of the failure.

    That is between the end of the last call and the last change of the record; where these are two
    days, one of the two names exists.
    """
    calls = [each.ended_at for each in record.attempts if each.ended_at]
    days = sorted({time.astimezone(UTC).date() for time in (*calls[-1:], record.updated_at)})
    for day in days:
        yield dead_letter_name(record.job_id, datetime.combine(day, datetime.min.time()))


def _find_wait(record: JobRecord, facts: Facts) -> str:
    """Return what a running job waits for."""
    calling = [each.current for each in record.tasks if each.current]
    if calling:
        since = min(each.started_at for each in calling)
        expected = max(plan.expected_seconds for plan in record.plans)
        passed = duration((facts.now - since).total_seconds())
        return f"the reply to a call, since {passed}; one usually takes {duration(expected)}"
    if record.cancel_requested:
        return "its cancellation"
    if record.awaits_finish:
        return "renditions, which are made now"
    if facts.storage_problem:
        return f"storage: {facts.storage_problem}"
    return next(_list_obstacles(record, facts))


def _list_obstacles(record: JobRecord, facts: Facts) -> Iterator[str]:
    """Yield what keeps a job from its next call, the longest lasting first."""
    paces = _paces(record, facts)
    for name, pace in paces.items():
        for circuit in pace.circuits:
            if circuit.deployment in {None, name}:
                since = duration((facts.now - circuit.since).total_seconds())
                yield f"the circuit of {name}, {circuit.reason} for {since}: {circuit.message}"
    left, price = facts.budget.left_usd, min(each.estimate_usd or 0.0 for each in record.plans)
    if left is not None and left < price:
        yield f"the daily budget: {dollars(left)} is left"
    name, first = min(paces.items(), key=lambda each: each[1].next_call_at, default=("", None))
    if first and first.next_call_at > facts.now:
        cause = "a 429" if first.stopped_until else "the quota"
        ahead = count(first.waiting, "call waits", "calls wait")
        wait = duration((first.next_call_at - facts.now).total_seconds())
        yield f"{cause} of {name}: {ahead}, the next call is in {wait}"
    for task in record.tasks:
        if task.last_unpaid:
            yield f"its next try, after {task.last_unpaid}"
    which = "next" if record.attempts else "first"
    yield f"its {which} call, which the app makes in a moment; if not, `image-jobs doctor`"


def _find_action(record: JobRecord, facts: Facts) -> str:
    failure = record.failure
    if record.state is JobState.PARKED and not awaits_budget(record):
        text = _DECIDE
    elif record.state is JobState.RUNNING:
        text = _find_remedy(record, facts)
    elif record.state is JobState.SUCCEEDED:
        text = "`image-jobs get {id}` downloads the pictures"
    else:
        text = _of_code(ACTIONS, failure.code if failure else "") or _RETRY
    return text.replace("{id}", record.job_id)


def _find_remedy(record: JobRecord, facts: Facts) -> str:
    """Return what lets a running job continue."""
    if facts.storage_problem:
        return _REPAIR.format(what="storage", section="storage-blocked")
    circuits = [each for pace in _paces(record, facts).values() for each in pace.circuits]
    if any(each.reason != "unavailable" for each in circuits):
        return _REPAIR.format(what="Foundry", section="circuit-open")
    return _WAITS


def _of_code(texts: Mapping[Any, str], code: str) -> str | None:
    """Return the text of a code; None for one that this version does not know."""
    return texts.get(code)


def _paces(record: JobRecord, facts: Facts) -> dict[str, PaceStatus]:
    """Return the pools of the deployments that may still be called, by deployment."""
    parts = {task.part for task in record.tasks if task.state is TaskState.PENDING}
    plans = [record.plans[part] for part in sorted(parts)]
    # A pool has the name of its model unless the deployments, if they are known, say otherwise.
    names = dict.fromkeys(name for each in plans for name in (*each.deployments, each.model))
    return {name: facts.paces[name] for name in names if name in facts.paces}


def _describe_pace(pace: PaceStatus, now: datetime) -> str:
    if pace.circuits:
        circuit = pace.circuits[0]
        probe = (
            f"a test call in {duration((circuit.until - now).total_seconds())}"
            if circuit.until
            else "the next call is a test"
        )
        return f"circuit open ({circuit.reason}), {probe}"
    return f"{pace.rate_rpm:,.1f} calls a minute, {pace.waiting:,} waiting"


def _budget(budget: BudgetStatus) -> str:
    if budget.left_usd is None:
        return ""
    return f"; {dollars(budget.left_usd)} of {dollars(budget.limit_usd)} is left today"


def _explain_rejection(rejection: Rejected) -> Iterator[tuple[str, Text]]:
    yield "state", Text("✘ rejected", "yellow").append("  nothing was paid", "default")
    yield "reason", Text(rejection.code)
    if meaning := _of_code(REJECTIONS, rejection.code):
        yield "means", styled(meaning)
    for fault in rejection.faults[:3]:
        yield "fault", styled(str(fault))
    if (more := len(rejection.faults) - 3) > 0:
        yield "", Text(f"and {count(more, 'more fault')}: `image-jobs dead show`")
    if action := _of_code(CORRECTIONS, rejection.code):
        yield "do", styled(action)


def _explain_absence(job_id: str, jobs: ImageJobs) -> Iterator[tuple[str, Text]]:
    if jobs.batch(job_id):
        yield "state", Text("this is the id of a batch")
        yield "do", styled(f"`image-jobs follow {job_id}`")
        return
    waiting = jobs.operator.backlog(jobs.app.settings.jobs_queue)
    yield "state", Text("· not known: no record, and no rejection today or yesterday", "dim")
    yield "queue", styled(f"{count(waiting, 'message')} on {jobs.app.settings.jobs_queue}")
    yield (
        "do",
        Text(
            "if messages wait, `image-jobs doctor`; otherwise it was never sent to this storage "
            "account, or its record was deleted"
        ),
    )


def _collect(jobs: ImageJobs) -> Facts:
    """Read what the state of a job depends on."""
    time, today = now(), jobs.operator.today()
    try:
        jobs.operator.check_pictures()
        problem = None
    except StoreUnavailable as error:
        problem = str(error)
    return Facts(
        paces=_by_deployment(jobs, time),
        budget=describe_budget(today.ledger, day=today.day, limit_usd=today.limit_usd),
        storage_problem=problem,
        now=time,
    )


def _by_deployment(jobs: ImageJobs, time: datetime) -> dict[str, PaceStatus]:
    pools, app = jobs.operator.pools(), jobs.app
    paces = {
        name: describe_pace(pool, Quota(pool.pace.rate.configured), now=time)
        for name, pool in pools.items()
    }
    known = {each.name: each.pool for each in app.deployments}
    return {**paces, **{name: paces[pool] for name, pool in known.items() if pool in paces}}
