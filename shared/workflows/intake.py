"""Intake: a message becomes an accepted job or a rejection; never a poison message.

Submission over HTTP: a body becomes an accepted job, or every reason why not.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..config.settings import Configuration
from ..errors import Rejected
from ..jobs.commands import read_command
from ..jobs.parsing import read_job, reply_queue_of
from ..ports import Report, World
from ..records.record import JobRecord
from ..routing.plan import Plan
from ..vocabulary import dead_letter_name
from .acceptance import Accepted, accept, validate_job


@dataclass(frozen=True, slots=True)
class JobMessage:
    """A message as the queue delivered it."""

    body: bytes
    #: The queue's own id of the message: the same at each delivery.
    message_id: str
    inserted_at: datetime


async def handle_job_message(
    message: JobMessage, world: World, configuration: Configuration
) -> Report:
    """Accept, repeat or reject one job of the jobs queue, or carry an order out.

    Raises only `Unavailable` (the queue delivers the message again); whatever is wrong with the
    message itself is announced and done with.
    """
    digest = hashlib.sha256(message.body).hexdigest()
    try:
        if command := read_command(message.body):
            from .control import execute_command  # noqa: PLC0415 (orders are rare: no start waits for them)

            return await execute_command(command, world, configuration)
        job = read_job(message.body, inserted_at=message.inserted_at, seed=message.message_id)
        accepted = await accept(job, world, configuration)
    except Rejected as rejection:
        await _reject(message, digest, rejection, world, configuration)
        return Report(
            "rejected",
            rejection.job_id,
            {"code": rejection.code, "faults": [str(fault) for fault in rejection.faults]},
        )
    what = "accepted" if accepted.is_new else "repeated"
    return Report(what, job.job_id, _facts(accepted.stored.value))


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
    from ..events import cloud_events  # noqa: PLC0415 (most messages are right)

    event = cloud_events.rejected(
        rejection,
        digest=digest,
        source=configuration.settings.event_source,
        time=message.inserted_at,
    )
    reply_to = reply_queue_of(message.body, configuration.settings.allows_reply_to)
    await world.publisher.publish(event, reply_to=reply_to)


@dataclass(frozen=True, slots=True)
class Submission:
    """A body as it came."""

    body: bytes
    #: What the id of a job without one is made from: equal for the same request sent again.
    seed: str
    at: datetime


async def submit(submission: Submission, world: World, configuration: Configuration) -> Accepted:
    """Accept one job. Raises `Rejected` or `Unavailable`."""
    job = read_job(submission.body, inserted_at=submission.at, seed=submission.seed)
    return await accept(job, world, configuration)


async def estimate(
    submission: Submission, world: World, configuration: Configuration
) -> tuple[Plan, ...]:
    """Return the plans a job would get; nothing is stored. Raises `Rejected` or `Unavailable`."""
    job = read_job(submission.body, inserted_at=submission.at, seed=submission.seed)
    return (await validate_job(job, world, configuration)).plans
