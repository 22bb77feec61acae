"""Generate: a wakened task looks at its record, pays at most once, and says what came of it.

Order of writes: the intent (a claim), the pictures, the result, the event. Any line may be the
last one executed; the next delivery reads the record and goes on from there.
"""

from datetime import datetime, timedelta
from typing import Final

from .announcing import announce
from .attempts import died, ended, intent, pictures_of
from .calling import CallResult, call
from .changing import change
from .conclusions import Conclusion, OnUnknown, conclude
from .configuration import Configuration
from .errors import CredentialUnavailable, StaleVersion
from .events import FailureCode
from .intake import MAX_PROMPT_BYTES
from .outcomes import Outcome, OutcomeKind
from .payloads import generation
from .ports import Versioned, World
from .records import Attempt, Failure, JobRecord
from .reports import Report
from .steps import Converge, GiveUp, LeaveAlone, Pay, Resolve, decide
from .tasks import TaskMessage
from .transitions import OPEN, Superseded, claim, give_up

#: A delayed copy of a message comes back this long after the attempt it waits for must be dead.
LOOK_AGAIN_MARGIN: Final = timedelta(seconds=2)


async def generate(message: TaskMessage, world: World, configuration: Configuration) -> Report:
    """Do what a lane message asks for; raises only `Unavailable` (it is delivered again)."""
    stored = await world.records.read(message.job_id)
    while stored and message.task < len(stored.value.tasks):
        now = world.clock.now()
        step = decide(stored.value, message, now=now, configuration=configuration)
        match step:
            case Converge(why):
                await announce(stored, world, source=configuration.settings.event_source)
                return Report(why, message.job_id, {"task": message.task})
            case LeaveAlone(until):
                return await _leave_alone(stored.value, message, until, world, configuration)
            case GiveUp(failure):
                return await fail(stored, message.task, failure, world, configuration)
            case Resolve(attempt):
                result = CallResult(died(attempt), {})
                return await _conclude(stored, message, attempt, result, world, configuration)
            case Pay():
                prompt = await _prompt(stored.value, world)
                if prompt is None:
                    gone = Failure(
                        code=FailureCode.PROMPT_MISSING,
                        message=f"the prompt blob {stored.value.job.prompt_blob!r} is gone",
                    )
                    return await fail(stored, message.task, gone, world, configuration)
                attempt = intent(stored.value, message.task, step, configuration, now=now)
                try:
                    stored = await _write_intent(stored, message.task, attempt, world)
                except StaleVersion:
                    stored = await world.records.read(message.job_id)
                    continue
                result = await _pay(stored.value, message.task, step, attempt, prompt, world)
                return await _conclude(stored, message, attempt, result, world, configuration)
    return Report("no_such_task", message.job_id, {"task": message.task})


async def fail(
    stored: Versioned[JobRecord],
    index: int,
    failure: Failure,
    world: World,
    configuration: Configuration,
) -> Report:
    """End a task without a call, unless it has ended already, and tell the world."""

    def step(record: JobRecord) -> JobRecord:
        if record.tasks[index].state not in OPEN:
            return record
        return give_up(record, index, failure, now=world.clock.now())

    stored = await change(world.records, stored, step)
    await announce(stored, world, source=configuration.settings.event_source)
    facts = {"task": index, "code": failure.code, "why": failure.message}
    return Report(stored.value.tasks[index].state, stored.value.job_id, facts)


async def _leave_alone(
    record: JobRecord,
    message: TaskMessage,
    until: datetime,
    world: World,
    configuration: Configuration,
) -> Report:
    wait = until - world.clock.now() + LOOK_AGAIN_MARGIN
    await _wake(record, message, wait, world, configuration)
    facts = {"task": message.task, "again_in_seconds": round(wait.total_seconds(), 1)}
    return Report("left_alone", record.job_id, facts)


async def _prompt(record: JobRecord, world: World) -> str | None:
    if record.job.prompt_blob is None:
        return record.job.prompt
    return await world.inputs.read_text(record.job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)


async def _write_intent(
    stored: Versioned[JobRecord], index: int, attempt: Attempt, world: World
) -> Versioned[JobRecord]:
    record = claim(stored.value, index, attempt)
    return Versioned(record, await world.records.replace(record, stored.version))


async def _pay(
    record: JobRecord, index: int, step: Pay, attempt: Attempt, prompt: str, world: World
) -> CallResult:
    plan = record.plan
    blobs = tuple(slot.blob for slot in step.slots)
    missing = plan.tasks[index].model_copy(update={"n": len(blobs), "pictures": blobs})
    try:
        return await call(
            world,
            generation(plan, missing, step.deployment, prompt=prompt),
            step.slots,
            content_type=plan.content_type,
            metadata={
                **record.job.tags,
                "job_id": record.job_id,
                "model": plan.model,
                "attempt": str(attempt.token),
            },
            limit=timedelta(seconds=attempt.limit_seconds),
            client_request_id=attempt.client_request_id,
        )
    except CredentialUnavailable as error:
        outcome = Outcome(
            kind=OutcomeKind.NOT_SENT,
            code="no_credential",
            message=str(error),
            retry_after=None,
            charged="no",
            request_id=None,
        )
        return CallResult(outcome, {})


async def _conclude(
    stored: Versioned[JobRecord],
    message: TaskMessage,
    attempt: Attempt,
    result: CallResult,
    world: World,
    configuration: Configuration,
) -> Report:
    """Write the result of an attempt, wake the task again if it must be, and tell the world."""
    index = message.task
    record = stored.value
    found = dict(result.stored)
    if result.outcome.kind is OutcomeKind.UNKNOWN:
        for number, blob in enumerate(record.plan.tasks[index].pictures):
            if number not in found and (picture := await world.pictures.find(blob)):
                found[number] = picture
    pictures = pictures_of(record, index, found)
    done = ended(record, attempt, result, configuration, now=world.clock.now())
    on_unknown: OnUnknown = record.job.on_unknown or configuration.settings.on_unknown_outcome
    conclusion: Conclusion | None = None

    def step(current: JobRecord) -> JobRecord:
        nonlocal conclusion
        conclusion = conclude(
            current,
            index,
            done,
            result.outcome,
            pictures,
            on_unknown=on_unknown,
            now=world.clock.now(),
        )
        return conclusion.record

    facts = {
        "task": index,
        "attempt": attempt.token,
        "deployment": attempt.deployment,
        "outcome": result.outcome.kind,
        "code": result.outcome.code,
        "request_id": result.outcome.request_id,
        "pictures": len(result.stored),
        "cost_usd": done.cost_usd,
        "seconds": round((world.clock.now() - attempt.started_at).total_seconds(), 2),
    }
    try:
        stored = await change(world.records, stored, step)
    except Superseded:
        return Report("superseded", record.job_id, facts)
    if conclusion and conclusion.wake_after is not None:
        await _wake(stored.value, message, conclusion.wake_after, world, configuration)
        facts["again_in_seconds"] = round(conclusion.wake_after.total_seconds(), 1)
    await announce(stored, world, source=configuration.settings.event_source)
    return Report(stored.value.tasks[index].state, record.job_id, facts)


async def _wake(
    record: JobRecord,
    message: TaskMessage,
    delay: timedelta,
    world: World,
    configuration: Configuration,
) -> None:
    """Send a copy of the message back to its lane; the platform's dequeue count starts anew."""
    queue = configuration.settings.lanes[record.plan.lane]
    await world.queues.send(queue, message.to_bytes(), delay=max(delay, timedelta()))
