"""Microsoft's worker library, on an event loop in a separate thread.

App code that blocks its loop blocks other invocations, as in Azure. It does not block polling,
renewal and time-outs, which run in another process in Azure.
"""

import asyncio
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # ships no types

from local.host import logs
from local.host.bindings import Function
from local.host.protos import PROTOS, ParameterBinding, TypedData


class AppDidNotLoad(RuntimeError):
    """The worker could not import or index the app; the message comes from the worker."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an invocation: `error` is the traceback of a failed one."""

    error: str | None = None
    returned: Any = None
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether the function returned."""
        return self.error is None


class Worker:
    """The worker of one app (the library allows one per process).

    `on_timeout` is called in the caller's loop when an invocation passes `timeout` seconds.
    """

    def __init__(
        self, *, timeout: float | None, on_timeout: Callable[[Function, str], object]
    ) -> None:
        self._timeout = timeout
        self._on_timeout = on_timeout
        self._loop = asyncio.new_event_loop()
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        threading.Thread(target=self._loop.run_forever, name="worker", daemon=True).start()

    @property
    def running(self) -> int:
        """The number of running invocations."""
        return self._running

    async def idle(self) -> None:
        """Wait until no invocation runs."""
        await self._idle.wait()

    async def load(self, directory: Path) -> list[Any]:
        """Import and index the app; return the worker's metadata of its functions."""
        sys.path.insert(0, str(directory))
        runtime.start_threadpool_executor()
        init = _request("worker_init_request", capabilities={}, function_app_directory=directory)
        answer = await self._on_worker(runtime.worker_init_request(init))
        if answer.result.status != PROTOS.StatusResult.Success:
            error = answer.result.exception
            raise AppDidNotLoad(f"{error.message}\n{error.stack_trace}".rstrip())
        answer = await self._on_worker(runtime.functions_metadata_request(_request("metadata")))
        found = answer.function_metadata_results
        if not found:
            raise AppDidNotLoad(f"{directory} has no functions: is there a function_app.py?")
        return list(found)

    async def invoke(
        self, function: Function, value: TypedData, metadata: Mapping[str, TypedData]
    ) -> Result:
        """Run a function once; log a failure with its traceback and return it in the result."""
        invocation_id = str(uuid.uuid4())
        loop = asyncio.get_running_loop()
        clock = None
        if self._timeout is not None:
            clock = loop.call_later(self._timeout, self._on_timeout, function, invocation_id)
        self._running += 1
        self._idle.clear()
        try:
            run = self._invoke(function, invocation_id, value, metadata)
            result: Result = await self._on_worker(run)
            return result
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
            if clock:
                clock.cancel()

    async def _invoke(
        self,
        function: Function,
        invocation_id: str,
        value: TypedData,
        metadata: Mapping[str, TypedData],
    ) -> Result:
        request = _request(
            "invocation_request",
            invocation_id=invocation_id,
            function_id=function.id,
            input_data=[ParameterBinding(name=function.trigger.parameter, data=value)],
            trigger_metadata=dict(metadata),
            trace_context=SimpleNamespace(
                trace_parent=f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[:16]}-01",
                trace_state="",
                attributes={},
            ),
            retry_context=SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        with logs.invocation(function.name, invocation_id):
            answer = await runtime.invocation_request(request)
            if answer.result.status == PROTOS.StatusResult.Success:
                outputs = {binding.name: binding.data for binding in answer.output_data}
                return Result(returned=answer.return_value, outputs=outputs)
            error = answer.result.exception
            logs.log.error("Executed %s (Failed): %s", function.name, error.stack_trace.rstrip())
            return Result(error=error.stack_trace or error.message)

    async def _on_worker(self, coroutine: Any) -> Any:  # noqa: ANN401 - the library is untyped
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))


def _request(kind: str, **fields: Any) -> SimpleNamespace:  # noqa: ANN401 - the library is untyped
    return SimpleNamespace(
        request=SimpleNamespace(**{kind: SimpleNamespace(**fields)}),
        properties={"protos": PROTOS, "host": "127.0.0.1"},
    )
