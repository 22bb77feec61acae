"""Generate: a wakened task looks at its record, pays at most once, and says what came of it.

Order of writes: the intent (a claim), the pictures, the result, the event. Any line may be the
last one executed; the next delivery reads the record and goes on from there.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from .adaptation import adapted
from .announcing import announce
from .attempts import died, ended, intent, pictures_of
from .calling import CallResult, call
from .changing import change
from .conclusions import Ended, conclude
from .configuration import Configuration
from .endings import OPEN
from .errors import StaleVersion
from .events import FailureCode
from .finishing import wake_finish
from .judging import MAX_PROMPT_BYTES
from .outcomes import OutcomeKind
from .payloads import request_of
from .ports import StoredPicture, Versioned, World
from .records import Attempt, Failure, JobRecord
from .reports import Report
from .steps import Converge, GiveUp, LeaveAlone, Pay, Resolve, decide
from .tags import as_metadata
from .tasks import TaskMessage
from .transitions import Superseded, claim, give_up

#: A delayed copy of a message comes back this long after the attempt it waits for must be dead.
LOOK_AGAIN_MARGIN: Final = timedelta(seconds=2)


async def generate(message: TaskMessage, world: World, configuration: Configuration) -> Report:
    """Do what a lane message asks for; raises only `Unavailable` (it is delivered again)."""
    return await _Wakened(message, world, configuration).work()


@dataclass(frozen=True, slots=True)
class _Wakened:
    """A task that a message has wakened, and what it takes to work on it."""

    message: TaskMessage
    world: World
    configuration: Configuration

    async def work(self) -> Report:
        stored = await self.world.records.read(self.message.job_id)
        while stored and self.message.task < len(stored.value.tasks):
            now = self.world.clock.now()
            match decide(stored.value, self.message, now=now, configuration=self.configuration):
                case Converge(why):
                    await self.announce(stored)
                    return self.report(why)
                case LeaveAlone(until):
                    return await self.leave_alone(stored.value, until)
                case GiveUp(failure):
                    return await self.fail(stored, failure)
                case Resolve(attempt):
                    return await self.conclude(stored, attempt, CallResult(died(attempt), {}))
                case Pay() as step:
                    prompt = await self.prompt(stored.value)
                    if prompt is None:
                        return await self.fail(stored, _prompt_gone(stored.value))
                    if changed := await self.changed_input(stored.value):
                        return await self.fail(stored, _input_changed(changed))
                    attempt = intent(
                        stored.value, self.message.task, step, self.configuration, now=now
                    )
                    try:
                        stored = await self.write_intent(stored, attempt)
                    except StaleVersion:
                        stored = await self.world.records.read(self.message.job_id)
                        continue
                    result = await self.pay(stored.value, step, attempt, prompt)
                    return await self.conclude(stored, attempt, result)
        return self.report("no_such_task")

    async def leave_alone(self, record: JobRecord, until: datetime) -> Report:
        wait = until - self.world.clock.now() + LOOK_AGAIN_MARGIN
        await self.wake(record, wait)
        return self.report("left_alone", again_in_seconds=round(wait.total_seconds(), 1))

    async def fail(self, stored: Versioned[JobRecord], failure: Failure) -> Report:
        """End the task without a call, unless it has ended already, and tell the world."""
        index = self.message.task

        def step(record: JobRecord) -> JobRecord:
            if record.tasks[index].state not in OPEN:
                return record
            return give_up(record, index, failure, now=self.world.clock.now())

        stored = await change(self.world.records, stored, step)
        await self.announce(stored)
        state = stored.value.tasks[index].state
        return self.report(state, code=failure.code, why=failure.message)

    async def prompt(self, record: JobRecord) -> str | None:
        if record.job.prompt_blob is None:
            return record.job.prompt
        return await self.world.inputs.read_text(record.job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)

    async def changed_input(self, record: JobRecord) -> str | None:
        """Return the name of an input that is no more what it was when the job was taken."""
        for picture in record.inputs:
            found = await self.world.inputs.head(picture.blob, most=1)
            if found is None or found.version != picture.version:
                return picture.blob
        return None

    async def write_intent(
        self, stored: Versioned[JobRecord], attempt: Attempt
    ) -> Versioned[JobRecord]:
        record = claim(stored.value, self.message.task, attempt)
        return Versioned(record, await self.world.records.replace(record, stored.version))

    async def pay(self, record: JobRecord, step: Pay, attempt: Attempt, prompt: str) -> CallResult:
        plan = record.plan_of(self.message.task)
        blobs = tuple(slot.blob for slot in step.slots)
        missing = record.planned[self.message.task].model_copy(
            update={"n": len(blobs), "pictures": blobs}
        )
        template = self.configuration.settings.locale_template
        prompt = adapted(prompt, missing.locale, template)
        return await call(
            self.world,
            request_of(plan, missing, step.deployment, prompt=prompt, inputs=record.inputs),
            step.slots,
            metadata={
                **as_metadata(record.job.tags),
                "job_id": record.job_id,
                "model": plan.model,
                "locale": missing.locale or "",
                "attempt": str(attempt.token),
            },
            limit=timedelta(seconds=attempt.limit_seconds),
            client_request_id=attempt.client_request_id,
        )

    async def conclude(
        self, stored: Versioned[JobRecord], attempt: Attempt, result: CallResult
    ) -> Report:
        """Write the result of an attempt, wake the task again if it must be, tell the world."""
        record, index = stored.value, self.message.task
        found = await self.look_for(record, result)
        came_to = Ended(
            ended(record, index, attempt, result, self.configuration, now=self.world.clock.now()),
            result.outcome,
            pictures_of(record, index, found),
        )
        on_unknown = record.job.on_unknown or self.configuration.settings.on_unknown_outcome
        wake_after: timedelta | None = None

        def step(current: JobRecord) -> JobRecord:
            nonlocal wake_after
            conclusion = conclude(
                current, index, came_to, on_unknown=on_unknown, now=self.world.clock.now()
            )
            wake_after = conclusion.wake_after
            return conclusion.record

        facts = _facts(came_to.attempt, len(result.stored))
        try:
            stored = await change(self.world.records, stored, step)
        except Superseded:
            return self.report("superseded", **facts)
        if wake_after is not None:
            await self.wake(stored.value, wake_after)
            facts["again_in_seconds"] = round(wake_after.total_seconds(), 1)
        await self.announce(stored)
        return self.report(stored.value.tasks[index].state, **facts)

    async def look_for(self, record: JobRecord, result: CallResult) -> dict[int, StoredPicture]:
        """Return the pictures that are stored; after an unknown outcome, whoever stored them."""
        found = dict(result.stored)
        if result.outcome.kind is OutcomeKind.UNKNOWN:
            for number, blob in enumerate(record.planned[self.message.task].pictures):
                if number not in found and (picture := await self.world.pictures.find(blob)):
                    found[number] = picture
        return found

    async def announce(self, stored: Versioned[JobRecord]) -> None:
        """Bring about what comes next: the finish of the originals, or the news of the end."""
        await wake_finish(stored.value, self.world, self.configuration)
        await announce(stored, self.world, source=self.configuration.settings.event_source)

    async def wake(self, record: JobRecord, delay: timedelta) -> None:
        """Send a copy of the message back to its lane; the platform's dequeue count starts anew."""
        queue = self.configuration.settings.lanes[record.plan_of(self.message.task).lane]
        await self.world.queues.send(queue, self.message.to_bytes(), delay=max(delay, timedelta()))

    def report(self, what: str, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
        return Report(what, self.message.job_id, {"task": self.message.task, **facts})


def _prompt_gone(record: JobRecord) -> Failure:
    return Failure(
        code=FailureCode.PROMPT_MISSING,
        message=f"the prompt blob {record.job.prompt_blob!r} is gone",
    )


def _input_changed(blob: str) -> Failure:
    return Failure(
        code=FailureCode.INPUT_CHANGED,
        message=f"the input {blob!r} was changed or removed after the job was taken",
    )


def _facts(attempt: Attempt, pictures: int) -> dict[str, Any]:
    """Return what an operator looks for after a call."""
    ended_at = attempt.ended_at or attempt.started_at
    return {
        "attempt": attempt.token,
        "deployment": attempt.deployment,
        "outcome": attempt.kind,
        "code": attempt.code,
        "request_id": attempt.request_id,
        "pictures": pictures,
        "cost_usd": attempt.cost_usd,
        "seconds": round((ended_at - attempt.started_at).total_seconds(), 2),
    }
