"""The worker of a host: starts its process again when it dies, and ends invocations with it.

As the real host does (azure-functions-host, `RpcFunctionInvocationDispatcher`): what a dead process
ran has failed, so each message is visible again after `visibilityTimeout`; a run that is too long
ends the process with every other run in it; after the third death the host gives up.
"""

import asyncio
import os
import random
import socket
import sys
import time
import uuid
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from local.host import channel, logs
from local.host.bindings import Function
from local.host.channel import Cut, Finished, Invoke, Load, Loaded, Result
from local.host.protos import TypedData
from local.stack import launcher

#: Deaths of worker processes after which the host gives up.
MOST_DEATHS: Final = 3
#: An invocation that began so shortly before a drain is cut as well, seconds.
YOUNG: Final = 1.0
#: Age at which a drain cuts it, seconds (azure-functions-host#12007).
CUT_AT: Final = (1.0, 3.0)

#: What a placeholder has in its environment.
_PLACEHOLDER: Final = ("PATH", "HOME", "TMPDIR", "LANG")
_ROOT: Final = Path(__file__).parents[2]
#: Only for its own imports: the app comes last on the path, as in a placeholder.
_PROGRAM: Final = (
    f"import sys; sys.path.append({str(_ROOT)!r}); "
    "from local.host.worker_process import main; sys.path.pop(); main(int(sys.argv[1]))"
)


class AppDidNotLoad(RuntimeError):
    """The worker could not import or index the app; the message comes from the worker."""


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a host treats its invocations; times in seconds."""

    #: functionTimeout; None: unlimited.
    timeout: float | None = None
    #: Older hosts let others of a worker that timed out run into their own time-outs
    #: (azure-functions-host#8720); newer ones end them with it (#10683).
    keeps_others: bool = False
    #: A drain cuts invocations that begin with it (azure-functions-host#12007).
    cuts_young: bool = False


@dataclass(slots=True, eq=False)
class _Invocation:
    """A running invocation, and the process that runs it."""

    function: str
    process: Process
    result: asyncio.Future[Result]
    began: float


class Worker:
    """The worker of one app; `gave_up` is set when its process has died too often."""

    def __init__(
        self, app: Path, settings: Mapping[str, str], options: WorkerOptions | None = None
    ) -> None:
        self._app = app
        self._settings = settings
        self._options = options or WorkerOptions()
        self._invocations: dict[str, _Invocation] = {}
        self._deaths = 0
        self._timed_out: Process | None = None
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._started = asyncio.Event()
        self.gave_up = asyncio.Event()

    @property
    def running(self) -> int:
        """The number of running invocations."""
        return len(self._invocations)

    async def idle(self) -> None:
        """Wait until no invocation runs."""
        await self._idle.wait()

    async def load(self) -> tuple[Any, ...]:
        """Start as the placeholder does; return the worker's metadata of the functions."""
        found = await self._start(Load(self._app, dict(self._settings)))
        if not found:
            raise AppDidNotLoad(f"{self._app} has no functions: is there a function_app.py?")
        return found

    def drain(self) -> None:
        """Start no more processes; cut what begins now, where hosts do."""
        self._draining = True
        for invocation_id, each in self._invocations.items():
            if time.monotonic() - each.began < YOUNG:
                self._cut_soon(invocation_id, each)

    async def stop(self) -> None:
        """End the process; invocations that it runs never end."""
        self._watching.cancel()
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    async def invoke(
        self, function: Function, value: TypedData, metadata: Mapping[str, TypedData]
    ) -> Result:
        """Run a function once, as soon as there is a process."""
        invocation_id = str(uuid.uuid4())
        loop = asyncio.get_running_loop()
        await self._started.wait()
        invocation = _Invocation(
            function.name, self._process, loop.create_future(), time.monotonic()
        )
        self._invocations[invocation_id] = invocation
        self._idle.clear()
        clock = None
        if self._options.timeout is not None:
            clock = loop.call_later(self._options.timeout, self._time_out, invocation_id)
        if self._draining:
            self._cut_soon(invocation_id, invocation)
        parameter = function.trigger.parameter
        order = Invoke(invocation_id, function.name, function.id, parameter, value, metadata)
        channel.write(self._writer, order)
        try:
            return await invocation.result
        finally:
            del self._invocations[invocation_id]
            if not self._invocations:
                self._idle.set()
            if clock:
                clock.cancel()

    async def _start(self, order: Load) -> tuple[Any, ...]:
        """Start a process; with settings as a placeholder, else as a worker that starts again."""
        placeholder = {name: os.environ[name] for name in _PLACEHOLDER if name in os.environ}
        ours, theirs = socket.socketpair()
        with theirs:
            # It dies with this host, even when that is killed.
            command = (sys.executable, "-I", "-S", launcher.__file__, str(os.getpid()))
            self._process = await asyncio.create_subprocess_exec(
                *(*command, sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno())),
                cwd=gettempdir() if order.settings else self._app,
                env=placeholder if order.settings else dict(self._settings),
                stdin=DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        reader, self._writer = await asyncio.open_connection(sock=ours)
        channel.write(self._writer, order)
        try:
            loaded: Loaded = await channel.read(reader)
        except EOFError:
            raise AppDidNotLoad(
                f"the worker process ended with {await self._process.wait()}"
            ) from None
        if loaded.error is not None:
            raise AppDidNotLoad(loaded.error)
        logs.log.info("Worker process started and initialized, pid %d", self._process.pid)
        self._watching = asyncio.create_task(self._watch(self._process, reader))
        self._started.set()
        return loaded.functions

    async def _watch(self, process: Process, reader: asyncio.StreamReader) -> None:
        with suppress(EOFError):
            while True:
                finished: Finished = await channel.read(reader)
                self._finish(finished.invocation_id, finished.result)
        code = await process.wait()
        self._started.clear()
        logs.log.error("Language Worker Process exited. Pid=%d. Code=%d.", process.pid, code)
        is_death = process is not self._timed_out
        self._deaths += is_death
        if is_death or not self._options.keeps_others:
            for invocation_id, each in tuple(self._invocations.items()):
                if each.process is process:
                    self._finish(invocation_id, Result(f"the worker process exited with {code}"))
        if self._draining:
            return
        if self._deaths >= MOST_DEATHS:
            logs.log.critical("Exceeded language worker restart retry count. Shutting down")
            self.gave_up.set()
            return
        try:
            await self._start(Load(self._app, None))
        except AppDidNotLoad as error:
            logs.log.critical("the worker did not start again: %s", error)
            self.gave_up.set()

    def _finish(self, invocation_id: str, result: Result) -> bool:
        """End an invocation; return False when it has ended before."""
        invocation = self._invocations.get(invocation_id)
        if invocation is None or invocation.result.done():
            return False
        invocation.result.set_result(result)
        return True

    def _time_out(self, invocation_id: str) -> None:
        invocation = self._invocations[invocation_id]
        if not self._finish(invocation_id, Result("functionTimeout")):
            return
        logs.log.critical(
            "Timeout value of %s s exceeded by function %s (Id: %s). Restarting the worker.",
            self._options.timeout,
            invocation.function,
            invocation_id,
        )
        if invocation.process is self._process and self._process.returncode is None:
            self._timed_out = self._process
            self._process.kill()

    def _cut_soon(self, invocation_id: str, invocation: _Invocation) -> None:
        if self._options.cuts_young:
            at = invocation.began + random.uniform(*CUT_AT)  # noqa: S311 - chance, not a secret
            delay = max(at - time.monotonic(), 0)
            asyncio.get_running_loop().call_later(delay, self._cut, invocation_id)

    def _cut(self, invocation_id: str) -> None:
        why = "Worker channel is shutting down. Aborting function."
        if self._finish(invocation_id, Result(why)):
            logs.log.error("%s (Id: %s)", why, invocation_id)
            channel.write(self._writer, Cut(invocation_id))
