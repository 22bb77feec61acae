"""The functions of the queues: one for each queue, so that each is scaled alone.

Work is imported with its first message: an instance serves few of the queues.
"""

# ruff: noqa: PLC0415 (see above)

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import azure.functions as func

from ..adapters.world import open_world
from ..config.settings import CONNECTION, Configuration
from ..errors import MalformedMessage, Unavailable
from ..jobs.parsing import Message
from ..ports import Report, What
from ..stores.world import World
from .host import log, log_report, start_span

#: Handles one delivery; returns what to log, or None if that is logged already.
type Workflow = Callable[[Message, World, Configuration], Awaitable[Report | None]]


def functions(configuration: Configuration) -> func.Blueprint:
    """Return two functions for each queue: of its messages, and of its poison messages."""
    blueprint, settings = func.Blueprint(), configuration.settings

    def add(
        name: str, queue: str, workflow: Workflow, poison: Workflow, *, moves: bool = False
    ) -> None:
        _add_function(blueprint, name, queue, workflow, configuration, moves=moves)
        _add_function(blueprint, f"poison_{name}", f"{queue}-poison", poison, configuration)

    def add_of_jobs(name: str, queue: str, workflow: Workflow, *, moves: bool = False) -> None:
        add(name, queue, workflow, partial(_poison, queue=queue), moves=moves)

    add_of_jobs("intake", settings.jobs_queue, _take_in, moves=True)
    add_of_jobs("generate", settings.tasks_queue, _generate, moves=True)
    add_of_jobs("finish", settings.finish_queue, _finish)
    add("batch", settings.manifests_queue, _batch, _poison_batch)
    add("dispatch", settings.deliveries_queue, _deliver, _poison_delivery)
    return blueprint


def _add_function(
    blueprint: func.Blueprint,
    name: str,
    queue: str,
    workflow: Workflow,
    configuration: Configuration,
    *,
    moves: bool = False,
) -> None:
    async def handle(message: func.QueueMessage) -> None:
        delivery = Message(
            body=message.get_body(),
            # The same at each delivery.
            message_id=message.id or "",
            inserted_at=message.insertion_time or datetime.now(UTC),
        )
        try:
            report = await workflow(delivery, open_world(configuration), configuration)
        except MalformedMessage as error:
            log_report(name, Report(What.MALFORMED, None, {"why": error}))
            raise
        if report:
            log_report(name, report)
        if moves:
            await _move_due(open_world(configuration))

    handle.__name__ = name
    triggered = blueprint.queue_trigger(
        arg_name="message",
        queue_name=queue,
        connection=CONNECTION,
        # As bytes, so that fields of the payload can't overwrite the id and times of the message.
        data_type=func.DataType.BINARY,
    )
    blueprint.function_name(name)(triggered(handle))


async def _take_in(message: Message, world: World, configuration: Configuration) -> Report:
    from ..workflows.intake import handle_job_message

    return await handle_job_message(message, world, configuration)


async def _move_due(world: World) -> None:
    """Move tasks that are due, at the end of an invocation; its own work is done and stays so."""
    try:
        await world.tasks.move_due()
    except Unavailable as error:
        log.warning("tasks that are due can't be moved: %s", error)


async def _generate(message: Message, world: World, configuration: Configuration) -> None:
    from ..records.task_messages import read_task
    from ..workflows.generation.generate import generate

    task = read_task(message.body)
    with start_span("generate", task.traceparent):
        # Logged within the span, because the report gives the span its attributes.
        log_report("generate", await generate(task, world, configuration))


async def _finish(message: Message, world: World, configuration: Configuration) -> Report:
    from ..records.task_messages import read_finish
    from ..workflows.finishing import finish

    return await finish(read_finish(message.body), world, configuration)


async def _poison(
    message: Message, world: World, configuration: Configuration, *, queue: str
) -> Report:
    from ..workflows.poison import handle_poison

    return await handle_poison(message, queue, world, configuration)


async def _batch(message: Message, world: World, configuration: Configuration) -> Report:
    from ..workflows.batches import advance

    return await advance(message, world, configuration)


async def _poison_batch(message: Message, world: World, configuration: Configuration) -> Report:
    from ..workflows.batches import handle_poison_notice

    return await handle_poison_notice(message, world, configuration)


async def _deliver(message: Message, world: World, configuration: Configuration) -> Report:
    from ..workflows.delivery import deliver

    return await deliver(message, world, configuration)


async def _poison_delivery(message: Message, world: World, _: Configuration) -> Report:
    from ..workflows.delivery import handle_poison_delivery

    return await handle_poison_delivery(message, world)
