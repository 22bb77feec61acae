"""The deliveries queue: each message is one event for one sink.

What offers them is imported with the first message: an app without sinks never gets one.
"""

import azure.functions as func

from ..configuration import Configuration
from ..services.world import open_world
from .deliveries import queue_function, received, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `dispatch` and `poison_dispatch`."""
    blueprint = func.Blueprint()
    queue = configuration.settings.deliveries_queue

    @queue_function(blueprint, "dispatch", queue)
    async def offer(message: func.QueueMessage) -> None:
        from ..dispatching import dispatch  # noqa: PLC0415 (see the module)

        world = open_world(configuration)
        tell("dispatch", await dispatch(received(message), world, configuration))

    @queue_function(blueprint, "poison_dispatch", f"{queue}-poison")
    async def bury(message: func.QueueMessage) -> None:
        from ..dispatching import bury_dispatch  # noqa: PLC0415 (see the module)

        tell("poison_dispatch", await bury_dispatch(received(message), open_world(configuration)))

    return blueprint
