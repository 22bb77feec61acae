"""Work on one task by its record: pay for at most one call, and write its result.

Order of writes: a reservation of the quota pool, one of the day's budget, the intent (a claim), the
pictures, the result, the cost, the event, the report to the pool. The process may stop after any
line; the next delivery reads the record and continues from there.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta

from ...catalogue.deployments import Deployment
from ...config.settings import Configuration
from ...errors import (
    BlobLeased,
    InvalidJob,
    NameTaken,
    StaleVersion,
    StoreUnavailable,
    UnreadableRecord,
)
from ...images_api.requests import build_request
from ...jobs.fields import MAX_PROMPT_BYTES, encode_tags
from ...jobs.prompts import localize_prompt
from ...limits.budget import NoBudget
from ...limits.circuit_breaker import LAST_CALL_WAIT, feedback_of
from ...limits.pacing import Postponed
from ...limits.pool_ledger import CircuitOpen, Reservation
from ...ports import Report, StoredPicture, Versioned, What
from ...records.outcomes import may_retry_unknown
from ...records.record import Attempt, Failure, JobRecord
from ...records.task_messages import TaskMessage
from ...records.transitions import claim
from ...stores.documents import MAX_TRIES
from ...stores.world import World
from ...vocabulary import FailureCode, Slot
from ..finishing import wait_for_record
from .attempts import call_limit, plan_attempt, to_unknown_outcome
from .call import CallResult, call
from .reroute import reroute
from .reservations import (
    NO_MONEY,
    ReservationRequest,
    acquire_reservation,
    find_budget_obstacle,
    find_share,
    release_budget,
    reserve_budget,
)
from .steps import AlreadyEnded, GiveUp, InProgress, NextStep, Pay, Resolve, TooEarly, next_step
from .task import TaskRun

type _NotGranted = CircuitOpen | Postponed | Failure | NoBudget
type _Answer = Reservation | _NotGranted
#: Pictures that are stored already, by index within the task, or why nothing is to be paid for.
type _Found = dict[int, StoredPicture] | Failure | StoreUnavailable


async def generate(message: TaskMessage, world: World, configuration: Configuration) -> Report:
    """Work on the task of a message; raises only `Unavailable` (it is delivered again).

    While somebody holds a lease on its record or a ledger, or the day's ledger is damaged, the
    message is put back: the platform would give it up after a few deliveries.
    """
    try:
        return await continue_task(message, world, configuration)
    except (BlobLeased, UnreadableRecord) as error:
        try:
            stored = await world.records.read(message.job_id)
        except UnreadableRecord as unreadable:
            queue, body = configuration.settings.tasks_queue, message.to_bytes()
            return await wait_for_record(message.job_id, body, queue, unreadable, world)
        if stored is None:
            raise
        return await TaskRun(message, world, configuration).wait_for_blob(error)


async def continue_task(message: TaskMessage, world: World, configuration: Configuration) -> Report:
    """Do the next step of a task; raises `Unavailable` or `UnreadableRecord`."""
    task = TaskRun(message, world, configuration)
    may_pay_at = world.clock.now() + configuration.settings.call_guard
    stored = await world.records.read(message.job_id)
    reservation: Reservation | None = None
    prompt: str | None = None
    looked = False
    for _ in range(MAX_TRIES):
        if stored is None or message.task >= len(stored.value.tasks):
            await task.release(reservation)
            return task.report(What.NO_SUCH_TASK)
        now = world.clock.now()
        step = next_step(stored.value, message, now=now, configuration=configuration)
        reservation = await _keep_if_needed(task, reservation, step)
        if not isinstance(step, Pay):
            return await _without_a_call(task, stored, step)
        if prompt is None:  # read once, before a reservation that may not be needed
            read = await _read_prompt(task, stored.value)
            if isinstance(read, Failure):
                return await task.fail(stored, read)
            prompt = read
            # Before it acquires: a call that is later than its reservation meets the next one.
            await world.clock.sleep(max((may_pay_at - world.clock.now()).total_seconds(), 0))
            continue
        try:
            if reservation is None:
                answer = await _acquire_or_requeue(task, stored, step, prompt, look=not looked)
                if isinstance(answer, Report):
                    return answer
                (stored, reservation), looked = answer, True
                continue  # time has passed: decide anew
        except StaleVersion:
            stored, looked = await world.records.read(message.job_id), True
            continue
        if report := await _pay_or_wait(task, stored, step, reservation, prompt):
            return report
        stored = await world.records.read(message.job_id)
    await task.release(reservation)
    raise StoreUnavailable(
        f"the record of job {message.job_id} changed {MAX_TRIES} times before its call"
    )


async def _keep_if_needed(
    task: TaskRun, reservation: Reservation | None, step: NextStep
) -> Reservation | None:
    """Return the reservation if the next step can use it; else release it."""
    if reservation and not (isinstance(step, Pay) and reservation.deployment in step.names):
        await task.release(reservation)
        return None
    return reservation


async def _without_a_call(
    task: TaskRun,
    stored: Versioned[JobRecord],
    step: AlreadyEnded | InProgress | TooEarly | GiveUp | Resolve,
) -> Report:
    match step:
        case AlreadyEnded(why):
            await task.publish_pending(stored)
            return task.report(why)
        case InProgress(until):
            return await task.wait_for_attempt(until)
        case TooEarly(until):
            return await task.wait_until(until)
        case GiveUp(failure):
            return await task.fail(stored, failure)
        case Resolve(attempt):
            return await task.apply_outcome(
                stored, attempt, CallResult(to_unknown_outcome(attempt), {})
            )


async def _acquire_or_requeue(
    task: TaskRun, stored: Versioned[JobRecord], step: Pay, prompt: str, *, look: bool
) -> tuple[Versioned[JobRecord], Reservation | None] | Report:
    """Return a reservation, or the record with another model, or the report of a longer wait.

    With `look` the record gets every picture that is stored already. Nothing is paid for where
    storage takes no pictures, or a name is taken.
    """
    answer: _Answer | None = None
    if look:
        found, answer = await _look_and_acquire(task, stored.value, step)
        reservation = answer if isinstance(answer, Reservation) else None
        if not isinstance(found, dict):
            await task.release(reservation)
            if isinstance(found, Failure):
                return await task.fail(stored, found)
            return await task.wait_for_storage(found, step.give_up_at)
        if found:
            return await task.adopt(stored, found), reservation
    answer = answer or await _acquire(task, stored.value, step)
    if isinstance(answer, Reservation):
        return stored, answer
    if changed := _reroute(task, stored.value, answer, prompt):
        return await _replace(task.world, changed, stored), None
    return await _requeue(task, stored, step, answer)


async def _look_and_acquire(
    task: TaskRun, record: JobRecord, step: Pay
) -> tuple[_Found, _Answer | None]:
    """Look for the task's pictures, and acquire beside it where none can be there yet."""
    found: _Found = {}
    answer: _Answer | None = None

    async def look() -> None:
        nonlocal found
        try:
            found = await task.find_pictures(record)
        except NameTaken as error:
            found = Failure(code=FailureCode.NAME_TAKEN, message=str(error))
        except StoreUnavailable as error:
            found = error

    async def acquire() -> None:
        nonlocal answer
        answer = await _acquire(task, record, step)

    likely = record.tasks[task.message.task].claims == 0 and not task.world.pictures.blocked
    await task.world.gather((look(), acquire()) if likely else (look(),))
    return found, answer


async def _acquire(task: TaskRun, record: JobRecord, step: Pay) -> _Answer:
    if task.message.held == NO_MONEY:
        # Checked before acquiring: others must not wait behind reservations that are not used.
        index, now = task.message.task, task.world.clock.now()
        first = step.deployments[0]
        trial = plan_attempt(record, index, step, first, task.configuration, now=now)
        if why := await find_budget_obstacle(trial, record, task.world, task.configuration):
            return why
    request = ReservationRequest(
        deployments=step.deployments,
        limit=call_limit(record, task.message.task, task.configuration),
        share=find_share(record, task.configuration),
        ticket=task.ticket_of(record),
        give_up_at=step.give_up_at,
        is_last_call=_is_last_call(task, record, step),
    )
    return await acquire_reservation(request, task.world)


def _is_last_call(task: TaskRun, record: JobRecord, step: Pay) -> bool:
    """Tell whether an unknown outcome would end the task, and there is time to wait for others."""
    if may_retry_unknown(record.tasks[task.message.task], task.on_unknown(record)):
        return False
    return task.world.clock.now() + LAST_CALL_WAIT < step.give_up_at


async def _requeue(
    task: TaskRun, stored: Versioned[JobRecord], step: Pay, answer: _NotGranted
) -> Report:
    """Put the message back until it may call, at most until `give_up_at`."""
    if isinstance(answer, Failure | NoBudget):
        return await _park_or_wait(task, stored, answer)
    if isinstance(answer, CircuitOpen):
        until = min(task.world.clock.now() + answer.delay, step.give_up_at)
        return await task.wait_for_circuit(answer, until)
    until = min(answer.ticket.at, step.give_up_at)
    return await task.wait_in_line(stored, answer.ticket, until)


def _reroute(
    task: TaskRun, record: JobRecord, answer: _NotGranted, prompt: str
) -> JobRecord | None:
    if not isinstance(answer, CircuitOpen):
        return None
    return reroute(
        record,
        task.message.task,
        answer,
        task.configuration,
        prompt_characters=len(prompt),
        now=task.world.clock.now(),
    )


@dataclass(frozen=True, slots=True)
class _Intent:
    """A call that is written down and about to be paid for."""

    stored: Versioned[JobRecord]
    attempt: Attempt
    deployment: Deployment
    slots: tuple[Slot, ...]


async def _record_intent(
    task: TaskRun, stored: Versioned[JobRecord], step: Pay, reservation: Reservation
) -> _Intent | Failure | NoBudget:
    """Reserve the call's estimate, then write the intent to pay, or return why there is no money.

    Raises `StaleVersion` when the record was changed meanwhile.
    """
    index, now = task.message.task, task.world.clock.now()
    deployment = next(each for each in step.deployments if each.name == reservation.deployment)
    attempt = plan_attempt(stored.value, index, step, deployment, task.configuration, now=now)
    reserved = await reserve_budget(attempt, stored.value, task.world, task.configuration)
    if not isinstance(reserved, Attempt):
        return reserved
    try:
        claimed = await _replace(task.world, claim(stored.value, index, reserved), stored)
    except StaleVersion:
        await release_budget(reserved, task.world)
        raise
    return _Intent(claimed, reserved, deployment, step.slots)


async def _pay_or_wait(
    task: TaskRun,
    stored: Versioned[JobRecord],
    step: Pay,
    reservation: Reservation,
    prompt: str,
) -> Report | None:
    """Write down the call and make it, or return the reservation and wait.

    Return None when the record was changed meanwhile.
    """
    why: Failure | NoBudget | None = None
    async with task.world.pools.calling(reservation) as may_call:
        if may_call:
            try:
                intended = await _record_intent(task, stored, step, reservation)
            except StaleVersion:
                return None
            if isinstance(intended, _Intent):
                return await _pay(task, intended, reservation, prompt)
            why = intended
    await task.release(reservation)
    if why is None:
        return await task.wait_for_replies(reservation)
    return await _park_or_wait(task, stored, why)


async def _park_or_wait(
    task: TaskRun, stored: Versioned[JobRecord], why: Failure | NoBudget
) -> Report:
    if isinstance(why, Failure):
        return await task.park(stored, why)
    return await task.wait_for_budget()


async def _pay(task: TaskRun, paid: _Intent, reservation: Reservation, prompt: str) -> Report:
    """Call, and write the result; report to the pool last, since it only paces."""
    result = await _call(task, paid, prompt)
    report = await task.apply_outcome(paid.stored, paid.attempt, result, reservation)
    before = paid.stored.value.tasks[task.message.task].last_unpaid
    feedback = feedback_of(result.outcome, before=before)
    alarms = await task.report_to_pool(reservation, feedback)
    return replace(report, alarms=(*report.alarms, *alarms))


async def _call(task: TaskRun, paid: _Intent, prompt: str) -> CallResult:
    record, attempt = paid.stored.value, paid.attempt
    locale = record.tasks[task.message.task].locale
    plan = record.plans[record.tasks[task.message.task].part]
    prompt = localize_prompt(prompt, locale, task.configuration.settings.locale_template)
    return await call(
        task.world,
        build_request(
            plan, paid.deployment, n=len(paid.slots), prompt=prompt, inputs=record.inputs
        ),
        paid.slots,
        metadata={
            **encode_tags(record.job.tags),
            **record.labels,
            "model": plan.model,
            "locale": locale or "",
            "attempt": str(attempt.token),
        },
        limit=timedelta(seconds=attempt.limit_seconds),
        client_request_id=attempt.client_request_id,
    )


async def _replace(
    world: World, record: JobRecord, stored: Versioned[JobRecord]
) -> Versioned[JobRecord]:
    return Versioned(record, await world.records.replace(record, stored.version))


async def _read_prompt(task: TaskRun, record: JobRecord) -> str | Failure:
    """Return the prompt; a failure if it, or an input picture, was changed or removed."""
    inputs, blob = task.world.inputs, record.job.prompt_blob
    try:
        prompt = record.job.prompt
        if blob:
            prompt = await inputs.read_text(blob, max_bytes=MAX_PROMPT_BYTES)
    except InvalidJob as error:  # it was changed after the job was accepted
        return Failure(code=FailureCode.PROMPT_MISSING, message=str(error))
    if prompt is None:
        return Failure(code=FailureCode.PROMPT_MISSING, message=f"the prompt blob {blob!r} is gone")
    digest = record.prompt_sha256
    if digest and hashlib.sha256(prompt.encode()).hexdigest() != digest:  # the job's key is of it
        why = f"the prompt blob {blob!r} was changed after the job was accepted"
        return Failure(code=FailureCode.PROMPT_MISSING, message=why)
    for picture in record.inputs:
        found = await inputs.head(picture.blob, most=1)
        if found is None or found.version != picture.version:
            return Failure(
                code=FailureCode.INPUT_CHANGED,
                message=f"the input {picture.blob!r} was changed or removed after the job was "
                "accepted",
            )
    return prompt
