"""The whole app on one machine: storage, images endpoint and hosts start and stop together."""

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import FrameType
from typing import Any, Literal, Self

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.stack import azurite
from local.stack.dev_folder import read_addresses, write_folder
from local.stack.event_grid import BlobWatcher
from local.stack.instructions import exports, instructions
from local.stack.processes import Child, DidNotStart, to_stderr
from local.stack.settings import (
    CONTAINERS,
    FOUNDRY_KEY,
    MANIFESTS_CONTAINER,
    MANIFESTS_QUEUE,
    QUEUES,
    REPLY_QUEUE,
    queues_of,
    settings,
)

ROOT = Path(__file__).parents[2]

#: Longest start of a part in seconds, on a busy machine.
START_SECONDS = 60.0

#: The shortest lock of a timer: who kills a host waits for it, 60 s in Azure.
TIMERS = ("--lock", "15")

#: Seconds after the drain time until a host is killed.
STOP_SECONDS = 5.0


class CannotStart(RuntimeError):
    """The stack cannot start with these options."""


class Stopped(SystemExit):
    """A signal stopped the stack."""


@dataclass(frozen=True, slots=True)
class StackOptions:
    """Options of `python -m local up`; times in seconds."""

    foundry: str | None
    host: Literal["builtin", "func"]
    hosts: int
    restart: bool
    hide: float
    drain: float
    data: Path | None
    #: More options of `local.host`.
    host_options: Sequence[str]
    #: Working copy of an earlier version, whose app every second host runs until it ends.
    before: Path | None
    #: Where variables for other shells are written, and ports and keys are kept.
    folder: Path | None
    set: Mapping[str, str]


class Stack:
    """The running parts; stops all of them on exit."""

    def __init__(self, options: StackOptions) -> None:
        self._options = options
        self._ended: SimpleQueue[Child[Any]] = SimpleQueue()
        self._services: list[Child[Any]] = []
        self._hosts: list[Child[Any]] = []
        self._watcher: BlobWatcher | None = None
        self._environment: dict[str, str] = {}
        self._addresses = read_addresses(options.folder)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _stop)
        return self

    def __exit__(self, *_: object) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # already stopping
        if self._watcher:
            self._watcher.stop()
        for host in self._hosts:
            host.ask_to_stop()
        for host in self._hosts:
            host.stop(self._options.drain + STOP_SECONDS)
        for service in self._services:
            service.ask_to_stop()
        for service in self._services:
            service.stop(STOP_SECONDS)

    def start(self) -> dict[str, Any]:
        """Start every part and return their addresses, keys and process ids."""
        starting = azurite.start(self._options.data, ports=self._addresses.ports)
        storing = self._added(self._services, starting)
        emulator = None
        if self._options.foundry is None:
            emulator = self._added(self._services, self._foundry())
        storage = storing.wait_ready(START_SECONDS)
        before = self._options.before
        create_all(storage, queues_of(before) if before else ())
        self._watcher = BlobWatcher(storage, MANIFESTS_CONTAINER, MANIFESTS_QUEUE)
        self._watcher.start()
        foundry = self._options.foundry or str(
            emulator and emulator.wait_ready(START_SECONDS)["url"]
        )
        self._environment = {**os.environ, **settings(storage, foundry), **self._options.set}
        hosts = [self._added(self._hosts, self._host(number)) for number in self._numbers()]
        ready = [host.wait_ready(START_SECONDS) for host in hosts]
        return {
            "ready": True,
            "storage": storage,
            "foundry": foundry,
            "host": ready[0]["url"],
            "hosts": [document["url"] for document in ready],
            "keys": ready[0].get("keys", {}),
            "functions": ready[0].get("functions", []),
            "elsewhere": ready[0].get("elsewhere", []),
            "deployments": json.loads(self._environment["FOUNDRY_DEPLOYMENTS"]),
            "pids": {
                "hosts": [host.pid for host in hosts],
                "azurite": storing.pid,
                "foundry": emulator.pid if emulator else None,
            },
        }

    def watch(self, ready: Mapping[str, Any]) -> int:
        """Wait for a part to end: restart a host with `restart`, else return exit code 1."""
        while True:
            child = self._ended.get()
            code = child.process.wait()
            if not (self._options.restart and child in self._hosts):
                to_stderr(f"{child.name} ended with exit code {code}: stopping the rest")
                return 1
            child.kill()  # and everything it started
            number = self._hosts.index(child)
            port = int(str(ready["hosts"][number]).rsplit(":", 1)[1])
            restarted = self._host(number, port)
            self._hosts[number] = restarted
            self._watched(restarted)
            restarted.wait_ready(START_SECONDS)
            to_stderr(
                f"{child.name} (pid {child.pid}) ended with exit code {code}: "
                f"restarted, pid {restarted.pid}"
            )

    def _numbers(self) -> range:
        return range(self._options.hosts)

    def _added[T](self, group: list[Child[Any]], child: Child[T]) -> Child[T]:
        group.append(child)
        return self._watched(child)

    def _watched[T](self, child: Child[T]) -> Child[T]:
        def wait() -> None:
            child.process.wait()
            self._ended.put(child)

        Thread(target=wait, daemon=True).start()
        return child

    def _foundry(self) -> Child[dict[str, Any]]:
        deployments = {**settings("", ""), **self._options.set}["FOUNDRY_DEPLOYMENTS"]
        return Child(
            "foundry",
            [
                *(
                    sys.executable,
                    "-m",
                    "local.foundry",
                    "--port",
                    str(self._addresses.ports["foundry"]),
                ),
                *("--key", FOUNDRY_KEY, "--deployments", deployments),
            ],
            ready=read_ready,
            environment=os.environ,
            directory=ROOT,
        )

    def _host(self, number: int, port: int | None = None) -> Child[dict[str, Any]]:
        if port is None:
            port = self._addresses.ports["host"] if number == 0 else 0
        name = f"host-{number + 1}" if self._options.hosts > 1 else "host"
        if self._options.host == "func":
            return _core_tools(name, self._environment, port or _free_port())
        keys = [
            part for name, key in self._addresses.keys.items() for part in (f"--{name}-key", key)
        ]
        # In a rolling update, an instance that ended is replaced by one of the newer version.
        is_first = number >= len(self._hosts)
        copy = self._options.before if is_first and number % 2 and self._options.before else ROOT
        more = (*TIMERS, *self._options.host_options) if copy == ROOT else ()
        return Child(
            name if copy == ROOT else f"{name}-before",
            [
                *(python_of(copy), "-m", "local.host", "--app", str(copy), "--port", str(port)),
                *("--hide", str(self._options.hide), "--drain", str(self._options.drain), *keys),
                *more,
            ],
            ready=read_ready,
            environment=self._environment,
            directory=copy,
        )


def python_of(copy: Path) -> str:
    """Return the Python of a working copy: its own where it has one, else this one."""
    own = copy / ".venv" / "bin" / "python"
    return str(own) if own.exists() and copy != ROOT else sys.executable


def create_all(storage: str, former: Iterable[str] = ()) -> None:
    """Create the app's containers and queues, as in Azure, and a reply queue.

    `former` are queues of the version before: provisioning deletes none.
    """
    with BlobServiceClient.from_connection_string(storage) as blobs:
        for container in CONTAINERS:
            with suppress(ResourceExistsError):
                blobs.create_container(container)
    with QueueServiceClient.from_connection_string(storage) as queues:
        for queue in {*QUEUES, REPLY_QUEUE, *former}:
            with suppress(ResourceExistsError):
                queues.create_queue(queue)


def read_ready(line: str) -> dict[str, Any] | None:
    """Read the JSON line that a part prints when it is ready; None for any other line."""
    try:
        document = json.loads(line)
    except ValueError:
        return None
    return document if isinstance(document, dict) and document.get("ready") is True else None


def _core_tools(name: str, environment: Mapping[str, str], port: int) -> Child[dict[str, Any]]:
    program = shutil.which("func")
    if program is None:
        raise CannotStart(
            "--host func needs Azure Functions Core Tools, but `func` is not on PATH; "
            "without --host the built-in host runs"
        )
    url = f"http://127.0.0.1:{port}"
    return Child(
        name,
        [program, "start", "--port", str(port)],
        # Printed when the functions are listed and the host listens.
        ready=lambda line: {"url": url} if "func with --verbose" in line else None,
        environment=environment,
        directory=ROOT,
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(number: int, _frame: FrameType | None) -> None:
    to_stderr(f"{signal.Signals(number).name}: stopping")
    raise Stopped(0)


def run_until_stopped(options: StackOptions) -> int:
    """Run the stack until a signal or the end of a part; return the exit code."""
    if options.host == "func" and options.hosts > 1:
        raise CannotStart("--host func runs one host; use --host builtin for several")
    with Stack(options) as stack:
        try:
            ready = stack.start()
        except DidNotStart as error:
            to_stderr(str(error))
            return 1
        if options.folder:
            write_folder(options.folder, ready, exports(ready))
        # Keys are shown to a person and to the program that reads the pipe, never in a log.
        if options.folder and sys.stdout.isatty():
            print(instructions(ready, options.folder), flush=True)
        else:
            print(json.dumps(ready), flush=True)
        try:
            return stack.watch(ready)
        except DidNotStart as error:
            to_stderr(str(error))
            return 1
