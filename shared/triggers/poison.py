"""The poison queues: whatever the platform gave up on becomes a dead letter and an event."""

import azure.functions as func

from ..configuration import Configuration
from ..services.world import open_world
from .deliveries import Handler, queue_function, received, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return one function for each job queue's poison queue."""
    blueprint = func.Blueprint()
    queues = {"intake": configuration.settings.jobs_queue} | {
        f"generate_{lane}": queue for lane, queue in configuration.settings.lanes.items()
    }
    queues["finish"] = configuration.settings.finish_queue
    for source, queue in queues.items():
        name = f"poison_{source}"
        queue_function(blueprint, name, f"{queue}-poison")(_handler(name, queue, configuration))
    return blueprint


def _handler(name: str, queue: str, configuration: Configuration) -> Handler:
    async def handle(message: func.QueueMessage) -> None:
        from ..burying import bury  # noqa: PLC0415 (rare: no start waits for it)

        report = await bury(received(message), queue, open_world(configuration), configuration)
        tell(name, report)

    return handle
