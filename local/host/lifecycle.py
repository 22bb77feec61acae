"""The lifecycle of a host: load the app, listen, print the ready line, drain, end."""

import asyncio
import hashlib
import json
import os
import re
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
from local.host.worker import Worker, WorkerOptions

#: Exit code of a host that must be started again, as the platform does.
RECYCLED = 82
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
    lock: int
    cold: float
    keys: Keys
    functions: re.Pattern[str]
    refusals: Path | None
    keeps_others: bool
    cuts_young: bool


#: Seconds for the messages of failed invocations before a host that gave up ends.
GIVING_BACK: Final = 5.0

#: Longest request line in bytes: the app answers it, not the server.
LONGEST_LINE: Final = 1 << 16


async def serve(arguments: Arguments, settings: Mapping[str, str], ready_output: TextIO) -> int:
    """Run the app until a signal comes; return the exit code."""
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _on_signal, asked, number)
    options = read_host_json(arguments.app, settings)
    keeps, cuts = arguments.keeps_others, arguments.cuts_young
    treated = WorkerOptions(timeout=options.timeout, keeps_others=keeps, cuts_young=cuts)
    worker = Worker(arguments.app, settings, treated)
    functions, broken = read(await worker.load(), settings)
    listeners: list[Listener] = []
    storage = Storage(settings, arguments.refusals)
    invoker = Invoker(worker, storage, options.queues.encoding, _waker(listeners))
    functions, broken = _connected(functions, broken, settings)
    elsewhere = [each for each in functions if not arguments.functions.match(each.name)]
    functions = tuple(each for each in functions if each not in elsewhere)
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
    print(
        _ready(runner, functions, broken, elsewhere, arguments.keys), file=ready_output, flush=True
    )

    try:
        await _end(asked, worker.gave_up, listening)
    except Exception:  # noqa: BLE001 - any error of a listener ends the real host too
        logs.log.critical(
            "An unhandled exception has occurred. Host is shutting down", exc_info=True
        )
        return RECYCLED
    patience = GIVING_BACK if worker.gave_up.is_set() else arguments.drain
    logs.log.info("Draining %d invocations for up to %g s", worker.running, patience)
    await listener_site.stop()
    worker.drain()
    for listener in listeners:
        listener.stop()
    drained = await _drain(worker, listening, patience)
    if worker.gave_up.is_set():
        return RECYCLED
    if not drained:
        logs.log.error("%d invocations were still running and were stopped", worker.running)
        return NOT_DRAINED
    await worker.stop()
    await runner.cleanup()
    await storage.close()
    return 0


async def _end(
    asked: asyncio.Event, gave_up: asyncio.Event, listening: list[asyncio.Task[None]]
) -> None:
    """Wait for a signal or the worker's end; raise the error of a listener that ended before."""
    waiting = [asyncio.create_task(event.wait()) for event in (asked, gave_up)]
    await asyncio.wait([*waiting, *listening], return_when=asyncio.FIRST_COMPLETED)
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
                        function,
                        trigger,
                        invoker,
                        options=options.queues,
                        hide=arguments.hide,
                        cold=arguments.cold,
                    )
                )
            case TimerTrigger() as trigger:
                listeners.append(
                    TimerListener(function, trigger, invoker, host_id=host_id, lock=arguments.lock)
                )
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


def _ready(
    runner: web.AppRunner,
    functions: tuple[Function, ...],
    broken: tuple[Broken, ...],
    elsewhere: list[Function],
    keys: Keys,
) -> str:
    host, port = runner.addresses[0][:2]
    known: tuple[Function | Broken, ...] = (*functions, *broken)
    document: dict[str, Any] = {
        "ready": True,
        "url": f"http://{host}:{port}",
        "pid": os.getpid(),
        "functions": [describe(function) for function in known],
        "elsewhere": [describe(function) for function in elsewhere],
        "keys": {"function": keys.function, "master": keys.master},
    }
    return json.dumps(document)
