"""The jobs queue: each message is accepted or rejected."""

import azure.functions as func

from ..configuration import Configuration
from ..intake import take_in
from ..services.world import open_world
from .deliveries import queue_function, received, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `intake`."""
    blueprint = func.Blueprint()

    @queue_function(blueprint, "intake", configuration.settings.jobs_queue)
    async def intake(message: func.QueueMessage) -> None:
        report = await take_in(received(message), open_world(configuration), configuration)
        tell("intake", report)

    return blueprint
