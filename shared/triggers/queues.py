"""What each queue of the app triggers: one function a queue, so that each is scaled alone.

Work that most instances never see is imported with its first message.
"""

# ruff: noqa: PLC0415 (see above)

import azure.functions as func

from ..adapters.world import open_world
from ..config.settings import Configuration
from ..errors import MalformedMessage
from ..ports import Report
from ..records.task_messages import read_finish, read_task
from ..workflows.intake import take_in
from .host import Handler, following, queue_function, received, tell


def intake(configuration: Configuration) -> func.Blueprint:
    """Return the function of the jobs queue: each message is accepted or rejected."""
    blueprint = func.Blueprint()

    @queue_function(blueprint, "intake", configuration.settings.jobs_queue)
    async def handle(message: func.QueueMessage) -> None:
        tell("intake", await take_in(received(message), open_world(configuration), configuration))

    return blueprint


def generate(configuration: Configuration) -> func.Blueprint:
    """Return one function for each lane: `generate_small`, `_standard` and `_large`."""
    blueprint = func.Blueprint()
    for lane, queue in configuration.settings.lanes.items():
        name = f"generate_{lane}"
        queue_function(blueprint, name, queue)(_lane(name, configuration))
    return blueprint


def _lane(name: str, configuration: Configuration) -> Handler:
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.generation.generate import generate

        try:
            task = read_task(message.get_body())
        except MalformedMessage as error:
            tell(name, Report("malformed", None, {"why": error}))
            raise
        with following(name, task.traceparent):
            tell(name, await generate(task, open_world(configuration), configuration))

    return handle


def finish(configuration: Configuration) -> func.Blueprint:
    """Return the function of the finish queue: originals of jobs whose calls have all ended."""
    blueprint = func.Blueprint()

    @queue_function(blueprint, "finish", configuration.settings.finish_queue)
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.finishing import finish

        try:
            wanted = read_finish(message.get_body())
        except MalformedMessage as error:
            tell("finish", Report("malformed", None, {"why": error}))
            raise
        tell("finish", await finish(wanted, open_world(configuration), configuration))

    return blueprint


def batch(configuration: Configuration) -> func.Blueprint:
    """Return the functions of the manifests queue and of its poison queue."""
    blueprint = func.Blueprint()
    queue = configuration.settings.manifests_queue

    @queue_function(blueprint, "batch", queue)
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.batches import advance

        world = open_world(configuration)
        tell("batch", await advance(received(message), world, configuration))

    @queue_function(blueprint, "poison_batch", f"{queue}-poison")
    async def handle_poison(message: func.QueueMessage) -> None:
        from ..workflows.batches import bury_notice

        world = open_world(configuration)
        tell("poison_batch", await bury_notice(received(message), world, configuration))

    return blueprint


def deliver(configuration: Configuration) -> func.Blueprint:
    """Return the functions of the deliveries queue and of its poison queue."""
    blueprint = func.Blueprint()
    queue = configuration.settings.deliveries_queue

    @queue_function(blueprint, "dispatch", queue)
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.delivery import dispatch

        world = open_world(configuration)
        tell("dispatch", await dispatch(received(message), world, configuration))

    @queue_function(blueprint, "poison_dispatch", f"{queue}-poison")
    async def handle_poison(message: func.QueueMessage) -> None:
        from ..workflows.delivery import bury_dispatch

        tell("poison_dispatch", await bury_dispatch(received(message), open_world(configuration)))

    return blueprint


def poison(configuration: Configuration) -> func.Blueprint:
    """Return one function for each poison queue of a job's messages."""
    blueprint = func.Blueprint()
    queues = {"intake": configuration.settings.jobs_queue} | {
        f"generate_{lane}": queue for lane, queue in configuration.settings.lanes.items()
    }
    queues["finish"] = configuration.settings.finish_queue
    for source, queue in queues.items():
        name = f"poison_{source}"
        queue_function(blueprint, name, f"{queue}-poison")(_poison(name, queue, configuration))
    return blueprint


def _poison(name: str, queue: str, configuration: Configuration) -> Handler:
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.poison import bury

        report = await bury(received(message), queue, open_world(configuration), configuration)
        tell(name, report)

    return handle
