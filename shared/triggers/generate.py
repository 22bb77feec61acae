"""The lanes: one function each, so that the platform scales each alone."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from ..configuration import Configuration
from ..errors import MalformedMessage
from ..reports import Report
from ..services.world import open_world
from ..settings import CONNECTION
from ..tasks import read_task
from .deliveries import tell


def functions(configuration: Configuration) -> func.Blueprint:
    """Return the functions `generate_small`, `generate_standard` and `generate_large`."""
    blueprint = func.Blueprint()
    for lane, queue in configuration.settings.lanes.items():
        name = f"generate_{lane}"
        decorate = blueprint.queue_trigger(
            arg_name="message",
            queue_name=queue,
            connection=CONNECTION,
            data_type=func.DataType.BINARY,
        )
        blueprint.function_name(name)(decorate(_handler(name, configuration)))
    return blueprint


def _handler(
    name: str, configuration: Configuration
) -> Callable[[func.QueueMessage], Awaitable[None]]:
    async def handle(message: func.QueueMessage) -> None:
        from ..generation import generate  # noqa: PLC0415 (17 modules that no start needs)
        from ..services.telemetry import task_span  # noqa: PLC0415 (as in deliveries)

        try:
            task = read_task(message.get_body())
        except MalformedMessage as error:
            tell(name, Report("malformed", None, {"why": error}))
            raise
        with task_span(name, task.traceparent):
            tell(name, await generate(task, open_world(configuration), configuration))

    handle.__name__ = name
    return handle
