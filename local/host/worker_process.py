"""The worker process: Microsoft's worker library, for the host that started the process.

It starts in another directory and without the app's settings, as the platform's placeholder does.
App code that blocks the loop blocks other invocations, as in Azure.
"""

import asyncio
import os
import signal
import socket
import sys
import uuid
from collections.abc import Coroutine, Generator
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # ships no types

from local.host import channel, deaths, logs
from local.host.channel import Cut, Finished, Invoke, Load, Loaded, Result
from local.host.protos import PROTOS, ParameterBinding


class Stoppable:
    """A coroutine that can stop at its next `await` for good, as when its process dies.

    Cancelling would run its `finally` blocks.
    """

    #: What was stopped; the garbage collector would close it, and run those blocks.
    _stopped: list[Coroutine[Any, Any, Any]] = []  # noqa: RUF012 - of the whole process

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self._coroutine = coroutine
        self.is_cut = False

    def __await__(self) -> Generator[Any, Any, Any]:
        error: BaseException | None = None
        while True:
            try:
                awaited = self._coroutine.throw(error) if error else self._coroutine.send(None)
            except StopIteration as done:
                return done.value
            try:
                yield awaited
                error = None
            except BaseException as thrown:  # noqa: BLE001 - the coroutine gets it
                error = thrown
            if self.is_cut:
                self._stopped.append(self._coroutine)
                return None


async def serve(descriptor: int) -> None:
    """Load the app and run its functions, until the host has ended."""
    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=descriptor))
    channel.write(writer, await _load(await channel.read(reader)))
    running: dict[str, Stoppable] = {}
    tasks: set[asyncio.Task[None]] = set()

    async def run(order: Invoke) -> None:
        with logs.invocation(order.function, order.invocation_id):
            answer = await running[order.invocation_id]
        del running[order.invocation_id]
        if answer is not None:
            channel.write(writer, Finished(order.invocation_id, _result(order.function, answer)))

    while True:
        match await channel.read(reader):
            case Invoke() as order:
                running[order.invocation_id] = Stoppable(runtime.invocation_request(_run(order)))
                task = asyncio.create_task(run(order))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            case Cut(invocation_id) if invocation_id in running:
                running[invocation_id].is_cut = True


async def _load(order: Load) -> Loaded:
    runtime.start_threadpool_executor()
    if order.settings is None:
        # The platform has the app first on the path when it starts a worker again.
        sys.path.insert(0, str(order.app))
        init = _request("worker_init_request", capabilities={}, function_app_directory=order.app)
        answer = await runtime.worker_init_request(init)
    else:
        reload = _request(
            "function_environment_reload_request",
            environment_variables=dict(order.settings),
            function_app_directory=str(order.app),
        )
        answer = await runtime.function_environment_reload_request(reload)
    if answer.result.status != PROTOS.StatusResult.Success:
        error = answer.result.exception
        return Loaded(error=f"{error.message}\n{error.stack_trace}".rstrip())
    deaths.arrange(os.environ)
    answer = await runtime.functions_metadata_request(_request("metadata"))
    return Loaded(tuple(answer.function_metadata_results or ()))


def _run(order: Invoke) -> SimpleNamespace:
    return _request(
        "invocation_request",
        invocation_id=order.invocation_id,
        function_id=order.function_id,
        input_data=[ParameterBinding(name=order.parameter, data=order.value)],
        trigger_metadata=dict(order.metadata),
        trace_context=SimpleNamespace(
            trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
            trace_state="",
            attributes={},
        ),
        retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
    )


def _result(function: str, answer: Any) -> Result:  # noqa: ANN401 - the library is untyped
    if answer.result.status == PROTOS.StatusResult.Success:
        outputs = {binding.name: binding.data for binding in answer.output_data}
        return Result(returned=answer.return_value, outputs=outputs)
    error = answer.result.exception
    logs.log.error("Executed %s (Failed): %s", function, error.stack_trace.rstrip())
    return Result(error=error.stack_trace or error.message)


def _request(kind: str, **fields: Any) -> SimpleNamespace:  # noqa: ANN401 - the library is untyped
    return SimpleNamespace(
        request=SimpleNamespace(**{kind: SimpleNamespace(**fields)}),
        properties={"protos": PROTOS, "host": "127.0.0.1"},
    )


def main(descriptor: int) -> None:
    """Serve the host at the other end of a socket, and end with it."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the host drains, and then ends this process
    logs.configure(quiet="azure.functions", invocation_id=runtime.invocation_id_cv)
    try:
        asyncio.run(serve(descriptor))
    except EOFError:
        sys.stderr.flush()
        os._exit(0)  # do not wait for threads of the app
