"""Intake: a message becomes a record and a task on a lane, or a rejection; never a poison message.

Order of writes: the record (create-only), then the lane messages, then the event. Stopped between
any two, the redelivered message finds the record and carries on from there.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from . import events
from .announcing import announce, dead_letter_name
from .configuration import Configuration
from .errors import AlreadyExists, ConflictingJob, Fault, InvalidJob, Rejected, UnsupportedRequest
from .events import RejectionCode
from .jobs import Job
from .messages import read_job, unsupported_yet
from .plans import Plan
from .ports import Versioned, World
from .records import JobRecord, JobState, TaskState
from .reports import Report
from .routing import route
from .tasks import TaskMessage
from .transitions import open_record

#: A prompt has at most 32,000 characters (foundry-api: the images API reference), each at most
#: four bytes of UTF-8.
MAX_PROMPT_BYTES: Final = 4 * 32_000


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A message as the queue delivered it."""

    body: bytes
    #: The queue's own id of the message: the same at each delivery.
    message_id: str
    inserted_at: datetime


async def take_in(message: JobMessage, world: World, configuration: Configuration) -> Report:
    """Accept, repeat or reject one message of the jobs queue.

    Raises only `Unavailable` (the queue delivers the message again); whatever is wrong with the
    message itself is announced and done with.
    """
    digest = hashlib.sha256(message.body).hexdigest()
    try:
        job = read_job(message.body, inserted_at=message.inserted_at, seed=message.message_id)
        plan = await _judge(job, world, configuration)
        record = open_record(
            job,
            (plan,),
            now=world.clock.now(),
            announce=configuration.settings.announce_accepted,
        )
        try:
            stored = Versioned(record, await world.records.create(record))
            what = "accepted"
        except AlreadyExists:
            stored = await _existing(job, world)
            what = "repeated"
    except Rejected as rejection:
        await _reject(message, digest, rejection, world, configuration)
        return Report(
            "rejected",
            rejection.job_id,
            {"code": rejection.code, "faults": [str(fault) for fault in rejection.faults]},
        )
    await wake(stored.value, world, configuration)
    repeated = what == "repeated" and stored.value.state is not JobState.RUNNING
    await announce(stored, world, source=configuration.settings.event_source, again=repeated)
    return Report(what, job.job_id, _facts(stored.value))


def _facts(record: JobRecord) -> dict[str, Any]:
    plans = record.plans
    return {
        "model": ",".join(dict.fromkeys(plan.model for plan in plans)),
        "size": ",".join(dict.fromkeys(f"{plan.width}x{plan.height}" for plan in plans)),
        "quality": ",".join(dict.fromkeys(plan.quality or "-" for plan in plans)),
        "lane": ",".join(dict.fromkeys(plan.lane for plan in plans)),
        "tasks": len(record.tasks),
        "estimate_usd": record.estimate_usd,
    }


async def _judge(job: Job, world: World, configuration: Configuration) -> Plan:
    """Return the plan of a job that may go ahead, or raise `Rejected` with every fault."""
    settings = configuration.settings
    faults = list(unsupported_yet(job))
    if job.reply_to and not settings.allows_reply_to(job.reply_to):
        allowed = ", ".join(settings.reply_queues) or "none are configured"
        faults.append(
            Fault("reply_to", f"{job.reply_to!r} is not an allowed queue; allowed: {allowed}")
        )
    characters = len(job.prompt or "")
    if job.prompt_blob:
        try:
            prompt = await world.inputs.read_text(job.prompt_blob, max_bytes=MAX_PROMPT_BYTES)
        except InvalidJob as error:
            faults += error.faults
        else:
            if prompt is None:
                where = f"{settings.inputs_container}/{job.prompt_blob}"
                faults.append(Fault("prompt_blob", f"there is no blob {where}"))
            elif not prompt.strip():
                faults.append(Fault("prompt_blob", f"{job.prompt_blob!r} holds no prompt"))
            characters = len(prompt or "")
    if faults:
        raise InvalidJob(faults, job_id=job.job_id)
    try:
        plan = route(
            job,
            catalogue=configuration.catalogue,
            deployments=configuration.deployments,
            today=world.clock.now().date(),
            prompt_characters=characters,
        )
    except UnsupportedRequest as error:
        raise UnsupportedRequest(error.faults, job_id=job.job_id) from error
    if job.max_cost_usd is not None:
        _refuse_dear(job, plan)
    return plan


def _refuse_dear(job: Job, plan: Plan) -> None:
    limit = job.max_cost_usd
    estimate = plan.estimate_usd
    if estimate is None:
        problem = f"the price of {plan.model} is not known, so a limit of ${limit} can't be kept"
    elif limit is not None and estimate > float(limit):
        problem = f"the estimate is ${estimate:.4f} ({plan.estimate_basis}), above ${limit}"
    else:
        return
    rejection = UnsupportedRequest([Fault("max_cost_usd", problem)], job_id=job.job_id)
    rejection.code = RejectionCode.OVER_COST_LIMIT
    raise rejection


async def _existing(job: Job, world: World) -> Versioned[JobRecord]:
    stored = await world.records.read(job.job_id)
    if stored is None or stored.value.fingerprint != job.fingerprint:
        raise ConflictingJob(
            [Fault("job_id", f"{job.job_id!r} belongs to a job with other content; use a new id")],
            job_id=job.job_id,
        )
    return stored


async def wake(record: JobRecord, world: World, configuration: Configuration) -> None:
    """Send one message for each task that nobody has begun; a second one does no harm."""
    for task in record.tasks:
        if task.state is TaskState.PENDING:
            queue = configuration.settings.lanes[record.plan_of(task.index).lane]
            message = TaskMessage(
                job_id=record.job_id, task=task.index, generation=record.generation
            )
            await world.queues.send(queue, message.to_bytes())


async def _reject(
    message: JobMessage,
    digest: str,
    rejection: Rejected,
    world: World,
    configuration: Configuration,
) -> None:
    letter = {
        "reason": rejection.code,
        "job_id": rejection.job_id,
        "faults": [{"field": fault.field, "message": fault.message} for fault in rejection.faults],
        "received_at": message.inserted_at.isoformat(),
        "message_id": message.message_id,
        "message_base64": base64.b64encode(message.body).decode(),
    }
    name = dead_letter_name(digest, message.inserted_at)
    await world.dead_letters.put(name, json.dumps(letter, indent=2).encode())
    event = events.rejected(
        rejection,
        digest=digest,
        source=configuration.settings.event_source,
        time=message.inserted_at,
    )
    await world.announcer.announce(event, reply_to=None)
