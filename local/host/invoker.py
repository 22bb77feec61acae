"""Invocation of a function; its outputs are sent one by one after it returned."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host import logs
from local.host.bindings import RETURN, Function
from local.host.channel import Result
from local.host.messages import BadOutput, encode, output_bodies
from local.host.protos import TypedData
from local.host.storage import Storage
from local.host.worker import Worker


@dataclass(frozen=True, slots=True)
class Invoker:
    """The invoker of functions; an invocation fails when one of its outputs fails.

    `wake` gets each queue that was written to, so that a listener of this host polls at once.
    """

    worker: Worker
    storage: Storage
    encoding: str
    wake: Callable[[str], None]

    async def run(
        self, function: Function, value: TypedData, metadata: dict[str, TypedData]
    ) -> Result:
        """Invoke a function and send its queue outputs."""
        result = await self.worker.invoke(function, value, metadata)
        if not result.succeeded:
            return result
        try:
            for output in function.outputs:
                left = (
                    result.returned
                    if output.parameter == RETURN
                    else result.outputs.get(output.parameter)
                )
                if left is not None:
                    queue = await self.storage.queue(output.connection, output.queue)
                    for body in output_bodies(left):
                        await send(queue, encode(body, self.encoding))
                    self.wake(output.queue)
        except (BadOutput, UnicodeDecodeError, HttpResponseError) as error:
            logs.log.exception("Executed %s (Failed): an output was not sent", function.name)
            return Result(error=str(error))
        return result


async def send(queue: QueueClient, text: str) -> None:
    """Send a message that lives for 7 days; create the queue if it is missing."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)
