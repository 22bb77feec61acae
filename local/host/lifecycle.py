"""The lifecycle of a host: load the app, listen, print the ready line, drain, end."""

import asyncio
import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from aiohttp import web

from local.host import logs
from local.host.bindings import Broken, Function, QueueTrigger, TimerTrigger, describe, read
from local.host.configuration import HostOptions, Misconfigured, connection, read_host_json
from local.host.invoker import Invoker
from local.host.queues import QueueListener
from local.host.routes import Keys, routes
from local.host.storage import Storage
from local.host.timers import TimerListener
from local.host.web import Site
from local.host.worker import Worker

#: Exit code after functionTimeout, different from a crash; the real host kills its worker.
TIMED_OUT = 82
#: Exit code when the drain time was too short, as after SIGTERM.
NOT_DRAINED = 128 + signal.SIGTERM

type Listener = QueueListener | TimerListener


@dataclass(frozen=True, slots=True)
class Arguments:
    """Options of the command line; times in seconds."""

    app: Path
    port: int
    hide: float
    drain: float
    keys: Keys


#: Longest request line in bytes: the app answers it, not the server.
LONGEST_LINE: Final = 1 << 16


async def serve(arguments: Arguments, settings: Mapping[str, str], ready_output: TextIO) -> int:
    """Run the app until a signal comes; return the exit code."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, asked, number)
    options = read_host_json(arguments.app)
    worker = Worker(timeout=options.timeout, on_timeout=_kill_after(options.timeout))
    functions, broken = read(await worker.load(arguments.app), settings)
    listeners: list[Listener] = []
    storage = Storage(settings)
    invoker = Invoker(worker, storage, options.queues.encoding, _waker(listeners))
    functions, broken = _connected(functions, broken, settings)
    listeners += _listeners(functions, invoker, options, arguments, settings)
    by_name = {function.name: function for function in functions}
    site = Site(by_name, routes(functions, options.route_prefix), arguments.keys, invoker)
    runner = web.AppRunner(
        site.application(),
        access_log=None,
        shutdown_timeout=arguments.drain,
        max_line_size=LONGEST_LINE,
    )
    await runner.setup()
    listener_site = web.TCPSite(runner, "127.0.0.1", arguments.port)
    await listener_site.start()
    listening = [asyncio.create_task(listener.listen()) for listener in listeners]
    for reason in broken:
        logs.log.error("The function %s is not started: %s", reason.name, reason.reason)
    print(_ready(runner, functions, broken, arguments.keys), file=ready_output, flush=True)

    await _signalled(asked, listening)
    logs.log.info("Draining %d invocations for up to %g s", worker.running, arguments.drain)
    await listener_site.stop()
    for listener in listeners:
        listener.stop()
    drained = await _drain(worker, listening, arguments.drain)
    if not drained:
        logs.log.error("%d invocations were still running and were stopped", worker.running)
        return NOT_DRAINED
    await runner.cleanup()
    await storage.close()
    return 0


async def _signalled(asked: asyncio.Event, listening: list[asyncio.Task[None]]) -> None:
    """Wait for a signal; raise the error of a listener that ended before."""
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait([waiting, *listening], return_when=asyncio.FIRST_COMPLETED)
    for task in listening:
        if task.done():
            task.result()


def _waker(listeners: list[Listener]) -> Callable[[str], None]:
    """Return a function that makes the listener of a queue poll at once."""

    def wake(queue: str) -> None:
        for listener in listeners:
            if isinstance(listener, QueueListener) and listener.queue == queue:
                listener.wake()

    return wake


def _connected(
    functions: tuple[Function, ...], broken: tuple[Broken, ...], settings: Mapping[str, str]
) -> tuple[tuple[Function, ...], tuple[Broken, ...]]:
    """Separate the functions without a connection setting, and timers without host storage."""
    good: list[Function] = []
    bad = list(broken)
    for function in functions:
        names = [output.connection for output in function.outputs]
        if isinstance(function.trigger, QueueTrigger):
            names.append(function.trigger.connection)
        if isinstance(function.trigger, TimerTrigger):
            names.append("")
        try:
            for name in names:
                connection(name, settings)
        except Misconfigured as error:
            bad.append(Broken(function.name, str(error)))
        else:
            good.append(function)
    return tuple(good), tuple(bad)


def _listeners(
    functions: tuple[Function, ...],
    invoker: Invoker,
    options: HostOptions,
    arguments: Arguments,
    settings: Mapping[str, str],
) -> list[Listener]:
    host_id = settings.get("AzureFunctionsWebHost__hostid") or _host_id(arguments.app)
    listeners: list[Listener] = []
    for function in functions:
        match function.trigger:
            case QueueTrigger() as trigger:
                listeners.append(
                    QueueListener(
                        function, trigger, invoker, options=options.queues, hide=arguments.hide
                    )
                )
            case TimerTrigger() as trigger:
                listeners.append(TimerListener(function, trigger, invoker, host_id=host_id))
    return listeners


def _host_id(app: Path) -> str:
    """Return the name of the app's leases: 32 characters, the same for all its hosts."""
    return hashlib.sha256(str(app).encode()).hexdigest()[:32]


async def _drain(worker: Worker, listening: list[asyncio.Task[None]], seconds: float) -> bool:
    """Wait for running invocations; return False when they did not end in time."""

    async def ended() -> None:
        await asyncio.gather(*listening, return_exceptions=True)
        await worker.idle()

    try:
        async with asyncio.timeout(seconds):
            await ended()
    except TimeoutError:
        return False
    return True


def _on_signal(asked: asyncio.Event, number: int) -> None:
    if asked.is_set():
        sys.stderr.flush()
        os._exit(128 + number)
    asked.set()


def _kill_after(timeout: float | None) -> Callable[[Function, str], None]:
    def kill(function: Function, invocation_id: str) -> None:
        """Kill the process with every other invocation, as in Azure."""
        logs.log.critical(
            "Timeout value of %s s exceeded by function %s (Id: %s). Killing the process.",
            timeout,
            function.name,
            invocation_id,
        )
        sys.stderr.flush()
        os._exit(TIMED_OUT)

    return kill


def _ready(
    runner: web.AppRunner, functions: tuple[Function, ...], broken: tuple[Broken, ...], keys: Keys
) -> str:
    host, port = runner.addresses[0][:2]
    known: tuple[Function | Broken, ...] = (*functions, *broken)
    document: dict[str, Any] = {
        "ready": True,
        "url": f"http://{host}:{port}",
        "pid": os.getpid(),
        "functions": [describe(function) for function in known],
        "keys": {"function": keys.function, "master": keys.master},
    }
    return json.dumps(document)
