"""The jobs queue: each message is accepted or rejected."""

import azure.functions as func

from ..configuration import Configuration
from ..intake import take_in
from ..services.world import open_world
from ..settings import CONNECTION
from .deliveries import received, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the function `intake`."""
    blueprint = func.Blueprint()

    @blueprint.function_name("intake")
    @blueprint.queue_trigger(
        arg_name="message",
        queue_name=configuration.settings.jobs_queue,
        connection=CONNECTION,
        # As bytes, a payload's fields can't overwrite the message's own id and times.
        data_type=func.DataType.BINARY,
    )
    async def intake(message: func.QueueMessage) -> None:
        report = await take_in(received(message), open_world(configuration), configuration)
        tell("intake", report)

    return blueprint
