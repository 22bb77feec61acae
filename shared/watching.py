"""How long the jobs wait: what an operator wants to be woken by, if it is long."""

from collections.abc import Mapping

from .configuration import Configuration
from .ports import World


async def ages(world: World, configuration: Configuration) -> Mapping[str, float]:
    """Return the age of the oldest message that waits in each queue, seconds; 0 where none does."""
    settings = configuration.settings
    now = world.clock.now()
    found: dict[str, float] = {}
    for queue in (settings.jobs_queue, *settings.lanes.values(), settings.deliveries_queue):
        sent_at = await world.queues.oldest(queue)
        found[queue] = max((now - sent_at).total_seconds(), 0.0) if sent_at else 0.0
    return found
