"""What each queue of the app triggers: one function a queue, so that each is scaled alone.

Work that most instances never see is imported with its first message.
"""

# ruff: noqa: PLC0415 (see above)

import azure.functions as func

from ..adapters.world import open_world
from ..config.settings import Configuration
from ..errors import MalformedMessage
from ..ports import Report, What
from ..records.task_messages import read_finish, read_task
from ..workflows.intake import handle_job_message
from .host import Handler, log_report, queue_function, read_message, start_span


def intake(configuration: Configuration) -> func.Blueprint:
    """Return the function of the jobs queue: each message is accepted or rejected."""
    blueprint = func.Blueprint()

    @queue_function(blueprint, "intake", configuration.settings.jobs_queue)
    async def handle(message: func.QueueMessage) -> None:
        log_report(
            "intake",
            await handle_job_message(
                read_message(message), open_world(configuration), configuration
            ),
        )

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
            log_report(name, Report(What.MALFORMED, None, {"why": error}))
            raise
        with start_span(name, task.traceparent):
            log_report(name, await generate(task, open_world(configuration), configuration))

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
            log_report("finish", Report(What.MALFORMED, None, {"why": error}))
            raise
        log_report("finish", await finish(wanted, open_world(configuration), configuration))

    return blueprint


def batch(configuration: Configuration) -> func.Blueprint:
    """Return the functions of the manifests queue and of its poison queue."""
    blueprint = func.Blueprint()
    queue = configuration.settings.manifests_queue

    @queue_function(blueprint, "batch", queue)
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.batches import advance

        world = open_world(configuration)
        log_report("batch", await advance(read_message(message), world, configuration))

    @queue_function(blueprint, "poison_batch", f"{queue}-poison")
    async def handle_poison(message: func.QueueMessage) -> None:
        from ..workflows.batches import handle_poison_notice

        world = open_world(configuration)
        log_report(
            "poison_batch", await handle_poison_notice(read_message(message), world, configuration)
        )

    return blueprint


def deliver(configuration: Configuration) -> func.Blueprint:
    """Return the functions of the deliveries queue and of its poison queue."""
    blueprint = func.Blueprint()
    queue = configuration.settings.deliveries_queue

    @queue_function(blueprint, "dispatch", queue)
    async def handle(message: func.QueueMessage) -> None:
        from ..workflows.delivery import deliver

        world = open_world(configuration)
        log_report("dispatch", await deliver(read_message(message), world, configuration))

    @queue_function(blueprint, "poison_dispatch", f"{queue}-poison")
    async def handle_poison(message: func.QueueMessage) -> None:
        from ..workflows.delivery import handle_poison_delivery

        log_report(
            "poison_dispatch",
            await handle_poison_delivery(read_message(message), open_world(configuration)),
        )

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
        from ..workflows.poison import handle_poison

        report = await handle_poison(
            read_message(message), queue, open_world(configuration), configuration
        )
        log_report(name, report)

    return handle
