"""Intake: turn a message into an accepted job, an executed command or a rejection.

What only a command or a rejection needs is imported with the first: most messages are right jobs.
"""

# ruff: noqa: PLC0415 (see above)

import hashlib
from dataclasses import dataclass
from typing import Any

from ..config.settings import Configuration, Settings
from ..errors import BlobLeased, Rejected
from ..jobs.parsing import (
    Envelope,
    Message,
    callback_url,
    job_in,
    open_envelope,
    read_job,
    reply_queue,
    tenant_of,
)
from ..ports import Report, What
from ..records.record import JobRecord, Reused
from ..routing.plan import Plan
from ..stores.world import World
from .acceptance import Accepted, accept, validate_job


async def handle_job_message(
    message: Message, world: World, configuration: Configuration
) -> Report:
    """Accept, repeat or reject one job of the jobs queue, or execute a command.

    Raises only `Unavailable`: the queue delivers the message again. What is wrong with the message
    itself is published as a rejection.
    """
    envelope = None
    try:
        envelope = open_envelope(message)
        if envelope.is_command:
            from ..records.commands import read_command
            from .control import handle_command

            command = read_command(envelope)
            # A copy that waited has the time of the first one; 0 is no time.
            sent_at = envelope.time if envelope.time.timestamp() else message.inserted_at
            began_at = min(sent_at, message.inserted_at)
            return await handle_command(command, began_at, world, configuration)
        job = job_in(envelope, message)
        try:
            accepted = await accept(job, world, configuration)
        except BlobLeased as error:  # it was accepted before; a sweep publishes its event
            return Report(What.WAITING, job.job_id, {"reason": "leased", "why": str(error)})
    except Rejected as rejection:
        await _reject(message, envelope, rejection, world, configuration)
        return Report(
            What.REJECTED,
            rejection.job_id,
            {"code": rejection.code, "faults": [str(fault) for fault in rejection.faults]},
        )
    what = What.ACCEPTED if accepted.is_new else What.REPEATED
    return Report(what, job.job_id, _facts(accepted.stored.value))


def _facts(record: JobRecord) -> dict[str, Any]:
    plans = record.plans
    return {
        "model": ",".join(dict.fromkeys(plan.model for plan in plans)),
        "size": ",".join(dict.fromkeys(f"{plan.width}x{plan.height}" for plan in plans)),
        "quality": ",".join(dict.fromkeys(plan.quality or "-" for plan in plans)),
        "tasks": len(record.tasks),
        "estimate_usd": record.estimate_usd,
    }


async def _reject(
    message: Message,
    envelope: Envelope | None,
    rejection: Rejected,
    world: World,
    configuration: Configuration,
) -> None:
    from ..records.dead_letter import DeadLetterKind, message_letter

    letter = message_letter(
        DeadLetterKind.MESSAGE,
        message,
        reason=rejection.code,
        why=str(rejection),
        job_id=rejection.job_id,
        faults=rejection.faults,
    )
    await world.dead_letters.put(letter)
    await publish_rejection(message, envelope, rejection, world, configuration.settings)


async def publish_rejection(
    message: Message,
    envelope: Envelope | None,
    rejection: Rejected,
    world: World,
    settings: Settings,
) -> None:
    """Publish why a message is no accepted job, to its reply queue too if that can be read."""
    from ..events import cloud_events

    event = cloud_events.rejected(
        rejection,
        digest=hashlib.sha256(message.body).hexdigest(),
        tenant=tenant_of(envelope, message.tenant),
        source=settings.event_source,
        time=message.inserted_at,
    )
    await world.publisher.publish(
        event,
        reply_to=reply_queue(envelope, settings.allows_reply_to),
        callback=callback_url(envelope, settings.allows_callback),
    )


async def submit(message: Message, world: World, configuration: Configuration) -> Accepted:
    """Accept one job. Raises `Rejected` or `Unavailable`."""
    return await accept(read_job(message), world, configuration, sender=message.tenant)


@dataclass(frozen=True, slots=True)
class Estimated:
    """The plans a job would get, and the job whose pictures would answer it at no cost."""

    plans: tuple[Plan, ...]
    reused: Reused | None = None


async def estimate(message: Message, world: World, configuration: Configuration) -> Estimated:
    """Return what a job would get; nothing is stored. Raises `Rejected` or `Unavailable`."""
    job = read_job(message)
    valid = await validate_job(job, world, configuration, sender=message.tenant)
    if not job.reuse:
        return Estimated(valid.plans)
    from .reuse import find_source

    source = await find_source(job, valid.plans, valid.inputs, world, configuration)
    return Estimated(valid.plans, source)
