"""Azurite, the storage emulator: on free ports, in memory or in a directory."""

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from local.stack.processes import Child, to_stderr

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "node_modules/azurite/dist/src/azurite.js"

#: Azurite's published development account; not a secret.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="

#: Longest start in seconds; 1.3-2.7 s were measured on two cores.
START_SECONDS = 60.0

ANY_PORTS: Final = {"blob": 0, "queue": 0, "table": 0}

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


class AzuriteMissing(RuntimeError):
    """Azurite or Node.js is not installed."""


def missing_part() -> str | None:
    """Return a sentence about what is missing; None when Azurite can start."""
    if not SCRIPT.exists():
        return f"Azurite is not installed: {SCRIPT.relative_to(ROOT)} is missing; run `make setup`"
    if shutil.which("node") is None:
        return "Azurite needs Node.js, but `node` is not on PATH"
    return None


def start(
    data: Path | None = None,
    *,
    ports: Mapping[str, int] = ANY_PORTS,
    log: Callable[[str], None] = to_stderr,
) -> Child[str]:
    """Start Azurite as a child; its ready value is the connection string.

    `ports` are those of blobs, queues and tables; 0 is any free one. With `data` it stores
    everything in that directory, else in memory. It writes some seconds late: a kill -9 of Azurite
    loses the last writes.
    """
    if missing := missing_part():
        raise AzuriteMissing(missing)
    where = ["--inMemoryPersistence"] if data is None else ["--location", str(data)]
    # The newest SDKs use a newer API version than Azurite knows.
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    listen = [word for kind in ANY_PORTS for word in (f"--{kind}Port", str(ports[kind]))]
    return Child(
        "azurite",
        [shutil.which("node") or "node", str(SCRIPT), *where, *quiet, *listen],
        ready=_Ports().read,
        environment=os.environ,
        log=log,
    )


@contextmanager
def run_azurite(data: Path | None = None) -> Iterator[str]:
    """Run Azurite for the block and yield its connection string."""
    child = start(data, log=lambda _: None)
    try:
        yield child.wait_ready(START_SECONDS)
    finally:
        child.stop()


class _Ports:
    """The addresses that Azurite prints, collected into a connection string."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}

    def read(self, line: str) -> str | None:
        found = _LISTENING.search(line)
        if found:
            self._urls[found[1]] = found[2]
        if len(self._urls) < len(("Blob", "Queue", "Table")):
            return None
        endpoints = "".join(
            f"{kind}Endpoint={url}/{ACCOUNT};" for kind, url in sorted(self._urls.items())
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"
