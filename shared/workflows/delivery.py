"""Deliver events to sinks: retry until the sink accepts the event, or keep a dead letter.

Each sink has its own messages, so a sink that is slow or down delays no other.
"""

from typing import Any, Final
from urllib.parse import urlsplit

from ..config.settings import Configuration
from ..errors import DeliveryFailed, MalformedMessage, UnreadableRecord
from ..events.delivery import Delivery, delivery_letter, read_delivery, wait_after
from ..jobs.fields import is_job_id
from ..jobs.parsing import Message
from ..ports import Report, Sink, What
from ..records.dead_letter import DeadLetterKind, message_letter
from ..stores.world import World
from ..vocabulary import EventType

_ERASED: Final = "the data of its job is erased"


async def deliver(message: Message, world: World, configuration: Configuration) -> Report:
    """Send the event of a message to its sink.

    If the sink does not accept it, the event is sent again, each time after a longer wait, for
    `DELIVERY_WINDOW_SECONDS`. An event of a job whose data is erased is not sent again. Raises only
    `Unavailable`.
    """
    try:
        delivery = read_delivery(message.body)
    except MalformedMessage as error:
        return await _keep_message(message, "malformed", str(error), world)
    if delivery.tries and await _is_erased(delivery, world):
        return _report(What.IGNORED, delivery, why=_ERASED)
    try:
        sink = _open_sink(delivery, world, configuration)
    except ValueError as error:
        return await _keep(delivery, str(error), world)
    try:
        await sink.take(delivery.event)
    except DeliveryFailed as error:
        return await _retry_later(delivery, error, world, configuration)
    return _report(What.DELIVERED, delivery)


def _open_sink(delivery: Delivery, world: World, configuration: Configuration) -> Sink:
    """Return the sink of a delivery; `ValueError` if the settings do not have or allow it now."""
    if delivery.url:
        try:
            configuration.settings.check_callback(delivery.url)
        except ValueError as error:
            raise ValueError(f"the callback {error}") from error
        return world.callback(delivery.url)
    if delivery.sink not in world.sinks:
        raise ValueError(f"there is no sink {delivery.sink!r} any more")
    return world.sinks[delivery.sink]


async def handle_poison_delivery(message: Message, world: World) -> Report:
    """Keep a message that the platform set aside; raises only `Unavailable`."""
    try:
        delivery = read_delivery(message.body)
    except MalformedMessage as error:
        return await _keep_message(message, "poisoned", str(error), world)
    return await _keep(delivery, "the app stopped at this event repeatedly", world)


async def _retry_later(
    delivery: Delivery, error: DeliveryFailed, world: World, configuration: Configuration
) -> Report:
    wait = wait_after(delivery, error.retry_after)
    tried = delivery.model_copy(update={"tries": delivery.tries + 1})
    gives_up_at = delivery.since + configuration.settings.delivery_window
    if error.final or world.clock.now() + wait > gives_up_at:
        return await _keep(tried, str(error), world)
    queue = configuration.settings.deliveries_queue
    await world.queues.send(queue, tried.to_bytes(), delay=wait)
    return _report(
        What.PUT_BACK, tried, why=str(error), again_in_seconds=round(wait.total_seconds(), 1)
    )


async def _keep(delivery: Delivery, why: str, world: World) -> Report:
    """Keep an event that its sink did not accept as a dead letter, unless its job is erased."""
    if await _is_erased(delivery, world):
        return _report(What.UNDELIVERABLE, delivery, why=f"{why}; {_ERASED}")
    name = await world.dead_letters.put(delivery_letter(delivery, why, at=world.clock.now()))
    return _report(What.UNDELIVERABLE, delivery, why=why, dead_letter=name)


async def _is_erased(delivery: Delivery, world: World) -> bool:
    """Tell whether the event would tell what a job was whose data is erased.

    A rejection is about a later message of the same id.
    """
    job_id = _job_id(delivery)
    if job_id is None or delivery.event.get("type") == EventType.REJECTED:
        return False
    try:
        stored = await world.records.read(job_id)
    except UnreadableRecord:
        return False
    return stored is not None and stored.value.erased is not None


def _job_id(delivery: Delivery) -> str | None:
    data = delivery.event.get("data")
    job_id = data.get("job_id") if isinstance(data, dict) else None
    return str(job_id) if is_job_id(job_id) else None


async def _keep_message(message: Message, reason: str, why: str, world: World) -> Report:
    letter = message_letter(DeadLetterKind.DELIVERY, message, reason=reason, why=why)
    name = await world.dead_letters.put(letter)
    return Report(What.UNDELIVERABLE, None, {"why": why, "dead_letter": name})


def _report(what: What, delivery: Delivery, **facts: Any) -> Report:  # noqa: ANN401 (what a log line can hold)
    known = {
        "event": delivery.event.get("type"),
        "event_id": delivery.event_id,
        "sink": delivery.sink,
        "tries": delivery.tries,
    }
    if delivery.url:  # its path and query may hold a secret
        known["host"] = urlsplit(delivery.url).hostname
    return Report(what, _job_id(delivery), known | facts)
