"""Dispatch: an event is offered to its sink until it is taken, or kept as a dead letter.

Each sink has messages of its own, so one that is slow or down holds up nobody but itself.
"""

import base64
import hashlib
import json
from typing import Any

from ..config.settings import Configuration
from ..errors import DeliveryFailed, MalformedMessage
from ..events.delivery import Delivery, read_delivery, wait_after
from ..ports import Report, World
from ..vocabulary import dead_letter_name
from .intake import JobMessage


async def deliver(message: JobMessage, world: World, configuration: Configuration) -> Report:
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


async def handle_poison_delivery(message: JobMessage, world: World) -> Report:
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
    """Make a dead letter of an event that a sink will not have."""
    now = world.clock.now()
    letter = {
        "reason": "undeliverable",
        "sink": sending.sink,
        "tries": sending.tries,
        "since": sending.since.isoformat(),
        "why": why,
        "event": sending.event,
    }
    name = dead_letter_name(f"{sending.event_id}.{sending.sink}", now)
    await world.dead_letters.put(name, json.dumps(letter, indent=2).encode())
    return _report("undeliverable", sending, why=why, dead_letter=name)


async def _keep_message(message: JobMessage, reason: str, why: str, world: World) -> Report:
    digest = hashlib.sha256(message.body).hexdigest()
    letter = {
        "reason": reason,
        "why": why,
        "received_at": message.inserted_at.isoformat(),
        "message_base64": base64.b64encode(message.body).decode(),
    }
    name = dead_letter_name(digest, message.inserted_at)
    await world.dead_letters.put(name, json.dumps(letter, indent=2).encode())
    return Report("undeliverable", None, {"why": why, "dead_letter": name})


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
