"""What a function leaves behind, written after it returned: not atomically, one by one."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.host import logs
from local.host.bindings import RETURN, Function
from local.host.messages import BadOutput, encode, output_bodies
from local.host.protos import TypedData
from local.host.storage import Storage
from local.host.worker import Result, Worker


@dataclass(frozen=True, slots=True)
class Invoker:
    """Runs a function and sends its outputs; the invocation fails if one of them does.

    `wake` is told each queue written to: the listener on this very host looks at once.
    """

    worker: Worker
    storage: Storage
    encoding: str
    wake: Callable[[str], None]

    async def run(
        self, function: Function, value: TypedData, metadata: dict[str, TypedData]
    ) -> Result:
        """Invoke the function and send what it left in its queue outputs."""
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
    """Put a message on a queue, which is created if it is missing; it lives for 7 days."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        with contextlib.suppress(ResourceExistsError):
            await queue.create_queue()
        await queue.send_message(text)
