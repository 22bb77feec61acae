"""Deliver events to sinks: try until the sink takes the event, or keep it as a dead letter.

Each sink has its own messages, so a sink that is slow or down delays no other.
"""

from typing import Any

from ..config.settings import Configuration
from ..errors import DeliveryFailed, MalformedMessage
from ..events.delivery import Delivery, read_delivery, wait_after
from ..jobs.parsing import Message
from ..ports import Report
from ..records.dead_letter import DeadLetter, DeadLetterKind, message_letter
from ..stores.world import World


async def deliver(message: Message, world: World, configuration: Configuration) -> Report:
    """Offer the event of a message to its sink.

    What is not taken comes back later, each time after a longer wait, for as long as
    `DELIVERY_WINDOW_SECONDS` says. Raises only `Unavailable`.
    """
    try:
        sending = read_delivery(message.body)
    except MalformedMessage as error:
        return await _keep_message(message, "malformed", str(error), world)
    sink = world.sinks.get(sending.sink)
    if sink is None:
        return await _keep(sending, f"there is no sink {sending.sink!r} any more", world)
    try:
        await sink.take(sending.event)
    except DeliveryFailed as error:
        return await _again(sending, error, world, configuration)
    return _report("dispatched", sending)


async def handle_poison_delivery(message: Message, world: World) -> Report:
    """Keep a message that the platform gave up on; raises only `Unavailable`."""
    try:
        sending = read_delivery(message.body)
    except MalformedMessage as error:
        return await _keep_message(message, "poisoned", str(error), world)
    return await _keep(sending, "the app stopped at this event again and again", world)


async def _again(
    sending: Delivery, error: DeliveryFailed, world: World, configuration: Configuration
) -> Report:
    wait = wait_after(sending, error.retry_after)
    tried = sending.model_copy(update={"tries": sending.tries + 1})
    gives_up_at = sending.since + configuration.settings.delivery_window
    if error.final or world.clock.now() + wait > gives_up_at:
        return await _keep(tried, str(error), world)
    queue = configuration.settings.deliveries_queue
    await world.queues.send(queue, tried.to_bytes(), delay=wait)
    return _report(
        "put_back", tried, why=str(error), again_in_seconds=round(wait.total_seconds(), 1)
    )


async def _keep(sending: Delivery, why: str, world: World) -> Report:
    """Keep an event that its sink does not take as a dead letter."""
    letter = DeadLetter(
        kind=DeadLetterKind.DELIVERY,
        reason="undeliverable",
        why=why,
        at=world.clock.now(),
        sink=sending.sink,
        tries=sending.tries,
        since=sending.since,
        event=sending.event,
    )
    await world.dead_letters.put(letter.blob_name, letter.to_bytes())
    return _report("undeliverable", sending, why=why, dead_letter=letter.blob_name)


async def _keep_message(message: Message, reason: str, why: str, world: World) -> Report:
    letter = message_letter(DeadLetterKind.DELIVERY, message, reason=reason, why=why)
    await world.dead_letters.put(letter.blob_name, letter.to_bytes())
    return Report("undeliverable", None, {"why": why, "dead_letter": letter.blob_name})


def _report(what: str, sending: Delivery, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
    data = sending.event.get("data")
    job_id = data.get("job_id") if isinstance(data, dict) else None
    told = {
        "event": sending.event.get("type"),
        "event_id": sending.event_id,
        "sink": sending.sink,
        "tries": sending.tries,
    }
    return Report(what, str(job_id) if job_id else None, told | facts)
