"""The finish queue: originals of jobs whose calls have all ended."""

import azure.functions as func

from ..configuration import Configuration
from ..errors import MalformedMessage
from ..finishing import finish as work
from ..reports import Report
from ..services.world import open_world
from ..tasks import read_finish
from .deliveries import queue_function, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `finish`."""
    blueprint = func.Blueprint()

    @queue_function(blueprint, "finish", configuration.settings.finish_queue)
    async def finish(message: func.QueueMessage) -> None:
        try:
            wanted = read_finish(message.get_body())
        except MalformedMessage as error:
            tell("finish", Report("malformed", None, {"why": error}))
            raise
        tell("finish", await work(wanted, open_world(configuration), configuration))

    return blueprint
