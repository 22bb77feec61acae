"""The manifests queue: files that were dropped, and batches that go on.

What reads them is imported with the first message: most instances of the app never get one.
"""

import azure.functions as func

from ..configuration import Configuration
from ..services.world import open_world
from .deliveries import queue_function, received, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `batch` and `poison_batch`."""
    blueprint = func.Blueprint()
    queue = configuration.settings.manifests_queue

    @queue_function(blueprint, "batch", queue)
    async def batch(message: func.QueueMessage) -> None:
        from ..batching import advance  # noqa: PLC0415 (see the module)

        world = open_world(configuration)
        tell("batch", await advance(received(message), world, configuration))

    @queue_function(blueprint, "poison_batch", f"{queue}-poison")
    async def poison_batch(message: func.QueueMessage) -> None:
        from ..batching import bury_notice  # noqa: PLC0415 (see the module)

        world = open_world(configuration)
        tell("poison_batch", await bury_notice(received(message), world, configuration))

    return blueprint
