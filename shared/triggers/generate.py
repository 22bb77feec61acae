"""The lanes: one function each, so that the platform scales each alone."""

import azure.functions as func

from ..configuration import Configuration
from ..errors import MalformedMessage
from ..reports import Report
from ..services.world import open_world
from ..tasks import read_task
from .deliveries import Handler, following, queue_function, tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `generate_small`, `generate_standard` and `generate_large`."""
    blueprint = func.Blueprint()
    for lane, queue in configuration.settings.lanes.items():
        name = f"generate_{lane}"
        queue_function(blueprint, name, queue)(_handler(name, configuration))
    return blueprint


def _handler(name: str, configuration: Configuration) -> Handler:
    async def handle(message: func.QueueMessage) -> None:
        from ..generation import generate  # noqa: PLC0415 (17 modules that no start needs)

        try:
            task = read_task(message.get_body())
        except MalformedMessage as error:
            tell(name, Report("malformed", None, {"why": error}))
            raise
        with following(name, task.traceparent):
            tell(name, await generate(task, open_world(configuration), configuration))

    return handle
